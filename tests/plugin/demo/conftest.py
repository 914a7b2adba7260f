from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pytest_templates.demo
import pytest_templates.scripting.fault_injection  # an inner run takes back what it imported
from pytest_templates.commands.main import main

DESK = Path(pytest_templates.demo.__file__).parent / "desk"


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def command(project, tmp_path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command in an empty folder: ``command("demo", "desk")``; the tests of a demo are forked."""
    forked = subprocess.run
    monkeypatch.chdir(tmp_path)

    def run_tests(words: list[str], cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
        with chdir(cwd):
            done = forked(words, **options, capture_output=True, text=True)
        print(done.stdout)
        print(done.stderr, file=sys.stderr)
        return done

    def run(*words: object) -> Outcome:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("subprocess.run", run_tests)
            try:
                status = main([*map(str, words)])
            except SystemExit as ended:
                status = int(ended.code or 0)
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture
def program(tmp_path, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the program in a process of its own, in an empty folder, as users do."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:anyio -pno:hypothesispytest -pno:langsmith_plugin")

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        given = [sys.executable, "-m", "pytest_templates", *map(str, words)]
        return subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def desk(project) -> Path:
    """A copy of the demo's files."""
    folder = project.path / "demo"
    shutil.copytree(DESK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def run(project, desk, monkeypatch) -> Callable[..., pytest.RunResult]:
    """Runs the tests of the copy."""
    monkeypatch.chdir(desk)
    return lambda *arguments: project.run(
        "-cpytest.ini", "--rootdir=.", "-oasyncio_default_fixture_loop_scope=function", *arguments
    )


@pytest.fixture
def change(desk) -> Callable[[str, str, str], None]:
    """Puts a text in the place of another, which has to be there once: ``change("pytest.ini", "tests", "test")``."""

    def change(file: str, old: str, new: str) -> None:
        text = (desk / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        (desk / file).write_text(text.replace(old, new), encoding="utf-8")

    return change
