"""The section about failures that came when their tests were over."""

from __future__ import annotations

from _pytest.terminal import TerminalReporter

from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.run.late import LateFailures
from pytest_templates.support.text import visible_lines


class LateSection:
    """Says whose failures they are.

    Args:
        late: What came too late.
    """

    def __init__(self, late: LateFailures) -> None:
        self._late = late

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the section, where there is anything to say."""
        if self._late.found:
            terminalreporter.section("failures of tests that were over")
        for nodeid, text in self._late.found:
            told = secrets_of().replace(f"{nodeid}, in what it left running: {text}")
            terminalreporter.line(visible_lines(told), red=True)
