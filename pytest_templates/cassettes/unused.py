"""Reports recordings that no test uses any more, after a full run: only such a run knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.cassettes.collection import CollectedTests, RunCollection, collection_of, covers
from pytest_templates.cassettes.options import RECORD, UNUSED
from pytest_templates.cassettes.places import Place
from pytest_templates.run.features import Feature, manager_of
from pytest_templates.run.processes import fail_run, is_worker
from pytest_templates.run.projects import project_of_run
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.text import visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.leftovers import Leftovers


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
        self._leftovers: Leftovers | None = None
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
        if all(not place["owners"] and Place(*place["place"]).is_missing for place in found["places"]):
            return  # nothing is recorded
        from pytest_templates.cassettes.leftovers import Leftovers

        try:
            self._leftovers = Leftovers(found, self._unplayed, self._config)
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
            for line in self._leftovers.lines():
                terminalreporter.line(visible_lines(line))

    def _found(self) -> CollectedTests | None:
        """What was collected, where all of it was run."""
        found = self._collected.found
        return found if found is not None and len(self._unplayed) == found["tests"] else None
