"""Asks pytest where the cassettes of a project lie, and which tests have them.

pytest itself is asked, in a process of its own, so that its ini file, its options and the project's plugins count as
they do in a run. That process loads this module as a plugin.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

import pytest

from pytest_templates.cassettes.collection import CollectedPlace, CollectedTests, Collector
from pytest_templates.cassettes.options import OPTIONS
from pytest_templates.cassettes.places import Place
from pytest_templates.cassettes.storage.location import is_url
from pytest_templates.cassettes.storage.store import Store
from pytest_templates.errors import SurveyError
from pytest_templates.run.features import Feature
from pytest_templates.run.projects import project_of_run
from pytest_templates.support.files import shown_in

_FILE: Final = "--templates-survey"
_ONLY_FOLDERS: Final = "--templates-survey-folders"


@dataclass(frozen=True, slots=True)
class SurveyedStore:
    """What pytest knows of the cassettes in one store.

    Attributes:
        store: Where they lie.
        places: The places that lead there, one for each project that does.
        found: What was collected of their tests; nothing where that was not asked for.
    """

    store: Store
    places: tuple[Place, ...]
    found: tuple[CollectedPlace, ...] = ()

    def tests_of(self, name: str) -> list[str]:
        """The node ids of the tests of a cassette, by its path in the folder of the cassettes."""
        return [test for place in self.found for test in place["owners"].get(name, ())]


@dataclass(frozen=True, slots=True)
class Survey:
    """What pytest knows of the projects whose tests it collects.

    Attributes:
        root: pytest's root directory.
        stores: Where the cassettes of the tests lie, those of the run first.
        found: What was collected; ``None`` where that was not asked for.
    """

    root: Path
    stores: tuple[SurveyedStore, ...]
    found: CollectedTests | None = None

    def place_of(self, module: str) -> tuple[Store, Path]:
        """Where the cassettes of a module lie, and how it is called there.

        Args:
            module: Its path from the root directory.
        """
        path = self.root / module
        near = [(place, one.store) for one in self.stores for place in one.places if path.is_relative_to(place.modules)]
        fallback = (self.stores[0].places[0], self.stores[0].store)
        place, store = max(near, key=lambda pair: len(Path(pair[0].modules).parts), default=fallback)
        return store, place.name_of(path)


class Answer(TypedDict):
    """What the other process writes.

    Attributes:
        root: pytest's root directory.
        places: Where cassettes lie, as `Place` takes it.
        found: What was collected; ``None`` where that was not asked for.
    """

    root: str
    places: list[list[str]]
    found: CollectedTests | None


def folders(location: str | None) -> Survey:
    """Where the cassettes lie: at a location, else where pytest has them.

    Args:
        location: A folder or a URL.

    Raises:
        SurveyError: pytest does not start here.
    """
    if location is None or is_url(location):  # pytest knows where copies of what lies behind a URL are
        return _surveyed(_ONLY_FOLDERS, *_option(location))
    place = Place(location, str(Path.cwd()), str(Path.cwd()))
    return Survey(Path.cwd(), (SurveyedStore(place.store(), (place,)),))


def existing_folders(location: str | None) -> Survey:
    """As `folders`, but one has to exist.

    Raises:
        SurveyError: pytest does not start here, or the folder does not exist.
    """
    return _checked(folders(location))


def collected(location: str | None) -> Survey:
    """Where the cassettes lie, and which tests have them.

    A location that is the folder of a project is looked at as that; any other one as if all tests had theirs there.

    Raises:
        SurveyError: pytest does not start here, or the folder does not exist.
    """
    if location is None:
        return _checked(_surveyed(*_COLLECT))
    folder = existing_folders(location).stores[0].store.folder.resolve()
    if not is_url(location) and any(one.store.folder.resolve() == folder for one in folders(None).stores):
        survey = _surveyed(*_COLLECT)
        named = tuple(one for one in survey.stores if one.store.folder.resolve() == folder)
        return Survey(survey.root, named, survey.found)
    return _checked(_surveyed(*_COLLECT, *_option(location)))


def shown(place: Path | str) -> str:
    """A path relative to the current folder, where it lies there; a URL as it is."""
    return shown_in(Path.cwd(), place)


_COLLECT: Final = ("--collect-only", "-q", "-k", "", "-m", "")


def _option(location: str | None) -> list[str]:
    return [] if location is None else [f"--templates-cassettes={location}"]


def _checked(survey: Survey) -> Survey:
    """The survey without stores that do not exist."""
    there = tuple(one for one in survey.stores if not one.store.is_local or one.store.folder.is_dir())
    if not there:
        text = "there is no such folder; name the folder of the cassettes with --folder"
        raise SurveyError(f"{shown(survey.stores[0].store.folder)}: {text}")
    return Survey(survey.root, there, survey.found)


def _surveyed(*arguments: str) -> Survey:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "survey.json")
        ask_pytest(["-p", __name__, _FILE, str(file), *arguments], file)
        answer: Answer = json.loads(file.read_text(encoding="utf-8"))
    return Survey(Path(answer["root"]), tuple(_by_store(answer)), answer["found"])


def ask_pytest(arguments: Sequence[str], file: Path) -> None:
    """Run pytest in a process of its own, which writes its answer to a file.

    Raises:
        SurveyError: It has written none: it does not start here.
    """
    command = [sys.executable, "-m", "pytest", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603 - pytest
    if not file.exists():
        raise SurveyError(f"pytest does not start here: {_reason(run)}")


def _by_store(answer: Answer) -> Iterable[SurveyedStore]:
    """The places by where they lead: several projects may name one folder."""
    found = {Place(*one["place"]): one for one in answer["found"]["places"]} if answer["found"] else {}
    stores: dict[Path, SurveyedStore] = {}
    for place in (Place(*data) for data in answer["places"]):
        store = place.store()
        known = stores.get(store.folder, SurveyedStore(store, ()))
        more = (found[place],) if place in found else ()
        stores[store.folder] = SurveyedStore(known.store, (*known.places, place), (*known.found, *more))
    return stores.values()


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
    group.addoption(_ONLY_FOLDERS, action="store_true", help="import no test module")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """See to it that everything is collected."""
    for name in ("lf", "failedfirst", "stepwise"):
        setattr(config.option, name, False)
    config.option.collectonly = True


def pytest_configure(config: pytest.Config) -> None:
    """Collect from the whole project, wherever pytest was started."""
    OPTIONS.read(config)  # refuses what pytest would refuse
    config.args[:] = map(str, project_of_run(config).places_of_tests(config))
    collector = Collector()
    config.pluginmanager.register(collector, "templates-survey-collector")
    config.pluginmanager.register(AnswerWriter(config, collector), "templates-survey-answer")


class AnswerWriter(Feature):
    """Writes the answer when everything is collected.

    Args:
        config: Where the options stand.
        collector: What was collected.
    """

    def __init__(self, config: pytest.Config, collector: Collector) -> None:
        self._config = config
        self._collector = collector
        self._knows_tests = not config.getoption(_ONLY_FOLDERS)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Look into no module where only the folders are wanted."""
        if not self._knows_tests and isinstance(collector, pytest.File):
            collector.collect = list  # type: ignore[method-assign]  # it has no tests
        return (yield)

    def pytest_sessionfinish(self) -> None:
        """Write it."""
        found = self._collector.found
        if found is None:
            return  # pytest says what is wrong
        places = [one["place"] for one in found["places"]]
        answer = Answer(root=str(self._config.rootpath), places=places, found=found if self._knows_tests else None)
        Path(str(self._config.getoption(_FILE))).write_text(json.dumps(answer), encoding="utf-8")
