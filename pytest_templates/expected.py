"""Failures that pytest expects, by an ``xfail`` mark or otherwise, and that no test can mean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


def refuse_expected_misses(report: pytest.TestReport, item: pytest.Item, verdicts: Sequence[Exception]) -> None:
    """Let a test fail that "failed as expected" while a recording was missing: that says nothing of the program.

    A test about misses names the error that it expects: ``xfail(raises=CassetteMiss)``.
    """
    if not (report.skipped and hasattr(report, "wasxfail") and verdicts):
        return
    from pytest_templates.errors import CassetteMiss

    if any(isinstance(verdict, CassetteMiss) for verdict in verdicts) and not _names_it(item, CassetteMiss):
        report.outcome = "failed"
        del report.wasxfail
        report.sections.append(
            (f"Captured templates {report.when}", "a missing recording fails a test also where it is expected to fail")
        )


def _names_it(item: pytest.Item, error: type[Exception]) -> bool:
    marks = [mark.kwargs.get("raises") for mark in item.iter_markers("xfail")]
    return any(error in (raises if isinstance(raises, tuple) else (raises,)) for raises in marks)
