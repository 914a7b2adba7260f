"""Reports recordings that no test uses any more, after a full run: only such a run knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.cassettes.collection import CollectedTests, RunCollection, collection_of, whole_of
from pytest_templates.cassettes.options import CASSETTES, RECORD, UNUSED
from pytest_templates.run.features import manager_of
from pytest_templates.run.processes import fail_run, is_worker
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.text import OUTSIDE

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.storage.store import Store


_NARROWING: Final = (
    *("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "pyargs"),  # some tests only
    *("lf", "failedfirst", "stepwise", "stepwise_skip", "maxfail"),  # looking for a failure
    *("collectonly", "setuponly", "setupplan"),  # no test runs
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
        UNPLAYED.put(to, list(cassette.unplayed))


def wants_everything(config: pytest.Config) -> bool:
    """Whether a run takes in every test, and goes on to the end."""
    if manager_of(config).hook.models_in_place() or any(getattr(config.option, name, None) for name in _NARROWING):
        return False
    given = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    return all(any(path.resolve().is_relative_to(one) for one in given) for path in whole_of(config))


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a full run did not use.

    Attributes:
        unplayed: The numbers of the interactions that were never played, by the file they are in.
        orphans: The files that no test has.
    """

    unplayed: dict[Path, list[int]]
    orphans: list[Path]

    def __bool__(self) -> bool:
        return bool(self.unplayed or self.orphans)


class Unused:
    """Adds up what the tests of a run played, and reports what is left over.

    Args:
        config: Where the options stand.
        collected: What all processes collect.
    """

    def __init__(self, config: pytest.Config, collected: RunCollection) -> None:
        self._config = config
        self._store = CASSETTES.of(config)
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
            terminalreporter.line(self._trouble)
        if self._leftovers:
            terminalreporter.section("unused recordings")
            for line in self._lines():
                terminalreporter.line(line)

    def _found(self) -> CollectedTests | None:
        """What was collected, where all of it was run."""
        found = self._collected.found
        return found if found is not None and len(self._unplayed) == found["tests"] else None

    def _left_by(self, found: CollectedTests) -> Leftovers:
        store, owners = self._store, sorted(found["owners"])
        if not owners and not store.folder.is_dir():  # there is nothing, and nothing is asked over a network
            return Leftovers({}, [])
        from pytest_templates.cassettes.storage.catalog import orphans

        unplayed = {store.folder / name: left for name in owners if (left := self._left_in(name, found))}
        return Leftovers(unplayed, orphans(found, store, self._config.rootpath))

    def _left_in(self, name: str, found: CollectedTests) -> list[int]:
        """The interactions that no test of a cassette played; none where one of its tests was not seen to its end."""
        left = [self._unplayed.get(test) for test in found["owners"][name]]
        if None in left or (found["left_out"] and name.rpartition("/")[0] not in found["modules"]):
            return []
        return sorted(set.intersection(*(set(numbers or ()) for numbers in left)))

    def _lines(self) -> Iterator[str]:
        if self._leftovers.unplayed:
            yield "never played:"
            for path, numbers in self._leftovers.unplayed.items():
                yield f"  {self._shown(path)}"
                yield from (f"    {line}" for line in _interactions(path, numbers, self._store))
            yield "  To drop these, record their tests with --templates-record=changed (delete a named one first)"
        if self._leftovers.orphans:
            yield "without a test:"
            yield from (f"  {self._shown(path)}" for path in self._leftovers.orphans)
            yield "  Remove these files with: python -m pytest_templates cassettes prune --yes"
        if UNUSED.of(self._config) == "fail":
            yield "The run fails for this, as templates_unused = fail asks."

    def _shown(self, path: Path) -> str:
        place = self._store.place(path)
        return place.removeprefix(f"{self._config.invocation_params.dir}{os.sep}")


def _interactions(path: Path, numbers: list[int], store: Store) -> Iterator[str]:
    from pytest_templates.cassettes.reading.llm import opening_of
    from pytest_templates.cassettes.storage.store import load_cassette

    interactions = load_cassette(path, store)
    width = len(str(numbers[-1]))
    for number in numbers:
        interaction = interactions[number - 1]
        yield f"{number:>{width}}  {interaction.template or OUTSIDE}  {opening_of(interaction)}".rstrip()
