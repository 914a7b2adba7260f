"""What became of one test, from the reports of its phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from pytest_templates.attempts import REPORTED
from pytest_templates.report.data import Row, Source, as_text

if TYPE_CHECKING:
    from pytest_templates.cassettes.secrets import Secrets
    from pytest_templates.report.document import Outcome, Test


class Progress:
    """A test that may not have ended yet.

    Args:
        nodeid: Its node id.

    Attributes:
        outcome: What became of it, in its last attempt; ``None`` as long as that is not known.
    """

    def __init__(self, nodeid: str) -> None:
        self.outcome: Outcome | None = None
        self._nodeid = nodeid
        self._attempts: list[Row] = []

    def hear(self, report: pytest.TestReport) -> None:
        """Take what a phase says; the first phase of another attempt begins anew."""
        self.outcome = _joined(None if report.when == "setup" else self.outcome, report)
        brought: Row | None = getattr(report, REPORTED, None)
        if brought is not None:
            self._attempts.append(brought)

    def ended(self, secrets: Secrets) -> Test:
        """The test as it stands in the report of the run; of the calls the secrets are hidden already."""
        from pytest_templates.report.document import Test

        return Test.model_validate(
            {
                "nodeid": secrets.replace(as_text(self._nodeid)),
                "outcome": self.outcome,
                "source": self._source(),
                "calls": tuple(call for attempt in self._attempts for call in attempt["calls"]),
                "isolation": self._isolation(),
            }
        )

    def _source(self) -> Source | Literal["mixed"] | None:
        """Clients that are used without the engine make no calls, and their cassettes tell."""
        found = {call["source"] for attempt in self._attempts for call in attempt["calls"]}
        found |= {"cassette" for attempt in self._attempts if attempt["played"]}
        found |= {"recorded" for attempt in self._attempts if attempt["recorded"]}
        return "mixed" if len(found) > 1 else next(iter(found), None)

    def _isolation(self) -> Row | None:
        watched = sum(attempt["subroutines"] for attempt in self._attempts)
        violations = [text for attempt in self._attempts for text in attempt["violations"]]
        return {"subroutines": watched, "violations": violations} if watched else None


def _joined(before: Outcome | None, report: pytest.TestReport) -> Outcome | None:
    """The outcome of a test after one phase more: a failure stays."""
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
