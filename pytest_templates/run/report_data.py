"""What reports of tests carry from the process that ran a test to the one that hears of all: typed, plain data."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar, cast

import pytest

T = TypeVar("T")

ATTRIBUTE: Final = "templates"  # of a report; pytest-xdist sends the attributes of reports along


class ReportData(Generic[T]):
    """One part of it.

    Args:
        name: What the part is called; each feature has its own.

    Example:
        >>> UNPRICED = ReportData[list[str]]("unpriced")
        >>> UNPRICED.put(report, ["openai:gpt-4o"])
        >>> UNPRICED.of(report)
        ['openai:gpt-4o']
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def put(self, report: pytest.TestReport, data: T) -> None:
        """Send data along with a report: numbers, texts, lists, dicts, booleans and ``None`` only."""
        vars(report).setdefault(ATTRIBUTE, {})[self.name] = data

    def of(self, report: pytest.TestReport) -> T | None:
        """What a report brings; ``None`` for nothing."""
        return self.within(brought_by(report))

    def within(self, brought: dict[str, Any]) -> T | None:
        """This part of all that a report brings; ``None`` for nothing."""
        return cast("T | None", brought.get(self.name))


def brought_by(report: pytest.TestReport) -> dict[str, Any]:
    """All that a report brings, by the names of the parts."""
    return cast("dict[str, Any]", getattr(report, ATTRIBUTE, {}))
