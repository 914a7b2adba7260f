"""The result of one test so far, from the reports of its phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.reporting.conversation_rows import CONVERSATION, conversation_facts
from pytest_templates.reporting.failures import failure_in, is_of_subtest
from pytest_templates.run.call_rows import Source
from pytest_templates.run.calls import CALLS, source_of
from pytest_templates.run.processes import worker_of
from pytest_templates.run.report_data import brought_by
from pytest_templates.support.text import as_text

if TYPE_CHECKING:
    import pluggy

    from pytest_templates.reporting.document import Outcome

MOST_TEXT: Final = 100_000  # characters of a failure


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

    def add(self, report: pytest.TestReport) -> dict[str, dict[str, Any]]:
        """Take the report of a phase; the first phase of another attempt begins anew.

        Returns:
            The pictures that its messages attach, by digest, which it has no more: many tests attach the same.
        """
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
        pictures: dict[str, dict[str, Any]] = {}
        for row in CONVERSATION.all_of(report):
            pictures |= row.pop("pictures", {})
        return pictures

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
            facts["failure"] = {"text": text[:MOST_TEXT], "message": self._failures[0]["message"], "step": failed_at}
        return facts


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
