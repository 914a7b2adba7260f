"""What a project says at the end of a run, by a hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy
import pytest

from pytest_templates.report.gathering import Gathering

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def watch(config: pytest.Config) -> None:
    """Collect what the hook is told, where all of it arrives: not in a worker of xdist."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Sections(config), "templates-sections")


class Sections:
    """Asks the hook when all tests were run, and prints what it says.

    Args:
        config: Where the hook is.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._hook: pluggy.HookCaller = config.hook.pytest_templates_report_section
        self._gathering = Gathering(config)
        self._sections: list[tuple[str, str]] = []
        self._errors: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test."""
        if self._hook.get_hookimpls():
            self._gathering.hear(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Ask the hook; a run in which it fails is not a good one."""
        if self._hook.get_hookimpls():
            from pytest_templates.report.asking import asked

            self._sections, self._errors = asked(self._hook, self._gathering.report())
        if self._errors and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print what it said."""
        for title, text in self._sections:
            terminalreporter.section(title)
            terminalreporter.line(text)
        for error in self._errors:
            terminalreporter.line(f"templates: {error}", red=True)
