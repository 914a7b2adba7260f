"""The phases of a test, each held to what happened in it."""

from __future__ import annotations

import sys
from types import TracebackType

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.support.failures import prune, told, untold


class Phase:
    """A phase of a test: setup, call or teardown. Fails it for what the program swallowed."""

    def __init__(self, attempt: Attempt, name: str) -> None:
        self._attempt = attempt
        self._name = name

    def __enter__(self) -> None:
        self._attempt.in_phase = True
        if self._name == "setup":
            self._attempt.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        __tracebackhide__ = True
        self._attempt.in_phase = False
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
            pytest.fail(told([error]), pytrace=False)

    def _judge(self, error: BaseException | None) -> None:
        attempt = self._attempt
        if self._name == "teardown":
            attempt.settle()
        unsettled = attempt.unsettled()
        skipped = isinstance(error, pytest.skip.Exception)
        attempt.skipped = attempt.skipped or skipped
        attempt.failed = attempt.failed or bool(unsettled) or not (error is None or skipped)
        if unsettled and (error is None or skipped):
            attempt.said = told(unsettled)
            pytest.fail(attempt.said, pytrace=False)
        if error is not None:
            self._explain(error, unsettled)

    def _explain(self, error: BaseException, unsettled: list[Exception]) -> None:
        """Show what the program swallowed before it failed, and a failure of ours without our own frames."""
        hidden = untold(unsettled, error)
        if hidden:
            self._attempt.item.add_report_section(self._name, "templates", told(hidden))
        if _is_of_our_family(error) and not self._attempt.item.config.getoption("fulltrace"):
            prune(error)
            if error.__traceback__ is None:
                raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None


def _is_of_our_family(error: BaseException) -> bool:
    errors = sys.modules.get("antiphon.errors")
    return errors is not None and isinstance(error, errors.AntiphonError)
