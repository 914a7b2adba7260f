"""The tests of a run, gathered from the reports of their phases, whichever process they come from."""

from __future__ import annotations

from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import pytest

from pytest_templates.coverage.points import SENT, Coverage, from_rows
from pytest_templates.run.attempt import REPORTED
from pytest_templates.run.calls import Row, Source, as_text
from pytest_templates.run.options import OPTIONS

if TYPE_CHECKING:
    from pytest_templates.cassettes.redaction.secrets import Secrets
    from pytest_templates.reporting.document import Outcome, Report, Test


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
        from pytest_templates.reporting.document import Test

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


class Gathering:
    """What became of every test so far.

    Args:
        config: Where the options stand.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._tests: dict[str, Progress] = {}
        self._coverage = Coverage() if config.stash[OPTIONS].coverage else None
        self._started = perf_counter()

    def hear(self, report: pytest.TestReport) -> None:
        """Take what a phase of a test says."""
        self._tests.setdefault(report.nodeid, Progress(report.nodeid)).hear(report)
        if self._coverage is not None:
            self._coverage.add(from_rows(getattr(report, SENT, ())))

    def report(self) -> Report:
        """The run as it stands, without secrets."""
        from pytest_templates.cassettes.redaction.secrets import secrets_of
        from pytest_templates.reporting.document import Reach, report_of

        secrets = secrets_of()
        ended = [progress.ended(secrets) for progress in self._tests.values() if progress.outcome is not None]
        points = None if self._coverage is None else self._coverage.points()
        coverage = None if points is None else [Reach(**asdict(point), reached=reached) for point, reached in points]
        return report_of(ended, perf_counter() - self._started, coverage)
