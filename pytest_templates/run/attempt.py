"""One attempt of a test, from set-up to tear-down: its model calls, its outcome, and the errors that fail it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.run.calls import CALLS, CallSource, row_of
from pytest_templates.run.expected import settling_what_raises_catches
from pytest_templates.run.features import manager_of
from pytest_templates.run.late import Failures
from pytest_templates.run.report_data import add_brought, brought_by
from pytest_templates.support.project_hooks import announce

if TYPE_CHECKING:
    from antiphon import ModelCall, Trace

_ATTEMPT = pytest.StashKey["Attempt"]()
_NEXT = pytest.StashKey["Callable[[pytest.Item], Attempt]"]()  # makes the attempt that is begun next
_UNKNOWN = CallSource("model")


class Attempt:
    """One attempt of a test; a test that is run again begins another one.

    Args:
        item: The test.
        repeats: The attempt that this one repeats.
        part_of: The attempt of which this one is a sample.
        sample: The number of the sample, from 1.

    Attributes:
        item: The test.
        part_of: The attempt of which this one is a sample: it counts and is reported as a part of that. ``None`` for an
            attempt that is no part of another.
        sample: The number of the sample, from 1; 1 where a test is not run in samples.
        is_in_samples: Whether the attempt consists of samples, which do all that there is to do.
        repeats: The attempt that this one only repeats, to check it: nothing of it is reported or counted. ``None``
            for an attempt in its own right.
        repeated_for: How long repeating it took, in seconds; its reports leave that out.
        calls: The model calls so far, each with where its answer came from.
        failures: The errors that fail the test even where the program swallows them, in order.
        failed: Whether a phase of the test failed, and was not expected to.
        skipped: Whether a phase of the test was skipped, or failed as expected.
        resources: Context managers to be closed when the attempt ends.
        stash: Where features keep their data about this attempt.
    """

    def __init__(
        self, item: pytest.Item, repeats: Attempt | None = None, *, part_of: Attempt | None = None, sample: int = 1
    ) -> None:
        self.item = item
        self.repeats = repeats
        self.part_of = part_of
        self.sample = sample
        self.is_in_samples = False
        self.repeated_for = 0.0
        self.calls: list[tuple[ModelCall, CallSource]] = []
        self.failures = Failures(item, self._watch_raises)
        self.failed = False
        self.skipped = False
        self.resources = ExitStack()
        self.stash = pytest.Stash()
        self._failed_as_expected = False
        self._is_checked = False
        self._brought: list[dict[str, Any]] = []  # by the reports of samples
        self._lock = Lock()
        self._trace: Trace | None = None

    @cached_property
    def hook(self) -> Any:
        """The private hooks of the run, to be called; see `hookspecs.Life`."""
        return manager_of(self.item.config).hook

    @property
    def whole(self) -> Attempt:
        """The attempt of the test as a whole: the one that this is a sample of, or this one."""
        return self if self.part_of is None else self.part_of

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

    def _watch_raises(self) -> None:
        self.resources.enter_context(settling_what_raises_catches(self.failures))

    @property
    def may_be_kept(self) -> bool:
        """Whether what it recorded may be kept: it went well so far, or is a sample that failed by itself."""
        return self.went_well or (self.part_of is not None and not self.failures.unsettled() and not self.skipped)

    def called(self, call: ModelCall) -> None:
        """Record a model call, and call the hooks for it: the private ones, then the project's for one that counts.

        A call that comes when the test is over is its call still, and concerns nobody else.
        """
        self.trace.calls.append(call)
        source = self.hook.source_of(attempt=self, call=call) or _UNKNOWN
        self.calls.append((call, source))
        if self.failures.is_over:
            return
        try:
            self.hook.model_called(attempt=self, call=call, source=source)
        finally:
            if self.repeats is None:
                self.failures.extend(announce(call, self.item))

    def open(self) -> None:
        """Let features prepare what the test's markers ask for."""
        self.hook.attempt_opens(attempt=self)

    def check_complete(self) -> None:
        """Let features add failures, once, for what a test left unused; where it has not passed, that is expected."""
        if self.passed and not self._is_checked:
            self._is_checked = True
            self.failures.add_those_of_forked()
            self.hook.attempt_is_checked(attempt=self)

    def close(self) -> None:
        """Close the resources, and let features keep or drop what the test made."""
        try:
            self.resources.close()
        except BaseException:
            self.failed = True
            raise
        finally:
            try:
                self.hook.attempt_closes(attempt=self)
            finally:
                self.failures.end()

    def interrupt(self) -> None:
        """Close the resources where the run ends in the middle of the test."""
        try:
            self.resources.close()
        finally:
            self.hook.attempt_is_interrupted(attempt=self)

    def note_outcome(self, report: pytest.TestReport) -> None:
        """Take the outcome of a phase from its report: those of unittest do not raise it through pytest's hooks."""
        outcome = report.outcome
        self.failed = self.failed or outcome == "failed"
        self.skipped = self.skipped or outcome == "skipped"
        if outcome == "skipped" and hasattr(report, "wasxfail") and not self.failures.unsettled():
            self.failed, self._failed_as_expected = False, True

    def report(self, report: pytest.TestReport) -> None:
        """Add the model calls to the last report, and let features add their data."""
        if report.when == "teardown":
            report.duration -= self.repeated_for
            if self.calls:
                fault_of = self.hook.fault_of
                rows = [row_of(call, source.name, fault_of(attempt=self, call=call)) for call, source in self.calls]
                CALLS.put(report, rows)
            add_brought(report, self._brought)
        self.hook.attempt_is_reported(attempt=self, report=report)

    def add_sample(self, reports: Iterable[pytest.TestReport]) -> None:
        """Take the reports of a sample, whose data go along with the report of the whole."""
        for report in reports:
            self._brought += brought_by(report)


def begin(item: pytest.Item) -> Attempt:
    """Begin an attempt of a test."""
    make = item.stash.get(_NEXT, Attempt)
    attempt = item.stash[_ATTEMPT] = make(item)
    return attempt


@contextmanager
def beginning_with(make: Callable[[pytest.Item], Attempt], attempt: Attempt) -> Iterator[None]:
    """What is begun of the same test in a block is made by a function; an attempt is the test's again behind it."""
    stash = attempt.item.stash
    before = stash.get(_NEXT, Attempt)
    stash[_NEXT] = make
    try:
        yield
    finally:
        stash[_NEXT] = before
        stash[_ATTEMPT] = attempt


def attempt_of(item: pytest.Item) -> Attempt:
    """The attempt of a test that is under way; begins one where there is none yet."""
    try:
        return item.stash[_ATTEMPT]
    except KeyError:
        return begin(item)


def forget(item: pytest.Item) -> None:
    """Forget the attempt of a test that is over."""
    if _ATTEMPT in item.stash:
        del item.stash[_ATTEMPT]
