"""Recordings in git: `cassettes merge`, as git's driver and after a conflict, and `cassettes install-git`."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from pytest_templates.cassettes.cassette import open_cassette
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.storage.store import load_cassette

SETTINGS = ("user.name=a", "user.email=a@b.test", "commit.gpgsign=false", "core.autocrlf=false")
FILE = "cassettes/talk.yaml"
BASE = "one=1 two=2 three=3 four=4 five=5"


class Clone:
    """A repository with recordings; ``one=1 two=2`` are two calls in one of them, each with its answer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str, status: int | None = 0) -> str:
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        run = subprocess.run(["git", *settings, *words], cwd=self.path, capture_output=True, text=True, check=False)
        assert status is None or run.returncode == status, f"{words}\n{run.stdout}{run.stderr}"
        return run.stdout + run.stderr

    def write(self, calls: str, file: str = FILE) -> None:
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_text([call(one) for one in calls.split()]).encode())

    def commit(self, calls: str, file: str = FILE) -> None:
        self.write(calls, file)
        self.git("add", "-A")
        self.git("commit", "-qm", calls or "begun")

    def branch(self, name: str, calls: str, start: str = "main", file: str = FILE) -> None:
        self.git("checkout", "-q", "-b", name, start)
        self.commit(calls, file)

    def holds(self, file: str = FILE) -> str:
        return " ".join(map(said, load_cassette(self.path / file)))


def call(text: str) -> Interaction:
    question, _, answer = text.partition("=")
    headers = (("content-type", "application/json"),)
    body = json.dumps({"model": "small", "messages": [{"role": "user", "content": question}]}).encode()
    answered = json.dumps({"id": f"id-{text}", "choices": [{"message": {"content": answer}}]}).encode()
    request = RecordedRequest("POST", "http://chat.test/v1", headers, body)
    return Interaction("talk/answer", "openai:small", request, RecordedResponse(200, "", headers, answered))


def said(one: Interaction) -> str:
    asked, answered = json.loads(one.request.body), json.loads(one.response.body)
    return f"{asked['messages'][0]['content']}={answered['choices'][0]['message']['content']}"


@pytest.fixture
def clone(project, monkeypatch: pytest.MonkeyPatch) -> Clone:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    clone = Clone(project.path)
    clone.commit(BASE)
    return clone


@pytest.fixture
def installed(clone: Clone, cassettes: Callable) -> Clone:
    assert cassettes("install-git", "--folder", "cassettes").status == 0
    clone.git("add", ".gitattributes")
    clone.git("commit", "-qm", "attributes")
    return clone


BRANCHES = {
    "early": f"zero=0 {BASE}",
    "middle": "one=1 two=2 new=n four=4 five=5",  # another call in the place of one
    "late": BASE.replace("four=4", "four=new") + " six=6",
}
TOGETHER = "zero=0 one=1 two=2 new=n four=new five=5 six=6"


def three_branches(clone: Clone) -> None:
    for name, calls in BRANCHES.items():
        clone.branch(name, calls)


def end(clone: Clone, cassettes: Callable, go_on: str) -> None:
    """End the conflict that git without the driver has left, and go on."""
    outcome = cassettes("merge", FILE)
    assert outcome.status == 0, outcome.out
    assert outcome.out.endswith(f"Now: git add {FILE}\n")
    clone.git("add", FILE)
    clone.git("-c", "core.editor=true", go_on, "--continue")


def test_three_branches_are_one_in_every_order_without_the_driver(clone, cassettes):
    three_branches(clone)

    for order in permutations(BRANCHES):
        clone.git("checkout", "-q", "--detach", "main")
        for name in order:
            if "CONFLICT" in clone.git("merge", "-q", "--no-edit", name, status=None):
                end(clone, cassettes, "merge")
        assert clone.holds() == TOGETHER, order


def test_three_branches_are_one_in_every_order_with_the_driver(installed):
    three_branches(installed)

    for order in permutations(BRANCHES):
        installed.git("checkout", "-q", "--detach", "main")
        for name in order:
            installed.git("merge", "-q", "--no-edit", name)
        assert installed.holds() == TOGETHER, order


@pytest.mark.parametrize("with_driver", [True, False])
def test_branches_are_rebased_and_cherry_picked(clone, cassettes, with_driver):
    three_branches(clone)
    if with_driver:
        assert cassettes("install-git", "--folder", "cassettes").status == 0

    for words in ("rebase", "-q", "early", "late"), ("cherry-pick", "--no-edit", "middle"):
        if "CONFLICT" in clone.git(*words, status=None):
            assert not with_driver
            end(clone, cassettes, words[0])

    assert clone.holds() == TOGETHER


def test_all_that_was_merged_is_played_without_asking_a_model(installed):
    three_branches(installed)
    for name in ("early", "middle"):
        installed.git("merge", "-q", "--no-edit", name)

    with open_cassette(CassetteSettings(installed.path / FILE, "none"), {}) as cassette:
        played = [cassette.decide(call(one).request).replay for one in TOGETHER.split()]

    assert [said(one) for one in played if one is not None] == TOGETHER.split()


@pytest.mark.parametrize(
    ("ours", "theirs", "problem"),
    [
        ("one=ours", "one=theirs", "ours and theirs hold different answers to it"),
        ("", "one=theirs", "ours has removed it, theirs holds a new answer to it"),
    ],
)
def test_two_answers_to_one_request_are_a_conflict_that_loses_nothing(clone, cassettes, ours, theirs, problem):
    rest = BASE.removeprefix("one=1")
    clone.branch("theirs", f"{theirs}{rest} six=6")
    clone.branch("ours", f"{ours}{rest}")
    clone.git("merge", "theirs", status=1)

    outcome = cassettes("merge", FILE)

    assert outcome.status == 1
    assert outcome.out.startswith(f"{FILE}: 1 interaction in conflict; everything else is merged\n")
    assert f"  talk/answer  openai:small  user: one\n    {problem}:\n" in outcome.out
    assert "theirs (commit " in outcome.out
    assert outcome.out.endswith(f"Then: git add {FILE}\n")
    text = (clone.path / FILE).read_text()
    assert text.count("<<<<<<< ours\n") == text.count(">>>>>>> theirs\n") == 1
    assert "six" in text
    assert "cassettes merge" in cassettes("check", FILE).out  # it is no cassette yet
    clone.git("checkout", "--theirs", FILE)
    assert clone.holds() == f"{theirs}{rest} six=6"


def test_the_driver_leaves_a_conflict_to_people_and_names_the_file(installed):
    installed.branch("theirs", BASE.replace("one=1", "one=theirs"))
    installed.branch("ours", BASE.replace("one=1", "one=ours"))

    told = installed.git("merge", "theirs", status=1)

    assert f"{FILE}: 1 interaction in conflict" in told
    assert "    ours: ours\n    theirs: theirs\n" in told
    assert installed.git("status", "--short") == f"UU {FILE}\n"


def test_a_conflict_tells_no_secret(project, cassettes, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "correct-horse-battery")
    for name, answer in ("base", "1"), ("ours", "ours"), ("theirs", "correct-horse-battery"):
        project.file(name, to_text([call(f"one={answer}")]))

    outcome = cassettes("merge", "base", "ours", "theirs")

    assert outcome.status == 1
    assert "    ours: ours\n    theirs: " in outcome.out
    assert "correct-horse-battery" not in outcome.out + outcome.err


def test_a_damaged_side_leaves_ours_in_the_work_tree_and_the_way_out_is_told(installed, cassettes):
    installed.branch("theirs", BASE + " six=6")
    theirs = installed.path / FILE
    theirs.write_bytes(theirs.read_bytes().replace(b"\nend: true", b""))
    installed.git("commit", "-qam", "damaged")
    installed.branch("ours", f"zero=0 {BASE}")

    told = installed.git("merge", "theirs", status=1)

    assert installed.holds() == f"zero=0 {BASE}"
    assert "The file in the work tree holds ours alone, without conflict marks." in told
    assert f"`git show :3:{FILE}` shows theirs, and `git show :1:{FILE}` the common base" in told
    assert f"cassettes merge BASE {FILE} THEIRS`" in told
    (installed.path / "base").write_text(installed.git("show", f":1:{FILE}"))
    (installed.path / "theirs").write_text(installed.git("show", f":3:{FILE}") + "end: true\n")
    assert cassettes("merge", "base", FILE, "theirs").status == 0
    assert installed.holds() == f"zero=0 {BASE} six=6"


def test_a_driver_writes_what_git_calls_ours(project, cassettes):
    for name, calls in ("ours", "one=1 two=2"), ("theirs", "one=1 three=3"):
        project.file(name, to_text([call(one) for one in calls.split()]))

    for base in "empty", "missing":
        project.file("empty", "")
        project.file("result", (project.path / "ours").read_text())
        assert cassettes("merge", base, "result", "theirs").status == 0
        assert " ".join(map(said, load_cassette(project.path / "result"))) == "one=1 two=2 three=3"


def test_versions_of_the_format_are_merged_into_the_newest(project, cassettes):
    old = to_text([call("one=1")])
    lines = [line for line in old.splitlines() if "checksum:" not in line]
    project.file("base", "\n".join([*lines[:-1], "end:", "  interactions: 1", ""]).replace("version: 2", "version: 1"))
    project.file("ours", (project.path / "base").read_text())
    project.file("theirs", to_text([call("one=1"), call("two=2")]))

    assert cassettes("merge", "base", "ours", "theirs").status == 0
    assert (project.path / "ours").read_text() == (project.path / "theirs").read_text()


@pytest.mark.parametrize(("side", "remedy"), [("ours", "theirs"), ("theirs", "ours"), ("base", "")])
def test_a_damaged_side_is_named_and_nothing_is_written(project, cassettes, side, remedy):
    sound = to_text([call("one=1")])
    for name in ("base", "ours", "theirs"):
        project.file(name, sound if name != side else sound.replace("\nend: true", ""))
    before = (project.path / "ours").read_bytes()

    outcome = cassettes("merge", "base", "ours", "theirs", FILE)

    assert (outcome.status, outcome.out) == (2, "")
    called = "the common base" if side == "base" else side
    assert outcome.err.startswith(f"error: {FILE}: the version of {called} is damaged, and nothing is merged: line ")
    assert f"`git checkout --{remedy}" in outcome.err
    assert (project.path / "ours").read_bytes() == before


def test_a_side_that_was_mixed_by_hand_is_not_taken_for_sound(project, cassettes):
    project.file("base", to_text([call("one=1")]))
    project.file("ours", to_text([call("one=1"), call("two=2")]))
    project.file("theirs", to_text([call("one=1")]).replace("content: one", "content: other"))

    outcome = cassettes("merge", "base", "ours", "theirs")

    assert outcome.status == 2
    assert "the version of theirs is damaged" in outcome.err


def test_what_is_in_no_conflict_is_refused(clone, cassettes):
    outcome = cassettes("merge", FILE)

    assert outcome.status == 2
    assert f"{FILE}: git knows of no conflict in it" in outcome.err


def test_a_file_that_one_side_has_removed_is_left_to_people(clone, cassettes):
    clone.branch("theirs", BASE + " six=6")
    clone.git("checkout", "-q", "main")
    clone.git("rm", "-q", FILE)
    clone.git("commit", "-qm", "gone")
    clone.git("merge", "theirs", status=1)

    outcome = cassettes("merge", FILE)

    assert outcome.status == 2
    assert f"ours has removed the file. Keep it by `git add {FILE}`, or remove it by `git rm {FILE}`" in outcome.err


@pytest.mark.parametrize("count", [2, 5])
def test_other_numbers_of_files_are_refused(project, cassettes, capsys, count):
    with pytest.raises(SystemExit):
        cassettes("merge", *["file"] * count)

    assert "it takes BASE OURS THEIRS [NAME], or one FILE" in capsys.readouterr().err


def test_git_is_told_once_and_foreign_lines_stay(clone, cassettes):
    (clone.path / ".gitattributes").write_bytes(b"*.png binary")

    first, second = (cassettes("install-git", "--folder", "cassettes") for _ in range(2))

    added = "cassettes/**/*.yaml merge=antiphon-cassette diff=antiphon-cassette"
    assert (clone.path / ".gitattributes").read_text() == f"*.png binary\n{added}\n"
    assert f".gitattributes: added {added}\n" in first.out
    assert "git config: merge.antiphon-cassette.driver = " in first.out
    assert (second.status, second.out) == (0, "nothing to do: git knows 1 folder of cassettes already\n")
    attributes = clone.git("check-attr", "merge", "--", FILE, "cassettes/deep/er.yaml", "other.yaml")
    assert attributes.count("merge: antiphon-cassette") == 2


def test_lines_in_any_encoding_stay(clone, cassettes):
    (clone.path / ".gitattributes").write_bytes("f\xfcr/*.png binary\n".encode("latin-1"))

    outcome = cassettes("install-git", "--folder", "cassettes")

    assert (outcome.status, outcome.err) == (0, "")
    first, second = (clone.path / ".gitattributes").read_bytes().splitlines()
    assert first == b"f\xfcr/*.png binary"
    assert second.startswith(b"cassettes/**/*.yaml merge=")


@pytest.mark.parametrize("folder", ["my recordings", "re[c]ordings", "#x/*y", 'a "b"'])
@pytest.mark.skipif(sys.platform == "win32", reason="these are no names of folders there")
def test_folders_of_any_name_are_known_to_git(clone, cassettes, folder):
    (clone.path / folder).mkdir(parents=True)

    assert cassettes("install-git", "--folder", folder).status == 0
    assert "merge: antiphon-cassette" in clone.git("check-attr", "merge", "--", f"{folder}/deep/x.yaml")


def test_outside_of_a_repository_git_is_told_nothing(project, cassettes, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.path.parent))
    project.file("cassettes/x.yaml", "")

    outcome = cassettes("install-git", "--folder", "cassettes")

    assert (outcome.status, outcome.out) == (2, "")
    assert "not a git repository" in outcome.err
    assert not (project.path / ".gitattributes").exists()


def test_a_folder_outside_of_the_repository_is_refused(clone, cassettes, tmp_path_factory):
    outcome = cassettes("install-git", "--folder", tmp_path_factory.mktemp("elsewhere"))

    assert outcome.status == 2
    assert "lie outside of the repository" in outcome.err


def test_git_shows_what_recordings_say_and_runs_nothing_of_the_work_tree(installed):
    (installed.path / "yaml.py").write_text("raise SystemExit('run')")
    installed.write(BASE.replace("one=1", "one=other"))

    told = installed.git("diff", "--", FILE)

    changed = [line for line in told.splitlines() if line.startswith(("+ ", "- "))]
    assert changed == ["-   => answer: 1", "+   => answer: other"]


def test_git_shows_a_file_that_is_no_cassette_as_it_is(installed):
    (installed.path / FILE).write_text("cassettes of others: []\n")

    assert "+cassettes of others: []\n" in installed.git("diff", "--", FILE)


def test_the_python_of_the_settings_is_quoted(clone, cassettes, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/my 100% own/bin/python")

    cassettes("install-git", "--folder", "cassettes")

    driver = clone.git("config", "merge.antiphon-cassette.driver").strip()
    assert shlex.split(driver)[0] == "/opt/my 100%% own/bin/python"
    assert driver.endswith(" -P -m pytest_templates cassettes merge %O %A %B %P")
