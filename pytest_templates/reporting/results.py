"""The results of the tests of a run, from the reports of their phases, whichever process sends them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.reporting.conversation_rows import CONVERSATION, conversation_facts
from pytest_templates.reporting.failures import failure_in, is_of_subtest, line_of
from pytest_templates.run.calls import CALLS, Source, source_of
from pytest_templates.run.features import manager_of
from pytest_templates.run.processes import worker_of
from pytest_templates.run.report_data import brought_by
from pytest_templates.support.clock import now, seconds
from pytest_templates.support.text import as_text

if TYPE_CHECKING:
    import pluggy

    from pytest_templates.reporting.document import Outcome, Report, Test


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
            failure = failure_in(report)
            self._errors[report.nodeid] = {**failure, "where": as_text(report.nodeid)}

    def pytest_internalerror(self, excrepr: object) -> None:
        """Take an error within pytest, such as one of a plugin."""
        if self.is_wanted:
            text = as_text(str(excrepr))
            self._errors.setdefault("", {"where": "", "text": text, "message": line_of(excrepr, text)})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of a phase of a test."""
        if self.is_wanted:
            self._reports += 1
            self._tests.setdefault(report.nodeid, TestProgress(report.nodeid)).add(report)
            for row in CONVERSATION.all_of(report):
                self._pictures |= row.pop("pictures", {})  # many tests attach the same

    def report(self) -> Report:
        """The report of the run so far, without secrets."""
        from pytest_templates.redaction.reports import redacted_in_run
        from pytest_templates.reporting.document import report_of

        if self._told[0] != self._reports:
            self._told = self._reports, self._ended()
        facts: dict[str, Any] = {}
        for some in self._hook.run_facts():
            facts |= some
        facts["title"] = as_text(self._config.rootpath.name)
        facts["errors"] = [{**error, "text": error["text"][:_MOST_TEXT]} for error in self._errors.values()]
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
        self._begin()

    def _begin(self) -> None:
        """Another attempt begins."""
        self._last = len(self._attempts)
        self._seconds = 0.0
        self._worker: str | None = None
        self._location: tuple[str, int | None] = ("", None)
        self._failures: list[dict[str, str]] = []

    def add(self, report: pytest.TestReport) -> None:
        """Take the report of a phase; the first phase of another attempt begins anew."""
        if report.when == "setup":
            self._begin()
        self.outcome = _outcome_after(None if report.when == "setup" else self.outcome, report)
        self._attempts += brought_by(report)
        self._location = report.location[:2]
        self._worker = worker_of(report)
        if not is_of_subtest(report):  # it is a part of the call, which has a report, too
            self._seconds += max(0.0, report.duration)
        if report.failed:
            self._failures.append(failure_in(report))

    def facts(self, hook: pluggy.HookRelay) -> dict[str, Any]:
        """The fields of the test in the report of the run; features add theirs."""
        calls = [call for calls in CALLS.all_within(self._attempts) for call in calls]
        sources: set[Source] = {call["source"] for call in calls}
        facts: dict[str, Any] = {}
        for some in hook.test_facts(reports=self._attempts):
            sources |= some.pop("sources", set())
            facts |= some
        file, line = self._location
        facts |= self._conversation(facts.get("samples"))
        return {
            "isolation": None,
            **facts,
            "nodeid": as_text(self._nodeid),
            "outcome": self.outcome,
            "source": source_of(sources),
            "calls": calls,
            "seconds": self._seconds,
            "file": as_text(file.replace("\\", "/")),
            "line": 0 if line is None else line + 1,
            "worker": self._worker,
        }

    def _conversation(self, samples: dict[str, Any] | None) -> dict[str, Any]:
        """What was said in the last attempt, and why that failed."""
        why = {} if samples is None else {one["sample"]: one["why"] for one in samples["failed"]}
        calls = sum(map(len, CALLS.all_within(self._attempts[: self._last])))
        facts, failed_at = conversation_facts(self._attempts[self._last :], calls, why)
        if self.outcome in {"failed", "error"} and self._failures:
            text = "\n\n".join(one["text"] for one in self._failures)
            facts["failure"] = {"text": text[:_MOST_TEXT], "message": self._failures[0]["message"], "step": failed_at}
        return facts


_AT_ONCE: Final = 200  # tests that are redacted together: what they have in common is looked at once
_MOST_TEXT: Final = 100_000  # characters of a failure


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
