"""The summary of what models did, in the terminal: one line if models were called, and a table if asked for."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from pytest_templates.run.calls import CALLS
from pytest_templates.run.features import Feature, hookimpl, manager_of
from pytest_templates.run.terminal import width_of
from pytest_templates.support.text import counted, listed, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.run.late import LateFailures
    from pytest_templates.run.totals import Line, Totals


class TerminalSummary(Feature):
    """Collects the calls of all tests, from every process, and prints their sums.

    Args:
        config: The run.
        wants_table: Whether the table is printed.
    """

    def __init__(self, config: pytest.Config, *, wants_table: bool) -> None:
        self._hook = manager_of(config).hook
        self._wants_table = wants_table
        self._totals: Totals | None = None

    @hookimpl
    def report_arrives(self, report: pytest.TestReport) -> None:
        """Take the calls of a test."""
        for call in chain.from_iterable(CALLS.all_of(report)):
            if self._totals is None:
                from pytest_templates.run.totals import Totals

                self._totals = Totals()
            self._totals.add(call)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the summary; features add parts and lines of their own, in the order in which they were loaded."""
        lines = [] if self._totals is None else self._totals.lines
        if self._wants_table:
            terminalreporter.section("templates")
            terminalreporter.line(_table(lines, width_of(terminalreporter)) if lines else "no model was called")
        counts = [*(called(lines) if lines else []), *chain.from_iterable(self._hook.summary_counts())]
        if counts:  # also of clients that are used without the engine: they make no calls, but are replayed
            for line in listed([f"templates: {counts[0]}", *counts[1:]], width_of(terminalreporter)):
                terminalreporter.line(visible_lines(line))
        for line in chain.from_iterable(self._hook.summary_lines()):
            terminalreporter.line(visible_lines(f"templates: {line}"))


def _table(lines: list[Line], width: int | None) -> str:
    from pytest_templates.run.totals import table_of

    return table_of(lines, width)


def called(lines: list[Line]) -> list[str]:
    """What models did, in words: calls, models, tokens and cost."""
    from pytest_templates.run.totals import cost_of

    calls, models = sum(line.calls for line in lines), len({line.model for line in lines})
    tokens = sum(line.input_tokens + line.output_tokens for line in lines)
    cost = cost_of(sum((line.cost for line in lines), Decimal(0)), sum(line.unpriced for line in lines))
    return [f"{counted(calls, 'call')} of {counted(models, 'model')}", counted(tokens, "token"), cost]


class LateSection(Feature):
    """Says whose failures they are.

    Args:
        late: What came too late.
    """

    def __init__(self, late: LateFailures) -> None:
        self._late = late

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the section, where there is anything to say."""
        if not self._late.found:
            return
        from pytest_templates.redaction.secrets import secrets_of

        terminalreporter.section("failures of tests that were over")
        for nodeid, text, where in self._late.found:
            told = secrets_of().replace(f"{nodeid}, {where}: {text}")
            terminalreporter.line(visible_lines(told), red=True)
