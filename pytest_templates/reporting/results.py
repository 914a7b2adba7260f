"""The results of the tests of a run, from the reports of their phases, whichever process sends them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.run.features import manager_of
from pytest_templates.support.clock import now, seconds
from pytest_templates.support.text import as_text

if TYPE_CHECKING:
    from pytest_templates.reporting.document import Report, Test
    from pytest_templates.reporting.progress import TestProgress


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
        self._pictures: dict[str, dict[str, Any]] = {}
        self._started = seconds()
        self._started_at = now()
        self._session: pytest.Session | None = None
        self._reports = 0
        self._told: tuple[int, list[Test]] = 0, []  # what was told of tests, after how many reports
        self._errors: dict[str, dict[str, str]] = {}  # outside of tests

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Know the session, whose exit status is that of the run."""
        self._session = session

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take what could not be collected: no test of it fails."""
        if self.is_wanted and report.failed:
            from pytest_templates.reporting.failures import failure_in

            failure = failure_in(report)
            self._errors[report.nodeid] = {**failure, "where": as_text(report.nodeid)}

    def pytest_internalerror(self, excrepr: object) -> None:
        """Take an error within pytest, such as one of a plugin."""
        if self.is_wanted:
            from pytest_templates.reporting.failures import line_of

            text = as_text(str(excrepr))
            self._errors.setdefault("", {"where": "", "text": text, "message": line_of(excrepr, text)})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of a phase of a test."""
        if self.is_wanted:
            from pytest_templates.reporting.progress import TestProgress

            self._reports += 1
            self._pictures |= self._tests.setdefault(report.nodeid, TestProgress(report.nodeid)).add(report)

    def report(self) -> Report:
        """The report of the run so far, without secrets."""
        from pytest_templates.redaction.reports import redacted_in_run
        from pytest_templates.reporting.document import report_of
        from pytest_templates.reporting.progress import MOST_TEXT

        if self._told[0] != self._reports:
            self._told = self._reports, self._ended()
        facts: dict[str, Any] = {}
        for some in self._hook.run_facts():
            facts |= some
        facts["title"] = as_text(self._config.rootpath.name)
        facts["errors"] = [{**error, "text": error["text"][:MOST_TEXT]} for error in self._errors.values()]
        facts = redacted_in_run(facts, self._config)
        facts |= {"started": self._started_at, "pictures": self._pictures}
        if self._session is not None:
            facts["exit_status"] = int(self._session.exitstatus)
        return report_of(self._told[1], seconds() - self._started, facts)

    def _ended(self) -> list[Test]:
        """The tests that have ended, without secrets."""
        from pytest_templates.redaction.reports import redacted_in_run
        from pytest_templates.reporting.document import Test

        told = [one for one in self._tests.values() if one.outcome is not None]
        ended: list[Test] = []
        root = f"{self._config.rootpath}{os.sep}"
        for begin in range(0, len(told), _AT_ONCE):
            facts_of_tests = [_from_root(one.facts(self._hook), root) for one in told[begin : begin + _AT_ONCE]]
            ended += map(Test.model_validate, redacted_in_run(facts_of_tests, self._config))
        return ended


_AT_ONCE: Final = 200  # tests that are redacted together: what they have in common is looked at once


def _from_root(facts: dict[str, Any], root: str) -> dict[str, Any]:
    """The facts of a test in whose errors files are named from the root directory: two checkouts say the same."""

    def named(row: dict[str, Any]) -> dict[str, Any]:
        return row | {key: row[key].replace(root, "") for key in _ERRORS if isinstance(row.get(key), str)}

    samples, failure = facts.get("samples"), facts.get("failure")
    if samples is not None:
        facts["samples"] = samples | {"failed": [named(one) for one in samples["failed"]]}
    if failure is not None:
        facts["failure"] = named(failure)
    return facts | {key: [named(row) for row in facts[key]] for key in ("calls", "steps")}


_ERRORS: Final = ("error", "message", "text", "why")  # texts of errors; the `message` of a step is a number
