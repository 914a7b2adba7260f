"""From a folder that holds several projects, the commands look after the cassettes of all; --folder names one's."""

from __future__ import annotations

import shutil

import pytest

TEST = """
import pytest

@pytest.mark.llm_cassette
def test_it():
    pass
"""


@pytest.fixture
def two(project, record):
    """Two projects, with a cassette each that has a test, and one that has none."""
    (project.path / "pytest.ini").unlink()
    record("tests/test_it/test_it", "Hello.")
    record("tests/test_it/test_gone", "Bye.")
    for name in ("one", "two"):
        project.file(f"{name}/pytest.ini", "[pytest]\naddopts = --import-mode=importlib\n")
        project.file(f"{name}/tests/test_it.py", TEST)
        shutil.copytree(project.path / "cassettes", project.path / name / "cassettes")
    shutil.rmtree(project.path / "cassettes")
    return project


def test_the_cassettes_of_all_projects_are_listed_checked_and_shown(two, cassettes, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--import-mode=importlib", prepend=" ")
    listed = cassettes("list")
    checked = cassettes("check")
    shown = cassettes("show", "two/tests/test_it.py::test_it")
    part = cassettes("show", "test_gone")

    rows = [line.split() for line in listed.out.splitlines()]
    tests = {row[0]: row[-1] for row in rows if row[0].endswith(".yaml")}
    assert tests == {
        "one/cassettes/tests/test_it/test_gone.yaml": "test",
        "one/cassettes/tests/test_it/test_it.yaml": "one/tests/test_it.py::test_it",
        "two/cassettes/tests/test_it/test_gone.yaml": "test",
        "two/cassettes/tests/test_it/test_it.yaml": "two/tests/test_it.py::test_it",
    }
    assert "4 cassettes, 2 without a test" in listed.out
    assert (checked.status, checked.out) == (0, "4 files checked, 0 problems found\n")
    assert shown.out.startswith("two/cassettes/tests/test_it/test_it.yaml: 1 interaction")
    assert "'test_gone' is a part of 2 names" in part.err
    assert "one/cassettes/tests/test_it/test_gone" in part.err


def test_those_without_a_test_are_removed_from_every_project_or_from_one(two, cassettes, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--import-mode=importlib", prepend=" ")
    of_one = cassettes("prune", "--folder", "two/cassettes")
    of_all = cassettes("prune", "--yes")

    assert of_one.out.startswith("two/cassettes/tests/test_it/test_gone.yaml\n1 cassette without a test:")
    assert of_all.out.endswith("2 cassettes without a test removed\n")
    left = sorted(file.relative_to(two.path).as_posix() for file in two.path.rglob("*.yaml"))
    assert left == [f"{name}/cassettes/tests/test_it/test_it.yaml" for name in ("one", "two")]
