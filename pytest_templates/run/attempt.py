"""One attempt of a test, from set-up to tear-down: its model calls, its outcome, and what must fail it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.run.calls import CALLS, CallSource, row_of
from pytest_templates.run.features import manager_of
from pytest_templates.support.project_hooks import announce

if TYPE_CHECKING:
    from antiphon import ModelCall, Trace

_ATTEMPT = pytest.StashKey["Attempt"]()
_UNKNOWN = CallSource("model")


class Attempt:
    """One attempt of one test; a test that is run again begins another.

    Args:
        item: The test.

    Attributes:
        item: The test.
        calls: The model calls so far, each with where its answer came from.
        failures: What fails the test even where the program swallowed it, in order.
        failed: Whether a phase of the test failed, and was not expected to.
        skipped: Whether the test was skipped, by itself or by pytest, or failed as expected.
        resources: What is closed at the end.
        stash: Where features keep what they know of this attempt.
    """

    def __init__(self, item: pytest.Item) -> None:
        self.item = item
        self.calls: list[tuple[ModelCall, CallSource]] = []
        self.failures: list[Exception] = []
        self.failed = False
        self.skipped = False
        self.resources = ExitStack()
        self.stash = pytest.Stash()
        self._failed_as_expected = False
        self._lock = Lock()
        self._trace: Trace | None = None

    @cached_property
    def hook(self) -> Any:
        """The private hooks, to be called; see `hookspecs.Life`."""
        return manager_of(self.item.config).hook

    @property
    def trace(self) -> Trace:
        """The model calls so far, by any runner, thread or task."""
        with self._lock:
            if self._trace is None:
                from antiphon import Trace

                self._trace = Trace()
            return self._trace

    @property
    def passed(self) -> bool:
        """Whether nothing failed so far, and nothing was skipped."""
        return not self.failed and not self.skipped

    @property
    def went_well(self) -> bool:
        """Whether the test passed, or failed as expected."""
        return not self.failed and (not self.skipped or self._failed_as_expected)

    def called(self, call: ModelCall) -> None:
        """Note a model call, and tell features and the project of it."""
        self.trace.calls.append(call)
        source = self.hook.source_of(attempt=self, call=call) or _UNKNOWN
        self.calls.append((call, source))
        try:
            self.hook.model_called(attempt=self, call=call, source=source)
        finally:
            self.failures.extend(announce(call, self.item))

    def open(self) -> None:
        """Open what the test's markers ask for."""
        self.hook.attempt_opens(attempt=self)

    def settle(self) -> None:
        """Hold the test to what it should have used up.

        A test that failed or was skipped has said why, and what is left over then is no news.
        """
        if self.passed:
            self.hook.attempt_settles(attempt=self)

    def close(self) -> None:
        """End: let go of everything, and keep what was made if all went well."""
        try:
            self.resources.close()
        except BaseException:
            self.failed = True
            raise
        finally:
            self.hook.attempt_closes(attempt=self)

    def interrupt(self) -> None:
        """Let go of everything where the run ends in the midst of the test."""
        try:
            self.resources.close()
        finally:
            self.hook.attempt_is_interrupted(attempt=self)

    def hear(self, report: pytest.TestReport) -> None:
        """Take a phase's outcome from its report: unittest's tests tell it in no other way."""
        self.failed = self.failed or report.failed
        self.skipped = self.skipped or report.skipped
        if report.skipped and hasattr(report, "wasxfail") and not self.failures:
            self.failed, self._failed_as_expected = False, True

    def report(self, report: pytest.TestReport) -> None:
        """Send what models did along with the last report."""
        if report.when == "teardown" and self.calls:
            CALLS.put(report, [row_of(call, source.name) for call, source in self.calls])
        self.hook.attempt_is_reported(attempt=self, report=report)


def begin(item: pytest.Item) -> Attempt:
    """Begin an attempt of a test."""
    attempt = item.stash[_ATTEMPT] = Attempt(item)
    return attempt


def attempt_of(item: pytest.Item) -> Attempt:
    """The attempt of a test that is under way."""
    return item.stash[_ATTEMPT] if _ATTEMPT in item.stash else begin(item)


def forget(item: pytest.Item) -> None:
    """Let go of a test that is over."""
    if _ATTEMPT in item.stash:
        del item.stash[_ATTEMPT]
