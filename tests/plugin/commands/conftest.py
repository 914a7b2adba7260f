from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

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
