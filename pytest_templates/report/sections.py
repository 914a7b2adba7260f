"""What a project says at the end of a run, by a hook."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pluggy
import pytest

from pytest_templates.attempts import REPORTED
from pytest_templates.report.data import Row

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def watch(config: pytest.Config) -> None:
    """Collect what the hook is told, where all of it arrives: not in a worker of xdist."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Sections(config), "templates-sections")


@dataclass(slots=True)
class Seen:
    """A test that was seen to begin.

    Attributes:
        nodeid: Its name.
        outcome: As far as it went: ``"failed"`` if one of its phases failed, else ``"skipped"`` or ``"passed"``.
        row: What models did in it; empty where they did nothing.
    """

    nodeid: str
    outcome: str = "passed"
    row: Row = field(default_factory=dict)

    def hear(self, report: pytest.TestReport) -> None:
        """Take what the report of a phase says."""
        if report.failed or (report.skipped and self.outcome == "passed"):
            self.outcome = report.outcome
        self.row = getattr(report, REPORTED, self.row)


class Sections:
    """Asks the hook when all tests were run, and prints what it says.

    Args:
        config: Where the hook is.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._hook: pluggy.HookCaller = config.hook.pytest_templates_report_section
        self._tests: list[Seen] = []
        self._running: dict[str, Seen] = {}
        self._sections: list[tuple[str, str]] = []
        self._errors: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test."""
        if not self._hook.get_hookimpls():
            return
        if report.when == "setup" or report.nodeid not in self._running:  # a worker that died sends no more than that
            self._running[report.nodeid] = Seen(report.nodeid)
            self._tests.append(self._running[report.nodeid])
        self._running[report.nodeid].hear(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Ask the hook; a run in which it fails is not a good one."""
        if self._hook.get_hookimpls():
            from pytest_templates.report.asking import asked

            self._sections, self._errors = asked(self._hook, self._tests)
        if self._errors and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print what it said."""
        for title, text in self._sections:
            terminalreporter.section(title)
            terminalreporter.line(text)
        for error in self._errors:
            terminalreporter.line(f"templates: {error}", red=True)
