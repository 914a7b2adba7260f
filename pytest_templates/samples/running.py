"""Runs a test in samples, and fails it where too few of them pass."""

from __future__ import annotations

from typing import Any, Final

import pytest

from antiphon.trace import Sample
from pytest_templates.errors import PassRateMissed
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.repetition import PhaseRun, Repetition, run_sample
from pytest_templates.samples.verdict import FailedSample, SamplesRow, failures, is_enough, summary
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import as_text, cut

_SHOWN: Final = 3  # failures that are shown as a whole


class SampledTest:
    """A test that is run in samples.

    Args:
        attempt: The attempt of the test.
        count: How many samples there are.
        pass_rate: How many of them have to pass, from 0 to 1.

    Attributes:
        samples: Those that have ended.
    """

    def __init__(self, attempt: Attempt, count: int, pass_rate: float) -> None:
        self._attempt = attempt
        self._count = count
        self._pass_rate = pass_rate
        self._failed: list[FailedSample] = []
        self.samples: list[Sample] = []

    @property
    def row(self) -> SamplesRow | None:
        """What the report says; ``None`` as long as not all samples have ended."""
        if len(self.samples) < self._count:
            return None
        passed = sum(sample.passed for sample in self.samples)
        return SamplesRow(count=self._count, passed=passed, pass_rate=self._pass_rate, failed=self._failed)

    def run(self) -> None:
        """Run all samples.

        Raises:
            PassRateMissed: Too few of them passed.
            BaseException: What says nothing of the answers, and ends the test: it is skipped, a tear-down failed, or
                the plugin has to fail it.
        """
        __tracebackhide__ = True
        for number in range(1, self._count + 1):
            self._add(run_sample(self._attempt, number))
            if self._attempt.failures:
                return  # which fail the test
        row = self.row
        if row is not None and not is_enough(row):
            raise PassRateMissed("\n".join([summary(row), *failures(row)]))

    def _add(self, sample: Repetition) -> None:
        __tracebackhide__ = True
        attempt, failing = sample.attempt, [phase for phase in sample.phases if phase.error is not None]
        self._attempt.failures.extend(attempt.failures.unsettled())
        error = failing[0].error if failing else None
        if self._attempt.failures or _ends_test(sample):
            self._attempt.item.add_report_section("call", "templates", f"in sample {attempt.sample} of {self._count}")
            last = failing[-1].error if failing else None
            if last is not None and not (self._attempt.failures and isinstance(last, pytest.fail.Exception)):
                raise last
            return  # the failures are all there is, and the call of the test fails for them
        if attempt.failed and not any(report.failed for report in sample.reports):
            error = AssertionError("one of its subtests failed")
        if error is not None:
            self._note_failure(attempt.sample, error, failing[0] if failing else None)
        self.samples.append(Sample(attempt.sample, error, attempt.trace))

    def _note_failure(self, number: int, error: BaseException, phase: PhaseRun | None) -> None:
        item = self._attempt.item
        self._failed.append({"sample": number, "why": _why(error, phase, item)})
        if phase is not None and len(self._failed) <= _SHOWN:
            report = phase.report
            captured = [f"{title}:\n{text}" for title, text in report.sections]
            item.add_report_section("call", f"failure of sample {number}", "\n".join([report.longreprtext, *captured]))


def _ends_test(sample: Repetition) -> bool:
    """Whether a sample ended in a way that says nothing of the answers."""
    *_, tear_down = sample.phases
    outcomes = (pytest.skip.Exception, pytest.xfail.Exception)
    return tear_down.error is not None or any(isinstance(phase.error, outcomes) for phase in sample.phases)


def _why(error: BaseException, phase: PhaseRun | None, item: pytest.Item) -> str:
    """An error with its place, in a line."""
    shown: Any = None if phase is None else phase.report.longrepr
    crash = getattr(shown, "reprcrash", None)
    if crash is None:
        return _line(f"{type(error).__name__}: {error}")
    places = [getattr(entry, "reprfileloc", None) for entry in getattr(shown.reprtraceback, "reprentries", ())]
    place = next((place for place in reversed(places) if place is not None), crash)  # the former as pytest shows it
    file = shown_in(item.config.invocation_params.dir, place.path)
    return f"{file}:{place.lineno}: {_line(crash.message)}"


def _line(text: str) -> str:
    return cut(next(iter(as_text(text).splitlines()), ""))
