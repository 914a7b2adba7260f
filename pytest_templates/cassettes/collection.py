"""Which tests pytest collects, and which cassette belongs to which of them."""

from __future__ import annotations

from collections.abc import Generator
from fnmatch import fnmatch
from glob import glob
from pathlib import Path
from typing import Any, Final, TypedDict, cast

import pytest

from pytest_templates.cassettes.options import CASSETTES, MARKER, module_of, path_for
from pytest_templates.run.processes import is_worker

_SENT: Final = "templates_collected_tests"  # where a worker puts what it collected
_COLLECTED: Final = "templates-collected"


class CollectedTests(TypedDict):
    """What was collected, as plain data that can travel between processes.

    Attributes:
        owners: The node ids of the tests of each cassette, by its path in the folder of the cassettes.
        modules: The modules that were collected, without ``.py``, from the root directory.
        left_out: Whether there are modules that were not: skipped as a whole, or ignored. Their tests are not known.
        whole: Whether every test that was collected is to run.
        tests: How many these are.
        errors: What could not be collected, each with its first reason.
    """

    owners: dict[str, list[str]]
    modules: list[str]
    left_out: bool
    whole: bool
    tests: int
    errors: dict[str, str]


class Collector:
    """Notes what pytest collects in this process.

    Tests count from the moment they are collected: one that is deselected afterwards has its cassette all the same.

    Attributes:
        found: What was collected; ``None`` before, and where another process collects.
    """

    def __init__(self) -> None:
        self.found: CollectedTests | None = None
        self._items: list[pytest.Item] = []
        self._modules: set[str] = set()
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
            self._errors[report.nodeid or str(collector.path)] = _last_line(report.longreprtext)
        elif report.skipped:
            self._left_out = True
        elif isinstance(collector, pytest.File):
            self._modules.add(_folder(module_of(collector)))
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
            owners=self._owners(),
            modules=sorted(self._modules),
            left_out=self._left_out,
            whole=all(id(item) in staying for item in self._items),
            tests=len({item.nodeid for item in session.items}),
            errors=self._errors,
        )
        self._items.clear()

    def _owners(self) -> dict[str, list[str]]:
        owners: dict[str, list[str]] = {}
        for item in self._items:
            path = self._cassette(item)
            if path is not None:
                owners.setdefault(path, []).append(item.nodeid)
        return owners

    def _cassette(self, item: pytest.Item) -> str | None:
        try:
            mark = MARKER.read(item)
        except pytest.Collector.CollectError as error:
            self._errors[item.nodeid] = str(error)
            return None
        folder = CASSETTES.of(item.config).folder
        return None if mark is None else path_for(item, mark).relative_to(folder).as_posix()


class RunCollection:
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
    def found(self) -> CollectedTests | None:
        """What was collected; ``None`` where not all of it is to run, or a worker died."""
        collected = self._sent or [self._collector.found]
        return collected[0] if all(one is not None and one["whole"] for one in collected) else None


class Worker:
    """Sends what a worker of pytest-xdist collected."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send it."""
        output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
        output[_SENT] = self._collector.found


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


def whole_of(config: pytest.Config) -> list[Path]:
    """Where all tests lie: ``testpaths``, or the root directory."""
    root = config.rootpath
    patterns = config.getini("testpaths")
    listed = [glob(pattern, root_dir=root, recursive=True) for pattern in patterns]  # noqa: PTH207 - may be absolute
    return [root / path for paths in listed for path in paths] or [root]


def _last_line(text: str) -> str:
    """The line of a failed collection that says why: the last one with an error."""
    lines = [line.removeprefix("E").strip() for line in text.splitlines() if line.startswith("E ")]
    return (lines or text.strip().splitlines() or ["?"])[-1]


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
