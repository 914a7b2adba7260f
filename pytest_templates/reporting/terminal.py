"""What models did, said at the end of the run."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pytest_templates.run.attempt import REPORTED
from pytest_templates.run.calls import Line, Row, cost_of, lines_of, table_of
from pytest_templates.run.options import OPTIONS
from pytest_templates.support.text import counted

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class Summary:
    """Collects what the reports of tests bring, from every process, and says it.

    Args:
        config: Where the options stand.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._wants_table = config.stash[OPTIONS].summary
        self._overrides = config.stash[OPTIONS].overrides
        self._has_run = False
        self._tests: list[Row] = []
        self._unrecorded: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a report brings."""
        self._has_run = True
        brought: Row | None = getattr(report, REPORTED, None)
        if brought is not None:
            self._tests.append(brought)
            self._unrecorded += [f"{report.nodeid}: {what}" for what in _unrecorded(brought)]

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say it: one line where models were called, and the table where it is wanted."""
        calls = [call for test in self._tests for call in test["calls"]]
        lines = lines_of(calls)
        if self._wants_table:
            terminalreporter.section("templates")
            terminalreporter.line(table_of(lines) if lines else "no model was called")
        if calls or any(map(self._sum, ("subroutines", "played", "recorded", "dropped"))):
            terminalreporter.line(f"templates: {', '.join(self._counts(lines))}")
        for what in self._unrecorded:
            terminalreporter.line(f"templates: {what}")
        unseen = sorted({place for test in self._tests for place in test["unseen"]})
        if unseen:
            terminalreporter.line(f"templates: isolation told apart by identity alone: {', '.join(unseen)}")
        unpriced = sorted({name for test in self._tests for name in test["unpriced"]})
        if unpriced:
            terminalreporter.line(
                f"templates: no price is known, and --templates-max-cost did not count: {', '.join(unpriced)}"
            )
        if self._overrides and self._has_run:
            from pytest_templates.model_override.plugin import without_effect

            for line in without_effect(self._overrides, calls):
                terminalreporter.line(f"templates: {line}")

    def _counts(self, lines: list[Line]) -> list[str]:
        counts = _called(lines) if lines else []  # there are none where clients are used without the engine
        played, recorded, checked = map(self._sum, ("played", "recorded", "subroutines"))
        dropped = sum(test["dropped"] for test in self._tests if not test["skipped"])
        counts += [f"{played} replayed"] if played else []
        counts += [f"{recorded} recorded"] if recorded else []
        counts += [f"{counted(dropped, 'recording')} dropped because the test failed"] if dropped else []
        counts += [f"{counted(checked, 'subroutine')} checked"] if checked else []
        return counts

    def _sum(self, what: str) -> int:
        return sum(test[what] for test in self._tests)


def _unrecorded(test: Row) -> Iterator[str]:
    """What a test that did not fail asked of models, and a replay will not find."""
    for template in test["unanswered"]:
        asked = f"the call of {template}" if template else "a request from outside of templates"
        yield f"{asked} ended before its answer came: it is not recorded, and a replay will miss it"
    if test["skipped"] and test["dropped"]:
        what = f"what it recorded is dropped ({counted(test['dropped'], 'recording')}), and a replay will miss it"
        yield f"the test was skipped after it had asked: {what}; skip it before"


def _called(lines: list[Line]) -> list[str]:
    calls, models = sum(line.calls for line in lines), len({line.model for line in lines})
    tokens = sum(line.input_tokens + line.output_tokens for line in lines)
    cost = cost_of(sum((line.cost for line in lines), Decimal(0)), sum(line.unpriced for line in lines))
    return [f"{counted(calls, 'call')} of {counted(models, 'model')}", counted(tokens, "token"), cost]
