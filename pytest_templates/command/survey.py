"""Asks pytest where the cassettes of a project lie, and which tests have them.

pytest itself is asked, in a process of its own, so that its ini file, its options and the project's plugins count as
they do in a run. That process loads this module as a plugin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_templates.census import Census, Found, whole_of
from pytest_templates.errors import TestingError
from pytest_templates.options import read

_FILE: Final = "--templates-survey"
_ONLY_FOLDER: Final = "--templates-survey-folder"


class SurveyError(TestingError):
    """pytest could not say what it was asked."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What pytest says of a project.

    Attributes:
        folder: The folder of the cassettes.
        root: pytest's root directory.
        found: What was collected; ``None`` where that was not asked for.
    """

    folder: Path
    root: Path
    found: Found | None = None


def folder_of(given: Path | None) -> Path:
    """The folder of the cassettes: the given one, else the one that pytest uses.

    Raises:
        SurveyError: pytest does not start here, or the folder does not exist.
    """
    folder = where(given)
    if not folder.is_dir():
        raise SurveyError(f"{shown(folder)}: there is no such folder; name the folder of the cassettes with --folder")
    return folder


def where(given: Path | None) -> Path:
    """As `folder_of`, of a folder that need not exist yet."""
    return given if given is not None else _surveyed(_ONLY_FOLDER).folder


def collected(given: Path | None) -> Survey:
    """The folder of the cassettes, and which tests have them.

    Raises:
        SurveyError: pytest does not start here, or the folder does not exist.
    """
    folder = [] if given is None else [f"--templates-cassettes={folder_of(given)}"]
    survey = _surveyed("--collect-only", "-q", "-k", "", "-m", "", *folder)
    folder_of(survey.folder)
    return survey


def shown(path: Path) -> str:
    """A path as short as it can be said here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def _surveyed(*arguments: str) -> Survey:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "survey.json")
        command = [sys.executable, "-m", "pytest", "-p", __name__, _FILE, str(file), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - pytest
        if not file.exists():
            raise SurveyError(f"pytest does not start here: {_reason(run)}")
        said = json.loads(file.read_text(encoding="utf-8"))
    return Survey(Path(said["folder"]), Path(said["root"]), said["found"])


def _reason(run: subprocess.CompletedProcess[str]) -> str:
    """The line of pytest's output that says what is wrong."""
    lines = [line.strip() for line in [*run.stderr.splitlines(), *run.stdout.splitlines()] if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "E ", "UsageError"))]
    return ([line.removeprefix("E ").strip() for line in errors] or lines or [f"exit status {run.returncode}"])[-1]


# In the process that is asked:


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    group = parser.getgroup("templates-survey")
    group.addoption(_FILE, metavar="FILE", help="where the answer is written")
    group.addoption(_ONLY_FOLDER, action="store_true", help="collect nothing")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Answer at once where nothing is to be collected; else see to it that everything is."""
    for name in ("lf", "failedfirst", "stepwise"):
        setattr(config.option, name, False)
    if not config.getoption(_ONLY_FOLDER):
        return None
    _write(config, None)
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """Collect from the whole project, wherever pytest was started."""
    config.args[:] = map(str, whole_of(config))
    census = Census()
    config.pluginmanager.register(census, "templates-survey-census")
    config.pluginmanager.register(_Answer(census), "templates-survey-answer")


class _Answer:
    def __init__(self, census: Census) -> None:
        self._census = census

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        _write(session.config, self._census.found)


def _write(config: pytest.Config, found: Found | None) -> None:
    folder = os.path.normpath(read(config).cassettes)
    answer: dict[str, Any] = {"folder": folder, "root": str(config.rootpath), "found": found}
    Path(str(config.getoption(_FILE))).write_text(json.dumps(answer), encoding="utf-8")
