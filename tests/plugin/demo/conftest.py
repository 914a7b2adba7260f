from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_templates.demo
import pytest_templates.scripting.fault_injection  # an inner run takes back what it imported

DESK = Path(pytest_templates.demo.__file__).parent / "desk"


@pytest.fixture
def command(tmp_path, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``python -m pytest_templates`` in an empty folder; its tests need no plugins of anyio and Hypothesis."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:anyio -pno:hypothesispytest")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        given = [sys.executable, "-m", "pytest_templates", *map(str, arguments)]
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
