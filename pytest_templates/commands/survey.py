"""Asks pytest where the cassettes of a project lie, and which tests have them.

pytest itself is asked, in a process of its own, so that its ini file, its options and the project's plugins count as
they do in a run. That process loads this module as a plugin.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

import pytest

from pytest_templates.cassettes.collection import CollectedTests, Collector, whole_of
from pytest_templates.cassettes.options import OPTIONS, place_of_cassettes
from pytest_templates.cassettes.storage.remote import is_url, store_at
from pytest_templates.cassettes.storage.store import Store
from pytest_templates.errors import TestingError
from pytest_templates.support.files import shown_in

_FILE: Final = "--templates-survey"
_ONLY_FOLDER: Final = "--templates-survey-folder"


class SurveyError(TestingError):
    """pytest does not start here, or the folder of the cassettes does not exist."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What pytest knows of a project.

    Attributes:
        store: Where the cassettes lie.
        root: pytest's root directory.
        found: What was collected; ``None`` where that was not asked for.
    """

    store: Store
    root: Path
    found: CollectedTests | None = None


class Answer(TypedDict):
    """What the other process writes.

    Attributes:
        place: Where the cassettes lie, as `store_at` takes it.
        root: pytest's root directory.
        found: What was collected; ``None`` where that was not asked for.
    """

    place: list[str]
    root: str
    found: CollectedTests | None


def store_of(location: str | None) -> Store:
    """Where the cassettes lie: at a location, else where pytest has them.

    Args:
        location: A folder or a URL.

    Raises:
        SurveyError: pytest does not start here.
    """
    if location is None or is_url(location):  # pytest knows where copies of what lies behind a URL are
        return _surveyed(_ONLY_FOLDER, *_option(location)).store
    return store_at(location, Path.cwd(), Path.cwd())


def existing_store(location: str | None) -> Store:
    """As `store_of`, but the folder has to exist.

    Raises:
        SurveyError: pytest does not start here, or the folder does not exist.
    """
    return _checked(store_of(location))


def collected(location: str | None) -> Survey:
    """Where the cassettes lie, and which tests have them.

    Raises:
        SurveyError: pytest does not start here, or the folder does not exist.
    """
    if location is not None and not is_url(location):
        existing_store(location)
    survey = _surveyed("--collect-only", "-q", "-k", "", "-m", "", *_option(location))
    _checked(survey.store)
    return survey


def shown(place: Path | str) -> str:
    """A path relative to the current folder, where it lies there; a URL as it is."""
    return shown_in(Path.cwd(), place)


def _option(location: str | None) -> list[str]:
    return [] if location is None else [f"--templates-cassettes={location}"]


def _checked(store: Store) -> Store:
    if store.is_local and not store.folder.is_dir():
        text = "there is no such folder; name the folder of the cassettes with --folder"
        raise SurveyError(f"{shown(store.folder)}: {text}")
    return store


def _surveyed(*arguments: str) -> Survey:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "survey.json")
        command = [sys.executable, "-m", "pytest", "-p", __name__, _FILE, str(file), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - pytest
        if not file.exists():
            raise SurveyError(f"pytest does not start here: {_reason(run)}")
        answer: Answer = json.loads(file.read_text(encoding="utf-8"))
    location, base, cache = answer["place"]
    return Survey(store_at(location, Path(base), Path(cache)), Path(answer["root"]), answer["found"])


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
    census = Collector()
    config.pluginmanager.register(census, "templates-survey-census")
    config.pluginmanager.register(AnswerWriter(census), "templates-survey-answer")


class AnswerWriter:
    """Writes the answer when everything is collected.

    Args:
        census: What was collected.
    """

    def __init__(self, census: Collector) -> None:
        self._census = census

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it."""
        _write(session.config, self._census.found)


def _write(config: pytest.Config, found: CollectedTests | None) -> None:
    OPTIONS.read(config)  # refuses what pytest would refuse
    place = [str(part) for part in place_of_cassettes(config)]
    answer = Answer(place=place, root=str(config.rootpath), found=found)
    Path(str(config.getoption(_FILE))).write_text(json.dumps(answer), encoding="utf-8")
