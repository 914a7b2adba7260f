"""``--templates-coverage``: collected in every process, reported by the one that users started."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.coverage.points import RENDERED, TOOL, Coverage, Point, Row, Tested, from_rows, percentage
from pytest_templates.run.calls import CALLS
from pytest_templates.run.features import hookimpl, join
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import fail_run, is_worker
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.engine import EngineListener
from pytest_templates.support.text import table

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.coverage.observer import Collecting

COVERAGE = Option[bool](
    "--templates-coverage",
    help="list the templates and branches that no test rendered",
    action="store_true",
    default=False,
    repeated=False,
)
FAIL_UNDER = Option[float | None](
    "--templates-fail-under",
    metavar="N",
    type=percentage,
    help="fail a run that rendered less than N percent of the templates and branches",
    repeated=None,
)
OPTIONS = Options(COVERAGE, FAIL_UNDER)

NEW: Final = ReportData[list[Row]]("coverage")  # what the process that sends it has not sent before


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Collect from now on, where the options say so."""
    OPTIONS.read(config)
    least = FAIL_UNDER.of(config)
    if COVERAGE.of(config) or least is not None:
        config.pluginmanager.register(Collector(config), "templates-coverage-collector")
        if not is_worker(config):
            join(config, Covered(least), "coverage")


class Collector:
    """Collects in this process, from when the engine is loaded, and sends what is new along with every test's report.

    Args:
        config: Of this process, a worker's or the one that users started.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._sent = Coverage()
        self._listener: EngineListener[Collecting] = EngineListener(self._observer)

    def _observer(self) -> Collecting:
        from pytest_templates.coverage.observer import Collecting

        return Collecting(self._root)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what is new."""
        report = yield
        collecting = self._listener.observer
        if collecting is not None and collecting.coverage.size > self._sent.size:
            new = collecting.coverage.without(self._sent)
            NEW.put(report, new.rows())
            self._sent.add(new)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Let go of the test's templates."""
        if self._listener.observer is not None:
            self._listener.observer.forget()

    def pytest_unconfigure(self) -> None:
        """Collect no longer."""
        self._listener.end()


class Covered:
    """Adds up what every process sends, and reports it at the end.

    Args:
        least: How much has to be rendered, from 0 to 100; ``None`` for any share.
    """

    def __init__(self, least: float | None) -> None:
        self._least = least
        self._coverage = Coverage()
        self._tested = Tested()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report brings."""
        self._coverage.add(from_rows(NEW.of(report) or ()))
        for call in CALLS.of(report) or ():
            self._tested.add(call["template_path"], call["model"])

    @hookimpl
    def run_facts(self) -> dict[str, Any]:
        """What there was to render, for the report of the run."""
        return {"coverage": [{**asdict(point), "reached": reached} for point, reached in self._coverage.points()]}

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say what was missed."""
        terminalreporter.section("templates coverage")
        for line in lines_of(self._coverage, self._tested):
            terminalreporter.line(line)
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


def lines_of(coverage: Coverage, tested: Tested) -> Iterator[str]:
    """The lines of the report.

    Args:
        coverage: What was collected.
        tested: The models that answered each template.
    """
    if not coverage.known:
        yield "no template was rendered"
        return
    yield summary(coverage)
    rows = [(_missing(point), f"{point.path} ({point.kind})", _place(point)) for point in _worth_telling(coverage)]
    if rows:
        yield table(("missing", "template", "built at"), rows)
    if tested.rows():
        yield table(("template", "answered by"), tested.rows())


def summary(coverage: Coverage) -> str:
    """How much was reached, in a line."""
    reached, total = coverage.counted
    return f"{reached} of {total} templates and branches rendered ({coverage.percent:.0f}%)"


def _worth_telling(coverage: Coverage) -> list[Point]:
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
