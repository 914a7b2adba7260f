"""The phases of a test: set-up, call and tear-down, each failed by what the program swallowed in it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.support.failures import failure_text, not_shown_by, prune


class Phases:
    """Fails the phases of an attempt for errors that the program swallowed, each of them once.

    Args:
        attempt: The attempt.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self._shown = 0  # so many of its failures have failed a phase
        self._shown_before: int | None = None  # as before the phase that is just over; None where it was not failed
        self._text = ""  # what the phase that is just over was failed with
        self._is_under_way = False

    def phase(self, name: str) -> Phase:
        """One phase, to be entered."""
        return Phase(self, name)

    def begin(self) -> None:
        """A phase begins."""
        self._is_under_way = True

    def end(self) -> None:
        """A phase ends; what fails it is known next."""
        self._is_under_way = False

    def pending(self) -> list[Exception]:
        """The failures that came up since this was last asked."""
        pending = self.attempt.failures[self._shown :]
        self._shown_before = self._shown if pending else None
        self._shown = len(self.attempt.failures)
        return pending

    def fail(self, pending: Sequence[Exception]) -> None:
        """Fail the phase by what nobody has seen."""
        self._text = failure_text(pending)
        pytest.fail(self._text, pytrace=False)

    def hear(self, report: pytest.TestReport) -> None:
        """See whether what failed a phase is in its report; else it is shown once more, or beside it."""
        _refuse_meaningless_xfail(report, self.attempt)
        if self._is_under_way:  # the report of a subtest: that one of them was skipped skips nothing else
            self.attempt.failed = self.attempt.failed or report.failed
            return
        self.attempt.hear(report)
        if self._shown_before is not None and not report.failed and not hasattr(report, "wasxfail"):
            self._shown = self._shown_before  # what failed the phase was not heard: it fails the next one
        elif self._text and self._text not in report.longreprtext:  # unittest's test has failed by itself, too
            report.sections.append((f"Captured templates {report.when}", self._text))
        self._shown_before, self._text = None, ""


class Phase:
    """A phase of a test: set-up, call or tear-down. Fails it for what the program swallowed."""

    def __init__(self, phases: Phases, name: str) -> None:
        self._phases = phases
        self._attempt = phases.attempt
        self._name = name

    def __enter__(self) -> None:
        self._phases.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        __tracebackhide__ = True
        self._phases.end()
        try:
            self._judge(error)
        finally:
            if self._name == "teardown":
                self._close()

    # Where pytest.fail says all there is, its frame is left to be seen: where none is, pytest adds a line about that.

    def _close(self) -> None:
        try:
            self._attempt.close()
        except Exception as error:
            if not _is_of_our_family(error):
                raise
            pytest.fail(failure_text([error]), pytrace=False)

    def _judge(self, error: BaseException | None) -> None:
        attempt = self._attempt
        if self._name == "teardown":
            attempt.settle()
        pending = self._phases.pending()
        skipped = isinstance(error, pytest.skip.Exception)
        attempt.skipped = attempt.skipped or skipped
        attempt.failed = attempt.failed or bool(pending) or not (error is None or skipped)
        if pending and (error is None or skipped):
            self._phases.fail(pending)
        if error is not None:
            self._explain(error, pending)

    def _explain(self, error: BaseException, pending: list[Exception]) -> None:
        """Show what the program swallowed before it failed, and a failure of ours without our own frames."""
        hidden = not_shown_by(error, pending)
        if hidden:
            self._attempt.item.add_report_section(self._name, "templates", failure_text(hidden))
        if _is_of_our_family(error) and not self._attempt.item.config.getoption("fulltrace"):
            prune(error)
            if error.__traceback__ is None:
                raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None


def _is_of_our_family(error: BaseException) -> bool:
    errors = sys.modules.get("antiphon.errors")
    return errors is not None and isinstance(error, errors.AntiphonError)


def _refuse_meaningless_xfail(report: pytest.TestReport, attempt: Attempt) -> None:
    """Let a test fail that "failed as expected" while a recording was missing, or a call or another host was refused.

    That says nothing of the program. A test about such errors names what it expects: ``xfail(raises=CassetteMiss)``.
    """
    if not (report.skipped and hasattr(report, "wasxfail") and attempt.failures):
        return
    what = next(_unmeant(attempt.failures, tuple(_named(attempt.item))), "")
    if what:
        report.outcome = "failed"
        del report.wasxfail
        report.sections.append(
            (f"Captured templates {report.when}", f"{what} fails a test also where it is expected to fail")
        )


def _unmeant(failures: Iterable[Exception], named: tuple[type[BaseException], ...]) -> Iterator[str]:
    """What went wrong around the program, in words, where no mark names it."""
    for failure in failures:
        what = getattr(failure, "fails_expected_failures", "")
        meant = any(isinstance(failure, kind) for kind in named if getattr(kind, "fails_expected_failures", ""))
        if what and not meant:  # an xfail mark that names Exception names nothing
            yield what


def _named(item: pytest.Item) -> Iterator[type[BaseException]]:
    """The errors that the test's marks expect."""
    for mark in item.iter_markers("xfail"):
        raises = mark.kwargs.get("raises")
        given = getattr(raises, "expected_exceptions", raises)  # of a pytest.RaisesExc
        yield from (one for one in (given if isinstance(given, tuple) else (given,)) if isinstance(one, type))
