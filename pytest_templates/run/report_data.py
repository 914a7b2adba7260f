"""Typed, plain data that test reports carry from the process that ran a test to the main process."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar, cast

import pytest

T = TypeVar("T")

ATTRIBUTE: Final = "templates"  # of a report: pytest-xdist sends all attributes of reports


class ReportData(Generic[T]):
    """The data of one feature.

    Args:
        name: The name of the data in a report.

    Example:
        >>> UNPRICED = ReportData[list[str]]("unpriced")
        >>> UNPRICED.put(report, ["openai:gpt-4o"])
        >>> UNPRICED.of(report)
        ['openai:gpt-4o']
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def put(self, report: pytest.TestReport, data: T) -> None:
        """Add data to a report: numbers, texts, lists, dicts, booleans and ``None`` only."""
        vars(report).setdefault(ATTRIBUTE, {})[self.name] = data

    def of(self, report: pytest.TestReport) -> T | None:
        """The data in a report; ``None`` where it carries none."""
        return self.within(brought_by(report))

    def within(self, brought: dict[str, Any]) -> T | None:
        """This feature's part of all the data that a report carries; ``None`` where there is none."""
        return cast("T | None", brought.get(self.name))


def brought_by(report: pytest.TestReport) -> dict[str, Any]:
    """All the data that a report carries, by the names of its parts."""
    return cast("dict[str, Any]", getattr(report, ATTRIBUTE, {}))
