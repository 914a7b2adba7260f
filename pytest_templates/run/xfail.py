"""Failures that a test marked ``xfail`` cannot mean: they fail it all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from pytest_templates.run.attempt import Attempt


def refuse_meaningless_xfail(report: pytest.TestReport, attempt: Attempt) -> None:
    """Let a test fail that "failed as expected" only because a recording was missing, or a call was refused.

    That says nothing about the program. A test of such errors names them: ``xfail(raises=CassetteMiss)``.
    """
    if not (report.skipped and hasattr(report, "wasxfail") and attempt.failures):
        return
    what = next(_unexpected(attempt.failures, tuple(_expected(attempt.item))), "")
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


def _expected(item: pytest.Item) -> Iterator[type[BaseException]]:
    """The errors that the xfail marks of a test name."""
    for mark in item.iter_markers("xfail"):
        raises = mark.kwargs.get("raises")
        given = getattr(raises, "expected_exceptions", raises)  # of a pytest.RaisesExc
        yield from (one for one in (given if isinstance(given, tuple) else (given,)) if isinstance(one, type))
