"""Coverage of a run: sent by every process, added up and reported by the one that the user started."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.coverage.points import RENDERED, TOOL, Coverage, ModelsByTemplate, Point, PointRow, from_rows
from pytest_templates.run.attempt import attempt_of
from pytest_templates.run.calls import CALLS
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.processes import fail_run
from pytest_templates.run.report_data import ReportData
from pytest_templates.run.terminal import width_of
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.engine import EngineListener
from pytest_templates.support.text import table, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.coverage.branches import CoverageObserver

POINTS: Final = ReportData[list[PointRow]]("coverage")  # those that the process has not sent before


class CoverageSender(Feature):
    """Observes this process from when the engine is loaded, and sends what is new with the reports of its tests.

    Args:
        config: The configuration of this process, a worker or not.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._under_way = under_way_in(config)
        self._sent = Coverage()
        self._listener: EngineListener[CoverageObserver] = EngineListener(self._observer)

    def _observer(self) -> CoverageObserver:
        from pytest_templates.coverage.branches import CoverageObserver

        return CoverageObserver(self._root, lambda: not self._under_way.is_repeating)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what is new."""
        report = yield
        observer = None if attempt_of(item).repeats else self._listener.observer
        if observer is not None and observer.coverage.size > self._sent.size:
            new = observer.coverage.without(self._sent)
            POINTS.put(report, new.rows())
            self._sent.add(new)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Release the templates of the test."""
        if self._listener.observer is not None:
            self._listener.observer.forget()

    def pytest_unconfigure(self) -> None:
        """Stop observing."""
        self._listener.end()


class CoverageReport(Feature):
    """Adds up what every process sends, and reports it at the end.

    Args:
        least: How much has to be rendered, in percent; ``None`` for no limit.
    """

    def __init__(self, least: float | None) -> None:
        self._least = least
        self._coverage = Coverage()
        self._models = ModelsByTemplate()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report carries."""
        for points in POINTS.all_of(report):
            self._coverage.add(from_rows(points))
        for call in chain.from_iterable(CALLS.all_of(report)):
            self._models.add(call["template_path"], call["model"])

    @hookimpl
    def run_facts(self) -> dict[str, Any]:
        """What there is to render, for the report of the run."""
        return {"coverage": self._coverage.rows()}

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print what was missed."""
        terminalreporter.section("templates coverage")
        for line in lines_of(self._coverage, self._models, width_of(terminalreporter)):
            terminalreporter.line(visible_lines(line))
        if self._is_too_little:
            terminalreporter.line(f"--templates-fail-under={self._least:g} wants more", red=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that rendered too little."""
        if self._is_too_little:
            fail_run(session)

    @property
    def _is_too_little(self) -> bool:
        return self._coverage.is_under(self._least)


def lines_of(coverage: Coverage, models: ModelsByTemplate, width: int | None = None) -> Iterator[str]:
    """The lines of the report.

    Args:
        coverage: What was collected.
        models: The models that answered each template.
        width: How many columns of a terminal there are; ``None`` for any number.
    """
    if not coverage.known:
        yield "no template was rendered"
        return
    yield summary(coverage)
    rows = [(_missing(point), f"{point.path} ({point.kind})", _place(point)) for point in _worth_listing(coverage)]
    if rows:
        yield table(("missing", "template", "built at"), rows, width=width)
    if models.rows():
        yield table(("template", "answered by"), models.rows(), width=width)


def summary(coverage: Coverage) -> str:
    """How much was reached, in a line."""
    reached, total = coverage.counted
    return f"{reached} of {total} templates and branches rendered ({coverage.percent:.0f}%)"


def _worth_listing(coverage: Coverage) -> list[Point]:
    """What was missed, without the branches of templates that were missed themselves."""
    missed = coverage.missed
    never = {point for point in missed if point.what == RENDERED}
    return [point for point in missed if point in never or replace(point, what=RENDERED) not in never]


def _missing(point: Point) -> str:
    if point.what == RENDERED:
        return "never rendered"
    if point.what.startswith(TOOL):
        return f"{point.what} never called"
    return f"never {point.what}"


def _place(point: Point) -> str:
    return f"{point.file}:{point.line}" if point.file else "(unknown)"
