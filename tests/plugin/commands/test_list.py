"""`cassettes list`: what there is, and which test it belongs to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.storage.store import load_cassette

HEADS = ["cassette", "interactions", "templates", "models", "tokens in", "tokens out", "age", "size", "tests"]


def cells(out: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.splitlines()]


def test_in_a_narrow_terminal_every_cassette_is_a_paragraph(desk, cassettes, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    paragraphs = cassettes("list").out.splitlines()
    monkeypatch.setenv("COLUMNS", "200")
    table = cassettes("list").out.splitlines()

    size = table[1].split("  ")[-2].strip()
    assert paragraphs[:6] == [
        "both.yaml",
        "  interactions 2, tokens in 20, tokens out 6, age now,",
        f"  size {size}",
        "  talk/answer",
        "  openai:small",
        "  test_it.py::test_one, test_it.py::test_two",
    ]
    assert all(len(line) <= 60 for line in paragraphs)
    assert paragraphs[-1] == table[-1]
    assert cells(table[0])[0] == HEADS


def test_every_cassette_is_listed_with_what_it_holds_and_its_tests(desk, cassettes):
    outcome = cassettes("list")

    assert outcome.status == 0
    assert outcome.err == ""
    *table, totals = cells(outcome.out)
    sizes = [row.pop(7) for row in table]
    assert table == [
        [head for head in HEADS if head != "size"],
        [
            "both.yaml",
            "2",
            "talk/answer",
            "openai:small",
            "20",
            "6",
            "now",
            "test_it.py::test_one, test_it.py::test_two",
        ],
        [
            "test_it/test_greets[ada].yaml",
            "2",
            "talk/answer",
            "openai:small",
            "20",
            "6",
            "now",
            "test_it.py::test_greets[ada]",
        ],
        [
            "test_it/test_greets[bob].yaml",
            "2",
            "talk/answer",
            "openai:small",
            "20",
            "6",
            "now",
            "test_it.py::test_greets[bob]",
        ],
    ]
    assert all(size.endswith(" kB") for size in sizes[1:])
    assert totals[0].startswith("3 cassettes, 6 interactions, 78 tokens, ")


def test_a_cassette_without_a_test_is_marked(desk, cassettes, record):
    record("test_it/test_gone", "Hello.")

    outcome = cassettes("list")

    [row] = [row for row in cells(outcome.out) if row[0] == "test_it/test_gone.yaml"]
    assert row[-1] == "no test"
    assert "4 cassettes, 1 without a test" in outcome.out


def test_what_no_template_asked_is_called_as_everywhere(desk, cassettes, record):
    path = record("plain", "Hello.")
    [interaction] = load_cassette(path)
    request = replace(interaction.request, body=b"{}")
    path.write_text(to_text([replace(interaction, template=None, model=None, request=request)]))

    [row] = [row for row in cells(cassettes("list").out) if row[0] == "plain.yaml"]
    shown = cassettes("show", "--folder", "cassettes", "plain").out

    assert row[2:4] == ["code outside of templates", "(no model)"]
    assert "1. code outside of templates  (no model)\n" in shown


def test_owners_are_not_guessed_where_a_module_cannot_be_imported(desk, cassettes, record):
    record("test_it/test_gone", "Hello.")
    desk.file("test_broken.py", "import nothing_of_this_name\n")

    outcome = cassettes("list")

    assert "no test" not in outcome.out
    assert "test_broken.py: ModuleNotFoundError: No module named 'nothing_of_this_name'" in outcome.err
    assert "test_it/test_gone.yaml" in outcome.out


KEY = "sk-proj-q7Wm2ZxT9vLk4RbN8sYcq7Wm2ZxT9vLk4RbN8sYc"
UNCOLLECTED = {
    f"@pytest.mark.llm_cassette\n@pytest.mark.parametrize('key', ['{KEY}'])\ndef test_it(key):\n    pass": (
        "the name of this test holds what looks like an OpenAI key, and its cassette would be named after it; "
        'give the parameter an id: pytest.param(..., id="...")'
    ),
    "raise ValueError('what is wrong:\\n  what to do')": "ValueError: what is wrong: what to do",
    "raise pytest.UsageError('what is wrong\\n\\nwhat to do')": "test_broken.py: what is wrong; what to do",
    "def f(:": "SyntaxError: invalid syntax",
    "pytest.skip('later')": "Using pytest.skip outside of a test",
}


@pytest.mark.parametrize(("text", "reason"), UNCOLLECTED.items(), ids=["name", "error", "usage", "syntax", "skip"])
def test_what_cannot_be_collected_is_named_with_its_whole_reason(desk, cassettes, text, reason):
    desk.file("test_broken.py", f"import pytest\n{text}\n")

    outcome = cassettes("list")

    [line] = [line for line in outcome.err.splitlines() if line.startswith("  test_broken.py")]
    assert reason in line
    assert KEY not in line


def test_the_age_is_that_of_the_commit_whatever_the_settings_of_git_are(desk, cassettes, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2001-02-03T04:05:06Z")
    names = ("-c", "user.name=a", "-c", "user.email=a@b.test", "-c", "commit.gpgsign=false")
    for words in ("init", "-q"), ("add", "-A"), ("commit", "-qm", "old"), ("config", "diff.relative", "true"):
        subprocess.run(["git", *names, *words], cwd=desk.path, check=True, capture_output=True)

    outcome = cassettes("list", "--folder", "cassettes")

    assert "now" not in [cell for row in cells(outcome.out) for cell in row]


def test_a_damaged_file_is_listed_as_such(desk, cassettes):
    desk.copy("damaged/cut-off.yaml", "cassettes/both.yaml")

    outcome = cassettes("list")

    assert outcome.status == 1
    assert [row[:2] for row in cells(outcome.out)][1] == ["both.yaml", "damaged"]
    assert "both.yaml:" in outcome.err
    assert "is cut off" in outcome.err


def test_why_files_are_damaged_stands_below_the_list(desk, cassettes, monkeypatch):
    desk.copy("damaged/cut-off.yaml", "cassettes/both.yaml")
    monkeypatch.setattr(sys, "stderr", sys.stdout)

    *_, totals, reason, remedy = cassettes("list").out.splitlines()

    assert totals.startswith("3 cassettes, 1 damaged, 4 interactions")
    assert "both.yaml:" in reason
    assert remedy == "Restore it from version control, or delete it and record it anew."


def test_deselected_and_skipped_tests_have_their_cassettes(desk, cassettes):
    desk.ini("addopts = -k nothing -m nothing --deselect test_it.py::test_one -x --strict-markers")
    desk.tests("pytestmark = pytest.mark.skip\n" + (desk.path / "test_it.py").read_text())

    assert "no test" not in cassettes("list").out


@pytest.mark.parametrize("where", [".", "inner"])
def test_the_folder_is_the_one_that_pytest_finds(desk, cassettes, monkeypatch, where):
    desk.ini("templates_cassettes = tapes")
    desk.path.joinpath("cassettes").rename("tapes")
    desk.path.joinpath("inner").mkdir()
    monkeypatch.chdir(desk.path / where)

    outcome = cassettes("list")

    assert "3 cassettes, 6 interactions" in outcome.out


def test_another_folder_may_be_given(desk, cassettes):
    desk.path.joinpath("cassettes").rename("tapes")

    assert "3 cassettes, 6 interactions" in cassettes("list", "--folder", "tapes").out
    assert cassettes("show", "--folder", "tapes", "both").status == 0


def test_a_folder_that_does_not_exist_is_said(project, cassettes):
    project.tests("def test_it():\n    pass\n")

    outcome = cassettes("list")

    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err == "error: cassettes: there is no such folder; name the folder of the cassettes with --folder\n"


def test_what_pytest_refuses_is_said_in_one_line(desk, cassettes):
    desk.ini("templates_isolation = loud")

    outcome = cassettes("list")

    assert outcome.status == 2
    assert len(outcome.err.splitlines()) == 1
    assert "templates_isolation = loud" in outcome.err


def test_files_are_as_old_as_their_commit_until_they_change(desk, cassettes):
    path, two_days = desk.path / "cassettes/both.yaml", "2 days"
    then = str(int(time.time()) - 2 * 86400 - 60)
    for command in (["init", "-q"], ["add", "cassettes"], ["commit", "-qm", "Record"]):
        environ = {"GIT_COMMITTER_DATE": f"@{then} +0000", "GIT_AUTHOR_DATE": f"@{then} +0000"}
        names = {
            f"GIT_{role}_{what}": "ada@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        subprocess.run(["git", *command], cwd=desk.path, env={**os.environ, **environ, **names}, check=True)

    assert [row[6] for row in cells(cassettes("list").out)[1:4]] == [two_days] * 3
    path.write_text(path.read_text() + "\n")
    assert [row[6] for row in cells(cassettes("list").out)[1:4]] == ["now", two_days, two_days]


def test_the_program_can_be_piped(desk, program):
    run = program("cassettes", "list", "--folder", "cassettes")

    assert run.returncode == 0
    assert run.stderr == ""
    assert "\x1b" not in run.stdout
    assert cells(run.stdout)[0] == HEADS
