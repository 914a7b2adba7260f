"""The tests of a run, gathered from the reports of their phases, whichever process they come from."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import pytest

from pytest_templates.report.progress import Progress

if TYPE_CHECKING:
    from pytest_templates.report.document import Report


class Gathering:
    """What became of every test so far."""

    def __init__(self) -> None:
        self._tests: dict[str, Progress] = {}
        self._started = perf_counter()

    def hear(self, report: pytest.TestReport) -> None:
        """Take what a phase of a test says."""
        self._tests.setdefault(report.nodeid, Progress(report.nodeid)).hear(report)

    def report(self) -> Report:
        """The run as it stands, without secrets."""
        from pytest_templates.cassettes.secrets import secrets_of
        from pytest_templates.report.document import report_of

        secrets = secrets_of()
        ended = [progress.ended(secrets) for progress in self._tests.values() if progress.outcome is not None]
        return report_of(ended, perf_counter() - self._started)
