"""`cassettes diff`: what changed from one recording to another, for people who review it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Chunk, Interaction, RecordedRequest, RecordedResponse, Truncation


def chat(
    question: str, answer: str = "Yes.", *, model: str = "gpt-4o-mini", template: str = "desk/answer", number: int = 1
) -> Interaction:
    headers = (("content-type", "application/json"),)
    messages = [{"role": "system", "content": "You are a help desk."}, {"role": "user", "content": question}]
    said = {
        "id": f"chat-{number}",
        "created": number,
        "choices": [{"message": {"role": "assistant", "content": answer}}],
        "usage": {"prompt_tokens": 1000 * len(question), "completion_tokens": 100 * len(answer)},
    }
    body = json.dumps({"model": model, "messages": messages}).encode()
    request = RecordedRequest("POST", "https://api.openai.com/v1/chat/completions", headers, body)
    return Interaction(
        template, f"openai:{model}", request, RecordedResponse(200, "", headers, json.dumps(said).encode())
    )


@pytest.fixture
def write(project) -> Callable[..., Path]:
    def write(name: str, *interactions: Interaction) -> Path:
        path = project.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_text(interactions).encode())
        return path

    return write


@pytest.fixture
def git(project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs git in the project, which is a repository."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)

    def run(*words: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@b.test", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *names, *words], cwd=project.path, check=True, capture_output=True)

    run("init", "-q", "-b", "main")
    return run


def commit(git: Callable[..., None]) -> None:
    git("add", "-A")
    git("commit", "-qm", "recorded")


CHANGED = """\
A  old.yaml
B  new.yaml

new.yaml: 1 changed, 1 added of 2 calls
  changed desk/answer  openai:gpt-4o
    model: openai:gpt-4o-mini -> openai:gpt-4o
    message 1: the same
    message 2 (user):
      - Is it [open]?
      + Is it [closed]?
    answer:
      - [Yes].
      + [No].
    tokens: 11,000 in, 400 out -> 13,000 in, 300 out
    cost: $0.0019 -> $0.0355
  added desk/answer  openai:gpt-4o-mini: 4,000 tokens in, 400 out, $0.00084
    + system: You are a help desk.
    + user: Bye?
    + => answer: Yes.

1 cassette changed

  recorded in these        A        B         difference
  calls                    1        2         +1 (+100%)
  tokens in           11,000   17,000      +6,000 (+55%)
  tokens out             400      700        +300 (+75%)
  cost               $0.0019  $0.0363  +$0.0344 (+1823%)
"""


def test_files_are_compared_call_by_call(cassettes, write):
    write("old.yaml", chat("Is it open?"))
    write("new.yaml", chat("Is it closed?", "No.", model="gpt-4o"), chat("Bye?"))

    outcome = cassettes("diff", "old.yaml", "new.yaml")

    assert outcome.status == 0
    assert outcome.out == CHANGED


def test_ids_times_and_chunks_are_no_change(cassettes, write):
    first, second = chat("Hello."), chat("Hello.", number=2)
    stream = replace(second.response, arrivals=(Chunk(len(second.response.body), 0.5),))
    write("old.yaml", first)
    write("new.yaml", replace(second, response=stream))

    outcome = cassettes("diff", "old.yaml", "new.yaml")

    assert outcome.status == 0
    assert outcome.out.endswith(
        "\n\nnothing changed: 1 cassette rewritten, in which every prompt and every answer is the same\n"
    )
    assert (
        "nothing changed: every prompt and every answer is the same\n" in cassettes("diff", "new.yaml", "new.yaml").out
    )


def test_moved_and_removed_calls_are_told(cassettes, write):
    write("old.yaml", chat("One."), chat("Two."), chat("Three."))
    write("new.yaml", chat("Three."), chat("One."))

    out = cassettes("diff", "old.yaml", "new.yaml").out

    assert "new.yaml: 1 removed, 1 moved of 3 calls\n" in out
    assert "  moved desk/answer  openai:gpt-4o-mini: from place 3 to 1\n" in out
    assert "  removed desk/answer  openai:gpt-4o-mini: 4,000 tokens in" in out
    assert "    - user: Two.\n" in out


def test_a_renamed_template_is_a_change_of_its_call(cassettes, write):
    write("old.yaml", chat("One."))
    write("new.yaml", chat("One.", template="shop/answer"))

    assert "    template: desk/answer -> shop/answer\n" in cassettes("diff", "old.yaml", "new.yaml").out


def test_an_answer_that_broke_off_is_told(cassettes, write):
    one = chat("One.")
    write("old.yaml", one)
    write("new.yaml", replace(one, response=replace(one.response, cut=Truncation(0.5, "client"))))

    assert "    end: as usual -> broken off by client\n" in cassettes("diff", "old.yaml", "new.yaml").out


def test_folders_are_compared_and_moved_cassettes_found(cassettes, write):
    write("a/test_old.yaml", chat("One."), chat("Two."), chat("Three."))
    write("a/same.yaml", chat("Same."))
    write("a/gone.yaml", chat("Gone."))
    write("b/deep/test_new.yaml", chat("One."), chat("Two."), chat("Third."))
    write("b/same.yaml", chat("Same."))
    write("b/new.yaml", chat("New."))
    (write("b/other.yaml")).write_text("services: []\n")

    out = cassettes("diff", "a", "b").out

    assert "deep/test_new.yaml: moved from test_old.yaml; 1 changed of 3 calls\n" in out
    assert "gone.yaml: removed, 1 call\n" in out
    assert "new.yaml: added, 1 call\n" in out
    assert "1 cassette changed, 1 cassette added, 1 cassette removed\n" in out
    assert "same.yaml" not in out
    assert "other.yaml" not in out


def test_revisions_and_the_work_tree_are_compared(cassettes, write, git):
    write("cassettes/test_it.yaml", chat("One."))
    write("cassettes/kept.yaml", chat("Kept."))
    commit(git)
    git("mv", "cassettes/test_it.yaml", "cassettes/test_that.yaml")
    commit(git)
    write("cassettes/new.yaml", chat("New."))  # git does not know it yet

    committed, now, one = (cassettes("diff", *words) for words in (("HEAD~1", "HEAD"), ("HEAD~1",), ("HEAD",)))

    assert "cassettes/test_that.yaml: moved from cassettes/test_it.yaml\n" in committed.out
    assert "1 cassette moved\n" in committed.out
    assert now.out.startswith("A  HEAD~1\nB  the work tree\n\ncassettes/new.yaml: added, 1 call\n")
    assert "moved from" in now.out
    assert "moved from" not in one.out
    assert "kept" not in now.out


SETTINGS = {
    "diff.relative": "true",
    "diff.noprefix": "true",
    "diff.renames": "copies",
    "diff.external": "false",
    "color.ui": "always",
    "core.quotePath": "true",
    "status.relativePaths": "false",
}


def test_no_setting_of_git_hides_a_change(cassettes, write, git, project, monkeypatch):
    write("cassettes/f\xfcnf.yaml", chat("Is it open?"))
    write("sub/other.yaml", chat("Is it open?"))
    commit(git)
    write("cassettes/f\xfcnf.yaml", chat("Is it closed?"))
    for name, value in SETTINGS.items():
        git("config", name, value)
    monkeypatch.chdir(project.path / "sub")

    outcome = cassettes("diff", "HEAD")

    assert outcome.status == 0
    assert "f\xfcnf.yaml: 1 removed, 1 added" in outcome.out or "f\xfcnf.yaml: 1 changed" in outcome.out


def test_a_file_and_a_folder_of_a_revision_are_compared(cassettes, write, git):
    write("cassettes/test_it.yaml", chat("One."))
    commit(git)
    write("cassettes/test_it.yaml", chat("One.", "No."))

    file = cassettes("diff", "main:cassettes/test_it.yaml", "cassettes/test_it.yaml")
    folder = cassettes("diff", "HEAD:./cassettes", "cassettes")

    assert "cassettes/test_it.yaml: 1 changed of 1 call\n" in file.out
    assert "      - [Yes].\n      + [No].\n" in file.out
    assert "test_it.yaml: 1 changed of 1 call\n" in folder.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("nowhere", "main"), "nowhere: there is no such file or folder, nor a revision that git knows"),
        (("--", "--output=x", "main"), "--output=x: there is no such file or folder"),
        (
            ("cassettes",),
            "cassettes is a folder: name what it is compared with as well, as in `cassettes diff HEAD:./cas",
        ),
        (("main", "cassettes"), "main is a commit, and cassettes a folder: name what it holds there, main:./cassettes"),
        (("notes.md", "notes.md"), "notes.md: this is no cassette"),
        (("twice", "main"), "twice is a path and a revision: ./twice is the path"),
    ],
)
def test_what_cannot_be_compared_is_refused(cassettes, write, git, project, words, problem):
    write("cassettes/test_it.yaml", chat("One."))
    project.file("notes.md", "# Notes\n")
    project.file("twice", "")
    commit(git)
    git("branch", "twice")

    outcome = cassettes("diff", *words)

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {problem}")


def test_files_are_compared_outside_of_a_repository(cassettes, write, project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.path.parent))
    write("old.yaml", chat("One."))

    assert cassettes("diff", "old.yaml", "old.yaml").status == 0
    assert "and there is no repository of git here" in cassettes("diff", "old.yaml", "main").err


def test_a_damaged_cassette_hides_no_other(cassettes, write):
    for folder, answer in ("a", "Yes."), ("b", "No."):
        write(f"{folder}/sound.yaml", chat("One.", answer))
        write(f"{folder}/torn.yaml", chat("Two.", answer))
    torn = write("b/torn.yaml", chat("Two."), chat("Three."))
    torn.write_text(torn.read_text().replace("\nend: true", ""))

    outcome = cassettes("diff", "a", "b")

    assert outcome.status == 1
    assert "torn.yaml: cannot be compared\n  after: line " in outcome.out
    assert "sound.yaml: 1 changed of 1 call\n" in outcome.out
    assert "      user: One.\n    answer:\n" in outcome.out
    assert re.search(r"calls +1 +1 +0\n", outcome.out)  # of what can be compared


def test_an_edited_call_is_shown_and_said_to_be_edited(cassettes, write):
    write("old.yaml", chat("One."))
    edited = write("new.yaml", chat("One."))
    edited.write_text(edited.read_text().replace("content: One.", "content: Eins."))

    out = cassettes("diff", "old.yaml", "new.yaml").out

    assert "  1 call not as recorded: `cassettes check` says which, and what to do\n" in out
    assert "      + [Eins].\n" in out


def test_hostile_text_is_shown_as_it_is(cassettes, write):
    evil = "\x1b[2J</details> ```` @admin #1\n::error::no\n| x | <img src=x>"
    write("old.yaml", chat("One."))
    write("new.yaml", chat("One.", f"{evil}\u202e"), chat(evil, evil))

    plain, markdown = (cassettes("diff", "old.yaml", "new.yaml", *words).out for words in ((), ("--markdown",)))

    assert "\x1b" not in plain + markdown
    assert "\u202e" not in plain + markdown
    assert "\\x1b[2J" in plain
    assert not [line for line in (plain + markdown).splitlines() if line.lstrip().startswith("::")]
    fences = [line for line in markdown.splitlines() if line.startswith("`")]
    assert fences == ["`````diff", "`````"]  # longer than any within
    assert markdown.count("\n</details>\n") == 1


def test_markdown_is_for_a_pull_request(cassettes, write):
    write("old.yaml", chat("Is it open?"))
    write("new.yaml", chat("Is it open?", "No."))

    out = cassettes("diff", "old.yaml", "new.yaml", "--markdown").out

    assert out.startswith(
        "### Recorded calls: 1 cassette changed\n\nA  old.yaml  \nB  new.yaml\n\n| recorded in these |"
    )
    assert "<details><summary><code>new.yaml: 1 changed of 1 call</code></summary>\n\n```diff\n" in out
    assert "\n- [Yes].\n+ [No].\n" in out


def test_markdown_is_no_longer_than_a_comment(cassettes, write):
    for number in range(60):
        write(f"b/test_{number}.yaml", *(chat(f"{number} {'x' * 150} {place}") for place in range(12)))
    write("a/none.yaml")

    out = cassettes("diff", "a", "b", "--markdown").out

    assert 40_000 < len(out.encode()) < 65_536
    assert "more cassettes: GitHub takes no longer text" in out
