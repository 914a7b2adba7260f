"""Failures that pytest expects, by an ``xfail`` mark or otherwise, and that no test can mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest


def refuse_what_says_nothing(report: pytest.TestReport, item: pytest.Item, verdicts: Sequence[Exception]) -> None:
    """Let a test fail that "failed as expected" while a recording was missing, or a call or another host was refused.

    That says nothing of the program. A test about such errors names what it expects: ``xfail(raises=CassetteMiss)``.
    """
    if not (report.skipped and hasattr(report, "wasxfail") and verdicts):
        return
    what = next(_unmeant(verdicts, tuple(_named(item))), None)
    if what is not None:
        report.outcome = "failed"
        del report.wasxfail
        report.sections.append(
            (f"Captured templates {report.when}", f"{what} fails a test also where it is expected to fail")
        )


def _unmeant(verdicts: Iterable[Exception], named: tuple[type[BaseException], ...]) -> Iterator[str]:
    from pytest_templates.errors import CassetteMiss, LiveCallRefused, NetworkRefused

    kinds = {
        CassetteMiss: "a missing recording",
        NetworkRefused: "reaching for another host",
        LiveCallRefused: "a refused call of a real model",  # last: NetworkRefused is one
    }
    meant = tuple(error for error in named if issubclass(error, tuple(kinds)))  # Exception names nothing
    for verdict in verdicts:
        if not isinstance(verdict, meant):
            yield from (what for kind, what in kinds.items() if isinstance(verdict, kind))


def _named(item: pytest.Item) -> Iterator[type[BaseException]]:
    """The errors that the test's marks expect."""
    for mark in item.iter_markers("xfail"):
        raises = mark.kwargs.get("raises")
        given = getattr(raises, "expected_exceptions", raises)  # of a pytest.RaisesExc
        yield from (one for one in (given if isinstance(given, tuple) else (given,)) if isinstance(one, type))
