"""``--templates-coverage``: collected in every process, reported by the one that users started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.coverage.points import RENDERED, SENT, Coverage, Point, Tested, from_rows
from pytest_templates.run.attempt import REPORTED
from pytest_templates.run.options import OPTIONS
from pytest_templates.support.loading import WhenLoaded
from pytest_templates.support.text import table

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.coverage.observer import Collecting


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
    if point.what.startswith("tool "):
        return f"{point.what} never called"
    return f"never {point.what}"


def _place(point: Point) -> str:
    return f"{point.file}:{point.line}" if point.file else "(unknown)"


class Collector:
    """Collects in this process, from when the engine is loaded, and sends what is new along with every test's report.

    Args:
        config: Of this process, a worker's or the one that users started.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._collecting: Collecting | None = None
        self._sent = Coverage()
        self._waiting = WhenLoaded("antiphon", self._listen)

    def _listen(self) -> None:
        from antiphon.observers import LISTENERS
        from pytest_templates.coverage.observer import Collecting

        self._collecting = Collecting(self._root)
        LISTENERS.add(self._collecting)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Any:
        """Send what is new."""
        report = yield
        if self._collecting is not None and self._collecting.coverage.size > self._sent.size:
            new = self._collecting.coverage.without(self._sent)
            vars(report)[SENT] = new.rows()
            self._sent.add(new)
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Let go of the test's templates."""
        if self._collecting is not None:
            self._collecting.forget()

    def pytest_unconfigure(self) -> None:
        """Collect no longer."""
        self._waiting.forget()
        if self._collecting is not None:
            from antiphon.observers import LISTENERS

            LISTENERS.remove(self._collecting)


class Covered:
    """Adds up what every process sends, and tells it at the end.

    Args:
        config: Where the options stand.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._fail_under = config.stash[OPTIONS].fail_under
        self._coverage = Coverage()
        self._tested = Tested()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report brings."""
        self._coverage.add(from_rows(getattr(report, SENT, ())))
        for call in getattr(report, REPORTED, {"calls": ()})["calls"]:
            self._tested.add(call["template_path"], call["model"])

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Tell what was missed."""
        terminalreporter.section("templates coverage")
        for line in lines_of(self._coverage, self._tested):
            terminalreporter.line(line)
        if self._is_too_little:
            terminalreporter.line(f"--templates-fail-under={self._fail_under:g} wants more", red=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that rendered too little."""
        if self._is_too_little and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def _is_too_little(self) -> bool:
        return self._coverage.is_under(self._fail_under)


def register(config: pytest.Config) -> None:
    """Collect from now on, where the options say so."""
    if config.stash[OPTIONS].coverage:
        config.pluginmanager.register(Collector(config), "templates-collector")
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(Covered(config), "templates-covered")
