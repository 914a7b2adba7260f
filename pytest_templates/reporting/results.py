"""The results of the tests of a run, from the reports of their phases, whichever process sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.run.calls import CALLS
from pytest_templates.run.features import manager_of
from pytest_templates.run.report_data import brought_by
from pytest_templates.support.clock import seconds
from pytest_templates.support.text import as_text

if TYPE_CHECKING:
    import pluggy

    from pytest_templates.reporting.document import Outcome, Report


class RunResults:
    """The result of every test so far.

    Args:
        config: The run.

    Attributes:
        is_wanted: Whether anything uses the results; else none are kept.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.is_wanted = bool(config.hook.pytest_templates_report_section.get_hookimpls())
        self._config = config
        self._hook = manager_of(config).hook
        self._tests: dict[str, TestProgress] = {}
        self._started = seconds()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of a phase of a test."""
        if self.is_wanted:
            self._tests.setdefault(report.nodeid, TestProgress(report.nodeid)).add(report)

    def report(self) -> Report:
        """The report of the run so far, without secrets."""
        from pytest_templates.redaction.reports import redacted_in_run
        from pytest_templates.reporting.document import Test, report_of

        facts_of_tests = [one.facts(self._hook) for one in self._tests.values() if one.outcome is not None]
        ended = [Test.model_validate(redacted_in_run(one, self._config)) for one in facts_of_tests]
        facts: dict[str, Any] = {}
        for some in self._hook.run_facts():
            facts |= some
        return report_of(ended, seconds() - self._started, redacted_in_run(facts, self._config))


class TestProgress:
    """A test that may not have ended yet.

    Args:
        nodeid: Its node id.

    Attributes:
        outcome: Its outcome in the last attempt; ``None`` as long as that is not known.
    """

    def __init__(self, nodeid: str) -> None:
        self.outcome: Outcome | None = None
        self._nodeid = nodeid
        self._attempts: list[dict[str, Any]] = []

    def add(self, report: pytest.TestReport) -> None:
        """Take the report of a phase; the first phase of another attempt begins anew."""
        self.outcome = _outcome_after(None if report.when == "setup" else self.outcome, report)
        self._attempts += brought_by(report)

    def facts(self, hook: pluggy.HookRelay) -> dict[str, Any]:
        """The fields of the test in the report of the run; features add theirs."""
        calls = [call for calls in CALLS.all_within(self._attempts) for call in calls]
        sources: set[str] = {call["source"] for call in calls}
        facts: dict[str, Any] = {}
        for some in hook.test_facts(reports=self._attempts):
            sources |= some.pop("sources", set())
            facts |= some
        return {
            "isolation": None,
            **facts,
            "nodeid": as_text(self._nodeid),
            "outcome": self.outcome,
            "source": "mixed" if len(sources) > 1 else next(iter(sources), None),
            "calls": calls,
        }


def _outcome_after(before: Outcome | None, report: pytest.TestReport) -> Outcome | None:
    """The outcome of a test after one more phase: a failure stays."""
    if report.failed:
        phase: Outcome = "error" if report.when in {"setup", "teardown"} else "failed"
        return "failed" if before == "failed" else phase
    if before in {"failed", "error"}:
        return before
    is_expected_to_fail = hasattr(report, "wasxfail")
    if report.skipped:
        return "xfailed" if is_expected_to_fail else "skipped"
    if report.passed and report.when == "call":
        return "xpassed" if is_expected_to_fail else "passed"
    return before
