"""The tests of a run, gathered from the reports of their phases, whichever process they come from."""

from __future__ import annotations

from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from pytest_templates.coverage.data import SENT, Coverage, from_rows
from pytest_templates.options import OPTIONS
from pytest_templates.report.progress import Progress

if TYPE_CHECKING:
    from pytest_templates.report.document import Report


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
        from pytest_templates.cassettes.secrets import secrets_of
        from pytest_templates.report.document import Reach, report_of

        secrets = secrets_of()
        ended = [progress.ended(secrets) for progress in self._tests.values() if progress.outcome is not None]
        points = None if self._coverage is None else self._coverage.points()
        coverage = None if points is None else [Reach(**asdict(point), reached=reached) for point, reached in points]
        return report_of(ended, perf_counter() - self._started, coverage)
