"""The commands, where cassettes lie behind a URL."""

from __future__ import annotations

import shutil

import pytest
from fsspec.implementations.memory import MemoryFileSystem

URL = "memory://bucket/tapes"


@pytest.fixture
def files(desk):
    """What lies behind the URL: the cassettes of the desk, and one without a test."""
    remote, folder = MemoryFileSystem(), desk.path / "cassettes"
    remote.store.clear()
    for path in folder.rglob("*.yaml"):
        remote.pipe_file(f"/bucket/tapes/{path.relative_to(folder).as_posix()}", path.read_bytes())
    remote.pipe_file("/bucket/tapes/test_it/test_gone.yaml", (folder / "both.yaml").read_bytes())
    shutil.rmtree(folder)
    desk.ini(f"templates_cassettes = {URL}")
    yield lambda: sorted(name.removeprefix("/bucket/tapes/") for name in remote.store)
    remote.store.clear()


KEPT = ["both.yaml", "test_it/test_greets[ada].yaml", "test_it/test_greets[bob].yaml"]


def test_cassettes_are_listed_and_shown(files, cassettes):
    listed, shown = cassettes("list"), cassettes("show", "both")

    assert listed.status == 0
    assert "test_it/test_gone.yaml" in listed.out
    assert "4 cassettes, 1 without a test, 8 interactions" in listed.out
    assert shown.out.startswith(f"{URL}/both.yaml: 2 interactions, 20 tokens in, 6 out\n")


def test_another_url_may_be_given(desk, files, cassettes):
    desk.ini("")

    assert cassettes("check", "--folder", URL).out == "4 files checked, 0 problems found\n"


def test_an_edit_is_accepted_by_the_command_that_the_check_names(files, cassettes):
    remote = MemoryFileSystem()
    remote.pipe_file("/bucket/tapes/both.yaml", remote.cat("/bucket/tapes/both.yaml").replace(b"Yes.", b"No."))

    assert f"python -m pytest_templates cassettes check --fix {URL}/both.yaml`" in cassettes("check").out
    assert cassettes("check", "--fix", f"{URL}/both.yaml").status == 0
    assert cassettes("check").status == 0


def test_cassettes_are_pruned(files, cassettes):
    assert cassettes("prune").out.startswith(f"{URL}/test_it/test_gone.yaml\n")
    assert len(files()) == 4

    assert cassettes("prune", "--yes").status == 0
    assert files() == KEPT


def test_cassettes_are_scrubbed(files, cassettes, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "I am ada.")

    assert cassettes("check").status == 1
    assert (
        f"{URL}/test_it/test_greets[ada].yaml\n  interaction 1: the request's body" in cassettes("scrub", "--yes").out
    )
    assert cassettes("check").status == 0


def test_cassettes_are_imported(desk, files, cassettes):
    desk.copy("damaged/vcrpy-empty.yaml", "old.yaml")

    outcome = cassettes("import", "old.yaml", "--test", "test_it.py::test_new")

    assert outcome.out == f"0 interactions of old.yaml written to {URL}/test_it/test_new.yaml\n"
    assert "test_it/test_new.yaml" in files()
    assert cassettes("import", "old.yaml", "--test", "test_it.py::test_new").status == 2


def test_what_cannot_be_reached_is_one_clear_error(desk, cassettes):
    outcome = cassettes("check", "--folder", "nothing://bucket/tapes")

    assert (outcome.status, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1
    assert "nothing" in outcome.err


def test_a_full_run_names_what_nothing_uses(desk, files):
    desk.says(desk.run(), "without a test:", f"  {URL}/test_it/test_gone.yaml")


def test_a_full_run_says_when_it_could_not_look(desk):
    desk.ini("templates_cassettes = nothing://bucket/tapes")
    desk.tests("@pytest.mark.skip\n@pytest.mark.llm_cassette\ndef test_it():\n    pass\n")

    result = desk.run()

    assert result.ret == 0
    desk.says(result, "recordings without a test could not be looked for")
