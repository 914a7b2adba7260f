from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_templates.cassettes.cassette import open_cassette
from pytest_templates.cassettes.recorded import RecordedRequest, RecordedResponse
from pytest_templates.cassettes.settings import Author, CassetteSettings
from pytest_templates.cassettes.storage.store import Store
from pytest_templates.commands.main import main


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def cassettes(project, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `cassettes` in the project: ``cassettes("list")``."""

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        status = main(["cassettes", *map(str, words)])
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def program(project) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the program in a process of its own, as users do."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest_templates", *words]
        return subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)

    return run


TESTS = """
@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_greets(name):
    pass

@pytest.mark.llm_cassette("both")
def test_one():
    pass

@pytest.mark.llm_cassette("both")
def test_two():
    pass
"""


@pytest.fixture
def desk(project, record):
    """A project with cassettes: two of one test each, one that two tests share."""
    project.tests(TESTS)
    for name in ("ada", "bob"):
        record(f"test_it/test_greets[{name}]", f"I am {name}.", "Bye.")
    record("both", "One.", "Two.")
    return project


@pytest.fixture
def waiting(desk) -> Callable[..., Path]:
    """Leaves answers in the journal of a test, as one that failed: ``waiting("test_it.py::test_one")``; gives it."""

    def leave(test: str, name: str = "both", answers: int = 1) -> Path:
        store = Store(desk.path / "cassettes")
        before = {*store.left_behind()}
        settings = CassetteSettings(store.folder / f"{name}.yaml", "missing", store=store, author=Author(test))
        with open_cassette(settings, {}) as cassette:
            for number in range(answers):
                decision = cassette.decide(RecordedRequest("GET", f"https://host/{test}/{number}", (), b""))
                cassette.record(decision, RecordedResponse(200, "", (), b"fine"))
        [journal] = {*store.left_behind()} - before
        return journal

    return leave
