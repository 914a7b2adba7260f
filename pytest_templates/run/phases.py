"""The phases of a test: set-up, call and tear-down, which fail for errors that the program swallowed in them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.expected import is_to_be_left_over, is_unexpected_success, named_by_xfail
from pytest_templates.support.failures import failure_text, not_shown_by, prune


class Phases:
    """Makes phases of an attempt fail for errors that the program swallowed, for each error once.

    Args:
        attempt: The attempt.

    Attributes:
        attempt: The attempt.
        is_under_way: Whether a phase has begun, and not ended.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._shown = 0  # how many of the attempt's failures have made a phase fail
        self._shown_before: int | None = None  # the same before the phase that has just ended; None where none was new
        self._text = ""  # the text with which the phase that has just ended was made to fail
        self.is_under_way = False

    def phase(self, name: str) -> Phase:
        """A phase, as a context manager."""
        return Phase(self, name)

    def end_of_own_fixtures(self) -> None:
        """The fixtures of the test alone are torn down, without an error; others may not be yet."""
        attempt = self.attempt
        attempt.check_complete()
        if attempt.may_be_kept and len(attempt.failures) == self._shown:
            attempt.hook.attempt_has_gone_well(attempt=attempt)

    def pending(self) -> list[Exception]:
        """The failures that were added since the last call."""
        pending = self.attempt.failures.unsettled(self._shown)
        self._shown_before = self._shown if pending else None
        self._shown = len(self.attempt.failures)
        return pending

    def fail(self, pending: Sequence[Exception]) -> None:
        """Make the phase fail for errors that the program swallowed: with the first where an xfail mark names all."""
        self._text = failure_text(pending)
        named = tuple(named_by_xfail(self.attempt.item))
        if named and all(isinstance(error, named) for error in pending):
            raise pending[0]
        pytest.fail(self._text, pytrace=False)

    def check_report(self, report: pytest.TestReport) -> None:
        """Make sure that the failures of a phase are shown: in its report, in a section of it, or by the next phase."""
        if self._text and is_unexpected_success(report, self.attempt.item):
            report.outcome, report.wasxfail = "skipped", ""  # it failed, as expected: for what the program swallowed
        _refuse_meaningless_xfail(report, self.attempt)
        if self.is_under_way:  # the report of a subtest: one that is skipped does not skip the test
            self.attempt.failed = self.attempt.failed or report.failed
            return
        self.attempt.note_outcome(report)
        if self._shown_before is not None and not report.failed and not hasattr(report, "wasxfail"):
            self._shown = self._shown_before  # pytest took no notice, so that the next phase has to fail
        elif self._text and self._text not in report.longreprtext:  # a test of unittest has failed by itself as well
            report.sections.append((f"Captured templates {report.when}", self._text))
        self._shown_before, self._text = None, ""


class Phase:
    """A phase of a test, as a context manager that makes it fail for errors that the program swallowed."""

    def __init__(self, phases: Phases, name: str) -> None:
        self._phases = phases
        self._attempt = phases.attempt
        self._name = name

    def __enter__(self) -> None:
        self._phases.is_under_way = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        __tracebackhide__ = True
        self._phases.is_under_way = False
        try:
            self._judge(error)
        finally:
            if self._name == "teardown":
                self._close()

    # The methods below do not hide their frames: where a traceback has no visible frame, pytest adds a line about it.

    def _close(self) -> None:
        try:
            self._attempt.close()
        except Exception as error:
            if not _is_ours(error):
                raise
            raise pytest.fail.Exception(failure_text([error]), pytrace=False) from error.__cause__  # said once

    def _judge(self, error: BaseException | None) -> None:
        attempt = self._attempt
        if self._name == "teardown" or (self._name == "call" and error is None and is_to_be_left_over(attempt.item)):
            attempt.check_complete()
        pending = self._phases.pending()
        skipped = isinstance(error, pytest.skip.Exception)
        attempt.skipped = attempt.skipped or skipped
        attempt.failed = attempt.failed or bool(pending) or not (error is None or skipped)
        if pending and (error is None or skipped):
            self._phases.fail(pending)
        if error is not None:
            self._explain(error, pending)

    def _explain(self, error: BaseException, pending: list[Exception]) -> None:
        """Show errors that the program swallowed before it failed, and prune the traceback of an error of ours."""
        hidden = not_shown_by(error, pending)
        if hidden:
            self._attempt.item.add_report_section(self._name, "templates", failure_text(hidden))
        if _is_ours(error) and not self._attempt.item.config.getoption("fulltrace"):
            prune(error)
            if error.__traceback__ is None and not self._attempt.is_in_samples:
                raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None


def _is_ours(error: BaseException) -> bool:
    errors = sys.modules.get("antiphon.errors")
    return errors is not None and isinstance(error, errors.AntiphonError)


def _refuse_meaningless_xfail(report: pytest.TestReport, attempt: Attempt) -> None:
    """Let a test fail that "failed as expected" only because a recording was missing, or a call was refused.

    That says nothing about the program. A test of such errors names them: ``xfail(raises=CassetteMiss)``.
    """
    if not (report.skipped and hasattr(report, "wasxfail")):
        return
    failures = attempt.failures.unsettled()
    what = next(_unexpected(failures, tuple(named_by_xfail(attempt.item))), "")
    if what:
        report.outcome = "failed"
        del report.wasxfail
        report.sections.append(
            (f"Captured templates {report.when}", f"{what} fails a test also where it is expected to fail")
        )


def _unexpected(failures: Iterable[Exception], expected: tuple[type[BaseException], ...]) -> Iterator[str]:
    """What went wrong outside of the program, in words, where no mark of the test expects it."""
    for failure in failures:
        what = getattr(failure, "fails_expected_failures", "")
        meant = any(isinstance(failure, kind) for kind in expected if getattr(kind, "fails_expected_failures", ""))
        if what and not meant:  # xfail(raises=Exception) does not mean these errors
            yield what
