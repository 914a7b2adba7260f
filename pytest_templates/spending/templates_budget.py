"""The budget of a run: what ``templates_budget`` in the ini file allows, checked when the run is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.run.call_rows import CallRow
from pytest_templates.run.calls import CALLS
from pytest_templates.run.features import Feature
from pytest_templates.run.processes import fail_run
from pytest_templates.run.totals import Line, lines_of, table_of
from pytest_templates.spending.limits import Entry, Limits, Tally, compared, table_of_limits
from pytest_templates.support.text import counted, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


_SHOWN: Final = 5  # templates


class RunBudget(Feature):
    """Adds up the calls of all tests, from every process, and makes a run fail that exceeds its budget.

    Args:
        config: The configuration in which the budget stands.
        limits: The budget.
    """

    def __init__(self, config: pytest.Config, limits: Limits) -> None:
        self._place = "" if config.inipath is None else f" in {config.inipath.name}"
        self._limits = limits
        self._calls: list[CallRow] = []
        self._tally = Tally()
        self._entries: list[Entry] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the calls of a test, those of every attempt."""
        self._calls += chain.from_iterable(CALLS.all_of(report))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the sum with the budget, and make a run fail that exceeds it."""
        self._tally = reduce(Tally.with_call, self._calls, Tally())
        self._entries = compared(replace(self._tally, unpriced=frozenset()), self._limits)
        if self._objections:
            fail_run(session)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show what was spent by which templates where it exceeds the budget, and which models have no known price."""
        if self._objections:
            terminalreporter.section("budget of the run")
            for line in self._lines():
                terminalreporter.line(visible_lines(line))
        if self._tally.unpriced and self._limits.cost is not None:
            unpriced = ", ".join(sorted(self._tally.unpriced))
            terminalreporter.line(
                visible_lines(f"templates: no price is known, and templates_budget did not count: {unpriced}")
            )

    @property
    def _objections(self) -> list[Entry]:
        return [entry for entry in self._entries if entry.objection]

    def _lines(self) -> Sequence[str]:
        spent = lines_of(self._calls)
        most = sorted(spent, key=self._rank, reverse=True)
        more = len(most) - _SHOWN
        return (
            f"the run is beyond templates_budget{self._place}:",
            table_of_limits(self._entries),
            "spent most:",
            table_of(most[:_SHOWN]),
            *([f"  and {counted(more, 'line')} more: --templates-summary shows all"] if more > 0 else []),
        )

    def _rank(self, line: Line) -> tuple[object, ...]:
        """The key by which templates are sorted: first what was exceeded, then the cost and the calls."""
        kinds = {"cost": line.cost, "input tokens": line.input_tokens, "output tokens": line.output_tokens}
        over = [kinds[entry.kind] for entry in self._objections if entry.kind in kinds]
        return (*over, line.cost, line.calls)
