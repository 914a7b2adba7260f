"""Several reports as one: of the shards of a suite, or of runs one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from pytest_templates.reporting.conversation import CallStep, Step
from pytest_templates.reporting.document import Isolation, Reach, Report, Test, report_of
from pytest_templates.run.calls import source_of

_TESTS_FAILED: Final = 1  # pytest's exit status; also where something else of the run failed
_NO_TESTS: Final = 5  # pytest's exit status of a run without tests, as of a shard that got none
_T = TypeVar("_T")


def merged(reports: Sequence[Report]) -> Report:
    """Several reports as one.

    A test that stands in several was run several times: it is reported as one that was run again within one run, with
    the calls of all attempts, and the outcome and the conversation of the last one that ran. Attempts are ordered by
    when their runs began, or else as the reports are.

    Args:
        reports: The reports, one or more.
    """
    tests: dict[str, list[Test]] = {}
    for report in sorted(reports, key=lambda report: report.started):
        for test in report.tests:
            tests.setdefault(test.nodeid, []).append(test)
    order = dict.fromkeys(test.nodeid for report in reports for test in report.tests)
    attempts = [_joined(tests[nodeid]) for nodeid in order]
    facts: dict[str, Any] = {
        "coverage": _all_of([report.coverage for report in reports], _coverage),
        "stale": _all_of([report.stale for report in reports], dict.fromkeys),
        "title": ", ".join(dict.fromkeys(report.title for report in reports if report.title)),
        "started": min((report.started for report in reports if report.started), default=""),
        "exit_status": _status(reports, attempts),
        "errors": tuple(dict.fromkeys(error for report in reports for error in report.errors)),
        "pictures": {digest: one for report in reports for digest, one in report.pictures.items()},
    }
    return report_of(attempts, sum(report.seconds for report in reports), facts)


def _all_of(
    parts: Iterable[Sequence[_T] | None], joined: Callable[[Iterable[_T]], Iterable[_T]]
) -> tuple[_T, ...] | None:
    """What some reports hold; ``None`` where none does."""
    known = [part for part in parts if part is not None]
    return tuple(joined([one for part in known for one in part])) if known else None


def _coverage(found: Iterable[Reach]) -> Iterable[Reach]:
    """Each template and branch once; it was reached where a test of any run has reached it."""
    reached: dict[tuple[object, ...], Reach] = {}
    for one in found:
        key = (one.file, one.line, one.path, one.kind, one.what)
        if one.reached or key not in reached:
            reached[key] = one
    return sorted(reached.values(), key=lambda one: (one.file, one.line))


def _status(reports: Sequence[Report], tests: Sequence[Test]) -> int | None:
    """The worst of the exit statuses; of shards that had no tests only where none had.

    The status of a run in which tests failed follows from them, and a test that failed there may have passed since.
    """
    of_tests = int(_has_failed(tests))
    known = [
        of_tests if report.exit_status == _TESTS_FAILED and _has_failed(report.tests) else report.exit_status
        for report in reports
        if report.exit_status is not None
    ]
    return max([status for status in known if status != _NO_TESTS] or known, default=None)


def _has_failed(tests: Iterable[Test]) -> bool:
    return any(test.outcome in {"failed", "error"} for test in tests)


def _joined(attempts: Sequence[Test]) -> Test:
    """Several attempts of one test, as one test; one that was skipped has not run where another has."""
    ran = [test for test in attempts if test.outcome != "skipped"] or attempts
    if len(attempts) == 1:
        return attempts[0]
    last = ran[-1]
    others = [test for test in attempts if test is not last]
    calls = [call for test in others for call in test.calls]
    return Test.model_validate(
        {
            **dict(last),
            "calls": (*calls, *last.calls),
            "source": source_of(test.source for test in attempts),
            "isolation": _isolation([*others, last]),
            "steps": tuple(_behind(step, len(calls)) for step in last.steps),
        }
    )


def _isolation(tests: Iterable[Test]) -> Isolation | None:
    found = [test.isolation for test in tests if test.isolation is not None]
    violations = tuple(violation for one in found for violation in one.violations)
    return Isolation(subroutines=sum(one.subroutines for one in found), violations=violations) if found else None


def _behind(step: Step, calls: int) -> Step:
    """A step of a test with so many more calls before its own."""
    return step.model_copy(update={"call": step.call + calls}) if isinstance(step, CallStep) else step
