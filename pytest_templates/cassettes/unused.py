"""Reports recordings that no test uses any more, after a full run: only such a run knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from pytest_templates.cassettes.collection import CollectedPlace, CollectedTests, RunCollection, collection_of, covers
from pytest_templates.cassettes.options import RECORD, UNUSED
from pytest_templates.cassettes.places import Place, store_in, store_with
from pytest_templates.run.features import Feature, manager_of
from pytest_templates.run.processes import fail_run, is_worker
from pytest_templates.run.projects import project_of_run
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import OUTSIDE, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.storage.store import Store


_NARROWING: Final = (
    *("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "pyargs"),  # some tests only
    *("lf", "failedfirst", "stepwise", "stepwise_skip", "maxfail"),  # looking for a failure
    *("collectonly", "setuponly", "setupplan"),  # no test runs
    "templates_samples",  # other samples than the markers say
)


UNPLAYED: Final = ReportData[list[int]]("unplayed")  # the numbers of the interactions that a test did not play


def watch(config: pytest.Config) -> None:
    """Look for unused recordings, in the process that gets the reports of all tests."""
    if UNUSED.of(config) == "ignore":
        return
    collected = collection_of(config)
    if not is_worker(config):
        config.pluginmanager.register(Unused(config, collected), "templates-unused")


def report(cassette: OpenCassette, to: pytest.TestReport, *, passed: bool) -> None:
    """Send which interactions a test did not play; what a test that did not pass needs is not known."""
    if passed:
        UNPLAYED.put(to, [recording.number for recording in cassette.unplayed])


def wants_everything(config: pytest.Config) -> bool:
    """Whether a run takes in every test, and goes on to the end."""
    if manager_of(config).hook.models_in_place() or any(getattr(config.option, name, None) for name in _NARROWING):
        return False
    return covers(config, project_of_run(config))


class Leftovers(NamedTuple):
    """What a full run did not use.

    Attributes:
        unplayed: The numbers of the interactions that were never played, by the file they are in.
        orphans: The files that no test has.
    """

    unplayed: dict[Path, list[int]]
    orphans: list[Path]

    def __bool__(self) -> bool:
        return bool(self.unplayed or self.orphans)


class Unused(Feature):
    """Adds up what the tests of a run played, and reports what is left over.

    Args:
        config: Where the options stand.
        collected: What all processes collect.
    """

    def __init__(self, config: pytest.Config, collected: RunCollection) -> None:
        self._config = config
        self._collected = collected
        self._unplayed: dict[str, list[int] | None] = {}
        self._leftovers = Leftovers({}, [])
        self._trouble = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a test that is over did not play; the last of several attempts counts."""
        if report.when == "teardown":
            self._unplayed[report.nodeid] = UNPLAYED.of(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Look for what is left over, and fail the run where that is wanted."""
        found = self._found()
        records = RECORD.of(self._config) != "none"
        if found is None or records or exitstatus != pytest.ExitCode.OK or not wants_everything(self._config):
            return
        try:
            self._leftovers = self._left_by(found)
        except OSError as error:
            self._trouble = f"templates: recordings without a test could not be looked for: {error}"
        if self._leftovers and UNUSED.of(self._config) == "fail":
            fail_run(session)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Report it."""
        if self._trouble:
            terminalreporter.line(visible_lines(self._trouble))
        if self._leftovers:
            terminalreporter.section("unused recordings")
            for line in self._lines():
                terminalreporter.line(visible_lines(line))

    def _found(self) -> CollectedTests | None:
        """What was collected, where all of it was run."""
        found = self._collected.found
        return found if found is not None and len(self._unplayed) == found["tests"] else None

    def _left_by(self, found: CollectedTests) -> Leftovers:
        unplayed: dict[Path, list[int]] = {}
        without_test: list[Path] = []
        for store, places in self._by_store(found):
            if not store.folder.is_dir() and not any(place["owners"] for place in places):
                continue  # there is nothing, and nothing is asked over a network
            from pytest_templates.cassettes.storage.catalog import orphans

            for name in sorted({name for place in places for name in place["owners"]}):
                left = self._left_in(name, places)
                if left:
                    unplayed[store.folder / name] = left
            without_test += orphans(places, store)
        return Leftovers(unplayed, without_test)

    def _by_store(self, found: CollectedTests) -> list[tuple[Store, list[CollectedPlace]]]:
        """What was collected, by where cassettes lie: several projects may name one folder."""
        stores: dict[Path, tuple[Store, list[CollectedPlace]]] = {}
        for place in found["places"]:
            store = store_in(Place(*place["place"]), self._config)
            stores.setdefault(store.folder, (store, []))[1].append(place)
        return list(stores.values())

    def _left_in(self, name: str, places: list[CollectedPlace]) -> list[int]:
        """The interactions that no test of a cassette played; none where one of its tests was not seen to its end."""
        left = [self._unplayed.get(test) for place in places for test in place["owners"].get(name, ())]
        folder = name.rpartition("/")[0]
        if None in left or any(place["left_out"] and folder not in place["modules"] for place in places):
            return []
        return sorted(set.intersection(*(set(numbers or ()) for numbers in left)))

    def _lines(self) -> Iterator[str]:
        if self._leftovers.unplayed:
            yield "never played:"
            for path, numbers in self._leftovers.unplayed.items():
                yield f"  {self._shown(path)}"
                yield from (f"    {line}" for line in _interactions(path, numbers, self._store_of(path)))
            yield "  To drop these, record their tests with --templates-record=changed (all tests for a named one)"
        if self._leftovers.orphans:
            yield "without a test:"
            yield from (f"  {self._shown(path)}" for path in self._leftovers.orphans)
            yield "  Remove these files with: python -m pytest_templates cassettes prune --yes"
        if UNUSED.of(self._config) == "fail":
            yield "The run fails for this, as templates_unused = fail asks."

    def _shown(self, path: Path) -> str:
        return shown_in(self._config.invocation_params.dir, self._store_of(path).place(path))

    def _store_of(self, path: Path) -> Store:
        return store_with(path, self._config)


def _interactions(path: Path, numbers: list[int], store: Store) -> Iterator[str]:
    from pytest_templates.cassettes.reading.llm import opening_of
    from pytest_templates.cassettes.storage.store import load_cassette

    interactions = load_cassette(path, store)
    width = len(str(numbers[-1]))
    for number in numbers:
        interaction = interactions[number - 1]
        sample = "" if interaction.sample == 1 else f"  sample {interaction.sample}"
        yield f"{number:>{width}}{sample}  {interaction.template or OUTSIDE}  {opening_of(interaction)}".rstrip()
