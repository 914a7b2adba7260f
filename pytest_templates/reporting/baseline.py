"""The option ``--templates-baseline``: the run compared with an earlier one, and held to rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_templates.reporting.document import read
from pytest_templates.reporting.regression import Finding, Rule, compared_tests, judged, objections, rules_of
from pytest_templates.reporting.results import RunResults
from pytest_templates.run.features import Feature
from pytest_templates.run.processes import fail_run
from pytest_templates.run.terminal import width_of
from pytest_templates.support.text import table, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class Baseline(Feature):
    """Compares the results with those of an earlier run when the run is over.

    Args:
        results: The results of the tests.
        path: The file of the earlier run.
        rules: What the run is held to; none to show the comparison alone.

    Attributes:
        is_held: Whether there are rules.
        findings: What was found of each rule, or without rules of each metric; none before the run is over.

    Raises:
        ReportError: The file is no report.
    """

    def __init__(self, results: RunResults, path: Path, rules: Sequence[Rule]) -> None:
        self._results = results
        self._path = path
        self._before = read(path)
        self._rules = rules or rules_of("cost>+0,tokens>+0,calls>+0,pass_rate<-0%,models")
        self.is_held = bool(rules)
        self.findings: list[Finding] = []
        self._compared = ""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge; fail the run where a rule does not hold."""
        after = self._results.report()
        self.findings = judged(self._rules, self._before, after)
        self._compared = compared_tests(self._before, after)
        if self.is_held and objections(self.findings):
            fail_run(session)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print what was found."""
        terminalreporter.section("templates baseline")
        heads = ("rule", "baseline", "this run", "") if self.is_held else ("", "baseline", "this run")
        rows = [self._row(one) for one in self.findings]
        columns = width_of(terminalreporter)
        terminalreporter.line(table(heads, rows, numbers={"baseline", "this run"}, width=columns))
        terminalreporter.line(visible_lines(f"templates: {self._compared}"))
        for objection in objections(self.findings) if self.is_held else ():
            terminalreporter.line(visible_lines(f"templates: {objection}"))

    def _row(self, one: Finding) -> tuple[str, ...]:
        if self.is_held:
            return one.rule.text, one.before, one.after, "✗" if one.why else "holds"
        changes = one.why if one.rule.metric == "models" else ""
        return one.rule.metric, one.before, one.after or changes
