"""``--templates-markdown``: a summary of the run for a pull request, in GitHub's Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.reporting.conversation_section import SECTION
from pytest_templates.reporting.files import check_writable
from pytest_templates.reporting.results import RunResults
from pytest_templates.run.features import Feature, manager_of
from pytest_templates.run.processes import fail_run
from pytest_templates.support.markdown import MOST_OF_COMMENT

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.reporting.baseline import Baseline
    from pytest_templates.reporting.document import Report

STEP_SUMMARY: Final = "GITHUB_STEP_SUMMARY"  # the variable that names the file
_MOST_OF_STEP: Final = 1024 * 1024  # bytes of a step's summary; more is refused as a whole


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the summary is written.

    Attributes:
        path: The file.
        is_step_summary: Whether that is the file of GitHub's step summary, which others write to as well.
        is_asked_for: Whether an option names it; else it is written where models were called, or something went wrong
            outside of tests.
    """

    path: Path
    is_step_summary: bool
    is_asked_for: bool

    @property
    def named_by(self) -> str:
        """The option or the variable that names the file."""
        return "--templates-markdown" if self.is_asked_for else STEP_SUMMARY

    @property
    def room(self) -> int:
        """How many bytes there is room for."""
        if not self.is_step_summary:
            return MOST_OF_COMMENT
        return _MOST_OF_STEP - (self.path.stat().st_size if self.path.exists() else 0)

    def check(self) -> None:
        """Check that the file can be written, before the tests have run for nothing.

        Raises:
            pytest.UsageError: An option names it, and it cannot.
        """
        if self.is_asked_for:
            check_writable(self.named_by, self.path)

    def write(self, text: str) -> None:
        """Write the summary; behind what there is in a step summary, else in its place.

        Raises:
            OSError: The file system refuses.
        """
        from pytest_templates.support.files import atomic_write

        if self.is_step_summary:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            atomic_write(self.path, text)


def destinations(given: str | None, config: pytest.Config) -> tuple[Destination, ...]:
    """Where the summary is written: where the option says, and where GitHub shows it."""
    named = os.environ.get(STEP_SUMMARY)
    step, asked = Path(named) if named else None, None if given is None else config.invocation_params.dir / given
    found: list[Destination] = []
    if asked is not None:
        found.append(Destination(asked, is_step_summary=asked == step, is_asked_for=True))
    if step is not None and asked != step:
        found.append(Destination(step, is_step_summary=True, is_asked_for=False))
    return tuple(found)


class MarkdownSummary(Feature):
    """Writes the summary when the run is over.

    Args:
        config: The run.
        results: The results of the tests.
        destinations: Where it is written.
        baseline: What compares the run with an earlier one; ``None`` for nothing.
    """

    def __init__(
        self,
        config: pytest.Config,
        results: RunResults,
        destinations: Sequence[Destination],
        baseline: Baseline | None,
    ) -> None:
        self._config = config
        self._results = results
        self._destinations = destinations
        self._baseline = baseline
        self._failures: dict[str, str] = {}
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a failure; an attempt that is made anew counts alone."""
        if report.when == "setup":
            self._failures.pop(report.nodeid, None)
        if report.failed:
            from pytest_templates.reporting.failures import error_in

            section = SECTION.of(report)
            said = [] if section is None else [section["said"]]
            self._failures.setdefault(report.nodeid, "\n\n".join([error_in(report), *said]))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it; fail the run where an option asks for it and that is not possible."""
        report = self._results.report()
        tells_something = bool(report.errors) or any(test.source for test in report.tests)
        for destination in self._destinations:
            if destination.is_asked_for or tells_something:
                self._write(report, destination, session)

    def _write(self, report: Report, destination: Destination, session: pytest.Session) -> None:
        try:
            destination.write(self._summary(report, destination.room))
        except OSError as error:
            self._lines.append(f"templates: {destination.path} could not be written: {error.strerror or error}")
            if destination.is_asked_for:
                fail_run(session)
        else:
            self._lines.append(f"templates: the summary in Markdown is in {destination.path}")

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print where it is."""
        for line in self._lines:
            terminalreporter.line(line)

    def _summary(self, report: Report, room: int) -> str:
        from pytest_templates.redaction.reports import redacted_in_run
        from pytest_templates.reporting.markdown import Facts, summary_of

        hook = manager_of(self._config).hook
        facts = Facts(
            counts=tuple(chain.from_iterable(hook.summary_counts())),
            notes=tuple(redacted_in_run([*chain.from_iterable(hook.summary_lines())], self._config)),
            failures=redacted_in_run(self._failures, self._config),
            findings=() if self._baseline is None else tuple(self._baseline.findings),
            is_held=self._baseline is not None and self._baseline.is_held,
        )
        return summary_of(report, facts, room)
