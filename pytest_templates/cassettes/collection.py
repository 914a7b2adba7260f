"""Which tests pytest collects, and which cassette belongs to which of them."""

from __future__ import annotations

from collections.abc import Generator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, TypedDict, cast

import pytest
from _pytest.pathlib import ImportPathMismatchError  # pytest has no public name for it

from pytest_templates.cassettes.options import MARKER, CassetteMark
from pytest_templates.cassettes.places import CASSETTES, Place, as_main_knows, place_of, store_in
from pytest_templates.run.features import Feature
from pytest_templates.run.processes import is_worker, worker_output
from pytest_templates.run.projects import Project, project_at
from pytest_templates.support.text import cut

_SENT: Final = "templates_collected_tests"  # where a worker puts what it collected
_WIDTH: Final = 400  # characters of a reason
_COLLECTED: Final = "templates-collected"


class CollectedPlace(TypedDict):
    """What was collected of the tests whose cassettes lie in one place.

    Attributes:
        place: The place, as `Place` takes it.
        owners: The node ids of the tests of each cassette, by its path in the folder of the cassettes.
        named: The cassettes among them that a marker names, which several tests may share.
        tests: The tests that have one, named from the folder of the project.
        modules: The modules that were collected, without ``.py``, from the folder of the project.
        left_out: Whether there may be others, whose tests are not known: the run did not ask for all of them, or they
            were skipped as a whole, or ignored.
    """

    place: list[str]
    owners: dict[str, list[str]]
    named: list[str]
    tests: list[str]
    modules: list[str]
    left_out: bool


class CollectedTests(TypedDict):
    """What was collected, as plain data that can travel between processes.

    Attributes:
        places: Where the cassettes of all tests lie, that of the run first.
        left_out: Whether there are modules that were not collected: skipped as a whole, or ignored.
        whole: Whether every test that was collected is to run.
        tests: How many these are.
        errors: What could not be collected, each with the reason in a line.
    """

    places: list[CollectedPlace]
    left_out: bool
    whole: bool
    tests: int
    errors: dict[str, str]


class Collector(Feature):
    """Notes what pytest collects in this process.

    Tests count from the moment they are collected: one that is deselected afterwards has its cassette all the same.

    Attributes:
        found: What was collected; ``None`` before, and where another process collects.
    """

    def __init__(self) -> None:
        self.found: CollectedTests | None = None
        self._items: list[pytest.Item] = []
        self._modules: set[Path] = set()
        self._errors: dict[str, str] = {}
        self._left_out = False

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note a test."""
        self._items.append(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Note a module, or that it was skipped, or that it cannot be imported."""
        report = yield
        if report.failed:
            self._errors[report.nodeid or str(collector.path)] = _reason(report)
        elif report.skipped:
            self._left_out = True
        elif isinstance(collector, pytest.File):
            self._modules.add(collector.path)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(
        self, collection_path: Path, config: pytest.Config
    ) -> Generator[None, bool | None, bool | None]:
        """Note that a module, or a folder that may hold some, was ignored."""
        ignored = yield
        self._left_out = self._left_out or bool(ignored and _may_hold_tests(collection_path, config))
        return ignored

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Look up the cassettes of the tests, now that all have their markers."""
        staying = set(map(id, session.items))
        self.found = CollectedTests(
            places=self._places(session.config),
            left_out=self._left_out,
            whole=all(id(item) in staying for item in self._items),
            tests=len({item.nodeid for item in session.items}),
            errors=self._errors,
        )
        self._items.clear()

    def _places(self, config: pytest.Config) -> list[CollectedPlace]:
        modules: dict[Place, set[str]] = {CASSETTES.of(config): set()}
        for path in self._modules:
            place = place_of(path, config)
            modules.setdefault(place, set()).add(_folder(place.name_of(path)))
        owners: dict[Place, dict[str, list[str]]] = {place: {} for place in modules}
        named: dict[Place, set[str]] = {}
        tests: dict[Place, dict[str, None]] = {}
        for item in self._items:
            mark = self._mark(item)
            if mark is not None:
                from pytest_templates.cassettes.identity import identity_of, path_for

                place = place_of(item.path, config)
                name = path_for(item, mark).relative_to(store_in(place, config).folder).as_posix()
                owners.setdefault(place, {}).setdefault(name, []).append(item.nodeid)
                named.setdefault(place, set()).update([name] if mark.name is not None else ())
                tests.setdefault(place, {})[identity_of(item)] = None
        return [
            CollectedPlace(
                place=as_main_knows(place, config).as_data(),
                owners=owned,
                named=sorted(named.get(place, ())),
                tests=[*tests.get(place, ())],
                modules=sorted(modules.get(place, ())),
                left_out=self._left_out or not _is_covered(place, config),
            )
            for place, owned in owners.items()
        ]

    def _mark(self, item: pytest.Item) -> CassetteMark | None:
        try:
            return MARKER.read(item)
        except pytest.Collector.CollectError as error:
            self._errors[item.nodeid] = str(error)
            return None


class RunCollection(Feature):
    """What all processes of a run have collected.

    Args:
        collector: What this process collects.
    """

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._sent: list[CollectedTests | None] = []

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of pytest-xdist collected."""
        self._sent.append(getattr(node, "workeroutput", {}).get(_SENT))

    @property
    def of_this_process(self) -> CollectedTests | None:
        """What this process has collected; ``None`` where that is another's, or nothing is noted."""
        return self._collector.found

    @property
    def found(self) -> CollectedTests | None:
        """What was collected; ``None`` where not all of it is to run, or a worker died."""
        collected = self._sent or [self._collector.found]
        return collected[0] if all(one is not None and one["whole"] for one in collected) else None


class Worker(Feature):
    """Sends what a worker of pytest-xdist collected."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send it."""
        worker_output(session.config)[_SENT] = self._collector.found


def collection_of(config: pytest.Config) -> RunCollection:
    """What this run collects; all features share one."""
    known = config.pluginmanager.get_plugin(_COLLECTED)
    if known is not None:
        return cast("RunCollection", known)
    collector = Collector()
    config.pluginmanager.register(collector, "templates-collector")
    if is_worker(config):
        config.pluginmanager.register(Worker(collector), "templates-collector-worker")
    collected = RunCollection(collector)
    config.pluginmanager.register(collected, _COLLECTED)
    return collected


def covers(config: pytest.Config, project: Project) -> bool:
    """Whether a run was asked for all tests of a project."""
    given = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    wanted = [path.resolve() for path in project.places_of_tests(config)]
    return all(any(path.is_relative_to(one) for one in given) for path in wanted)


def _is_covered(place: Place, config: pytest.Config) -> bool:
    """Whether a run was asked for all tests that may have a cassette in a place."""
    return covers(config, project_at(Path(place.modules), config))


def _reason(report: pytest.CollectReport) -> str:
    """Why something could not be collected, in one line."""
    call: pytest.CallInfo[Any] | None = getattr(report, "call", None)  # where pytest itself has made the report
    error = call.excinfo.value if call is not None and call.excinfo is not None else None
    cause = None if error is None else error.__cause__
    if isinstance(error, pytest.Collector.CollectError) and _says_more(cause):
        error = cause
    lines = (line.strip() for line in (report.longreprtext if error is None else str(error)).splitlines())
    text = "; ".join(filter(None, lines)).replace(":; ", ": ")
    is_told = error is None or isinstance(error, (pytest.Collector.CollectError, pytest.UsageError))
    return cut(text if is_told else f"{type(error).__name__}: {text}", _WIDTH)


def _says_more(cause: BaseException | None) -> bool:
    """Whether the cause of pytest's error says in a line what that has a traceback of."""
    return isinstance(cause, (ImportError, SyntaxError)) and not isinstance(cause, ImportPathMismatchError)


def _folder(module: Path) -> str:
    return (module.with_suffix("") if module.suffix == ".py" else module).as_posix()


def _may_hold_tests(path: Path, config: pytest.Config) -> bool:
    """Whether something that was ignored may hold tests: not what pytest skips in every project."""
    if path.is_dir():
        skipped = ["__pycache__", *config.getini("norecursedirs")]
        return not (_is_like(path, skipped) or (path / "pyvenv.cfg").exists())
    return _is_like(path, config.getini("python_files"))


def _is_like(path: Path, patterns: list[str]) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in patterns)
