"""Verdicts that a test expects, by their own classes: of an xfail mark, or of ``pytest.raises``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.run.markers import marks_of
from pytest_templates.support.failures import in_groups

if TYPE_CHECKING:
    from pytest_templates.run.late import Failures


def named_by_xfail(item: pytest.Item) -> Iterator[type[BaseException]]:
    """The errors that the xfail marks of a test name."""
    for mark in marks_of(item):
        if mark.name == "xfail":
            raises = mark.kwargs.get("raises")
            given = getattr(raises, "expected_exceptions", raises)  # of a pytest.RaisesExc
            yield from (one for one in (given if isinstance(given, tuple) else (given,)) if isinstance(one, type))


def is_to_be_left_over(item: pytest.Item) -> bool:
    """Whether a test is expected to fail for what it leaves over, which is then looked for before its call passes."""
    kinds = [*named_by_xfail(item)]
    if not kinds:
        return False
    from pytest_templates.errors import UnusedSteps

    return UnusedSteps in kinds


def is_unexpected_success(report: pytest.TestReport, item: pytest.Item) -> bool:
    """Whether a test that ``unittest.expectedFailure`` marks failed for nothing but that unittest saw it succeed."""
    marked = (getattr(item, "obj", None), getattr(item, "cls", None))
    is_expected = any(getattr(one, "__unittest_expecting_failure__", False) for one in marked)
    return is_expected and report.when == "call" and report.failed and report.longreprtext == "Unexpected success"


@contextmanager
def settling_what_raises_catches(failures: Failures) -> Iterator[None]:
    """Let ``pytest.raises`` and ``pytest.RaisesGroup`` settle the verdicts that they catch by their own classes.

    They do for the length of a block. So verdicts are told from those that the program swallows. Nothing is replaced
    before the first verdict of a test.
    """
    from unittest import mock  # with asyncio: no run without a verdict pays for it

    matches = pytest.RaisesExc.matches

    def settling(raises: pytest.RaisesExc[Any], exception: Any) -> bool:
        kinds = raises.expected_exceptions
        fits = matches(raises, exception)
        if fits and is_named(exception, kinds):
            failures.settle(exception)
        elif fits and any(exception is one for one in failures):
            exception.add_note(_TOO_WIDE)
        return fits

    group_matches = pytest.RaisesGroup.matches

    def settling_group(raises: pytest.RaisesGroup[Any], exception: Any) -> bool:
        kinds = [kind for kind in raises.expected_exceptions if isinstance(kind, type)]
        fits = group_matches(raises, exception)
        for one in in_groups(exception) if fits else ():
            if is_named(one, kinds):
                failures.settle(one)
        return fits

    with (
        mock.patch.object(pytest.RaisesExc, "matches", settling),
        mock.patch.object(pytest.RaisesGroup, "matches", settling_group),
    ):
        yield


_TOO_WIDE: Final = "a wider class caught it, which settles no verdict: name its own class, or use expecting()"


def is_named(error: BaseException, kinds: Iterable[type[BaseException]]) -> bool:
    """Whether an error of the project's family is named by its own class, not just as any error of that family."""
    from antiphon.errors import AntiphonError
    from pytest_templates.errors import TestingError

    general = (AntiphonError, TestingError)
    return any(issubclass(kind, AntiphonError) and kind not in general and isinstance(error, kind) for kind in kinds)
