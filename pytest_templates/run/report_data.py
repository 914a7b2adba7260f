"""Typed, plain data that test reports carry from the process that ran a test to the main process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar, cast

import pytest

T = TypeVar("T")

ATTRIBUTE: Final = "templates"  # of a report: pytest-xdist sends all attributes of reports


class ReportData(Generic[T]):
    """The data of one feature.

    A report carries what the attempt of a test has brought, and behind it what each of its samples has.

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
        vars(report).setdefault(ATTRIBUTE, [{}])[0][self.name] = data

    def of(self, report: pytest.TestReport) -> T | None:
        """What the attempt as a whole has brought; ``None`` where it has brought nothing."""
        brought: list[dict[str, Any]] | None = getattr(report, ATTRIBUTE, None)
        return self.within(brought[0]) if brought else None

    def all_of(self, report: pytest.TestReport) -> list[T]:
        """What the attempt and its samples have brought."""
        brought: list[dict[str, Any]] | None = getattr(report, ATTRIBUTE, None)
        return self.all_within(brought) if brought else []

    def within(self, brought: dict[str, Any]) -> T | None:
        """This feature's part of all that one attempt has brought; ``None`` where there is none."""
        return cast("T | None", brought.get(self.name))

    def all_within(self, brought: Iterable[dict[str, Any]]) -> list[T]:
        """This feature's parts of all that several attempts have brought."""
        return [data for one in brought if (data := self.within(one)) is not None]


def brought_by(report: pytest.TestReport) -> list[dict[str, Any]]:
    """All that a report carries: for the attempt, and for each of its samples, the data by the names of their parts."""
    return cast("list[dict[str, Any]]", getattr(report, ATTRIBUTE, []))


def drop_brought(report: pytest.TestReport) -> None:
    """Drop what a report carries, when everybody has heard of it: pytest keeps all reports to the end of a run."""
    vars(report).pop(ATTRIBUTE, None)


def add_brought(report: pytest.TestReport, brought: list[dict[str, Any]]) -> None:
    """Add what samples have brought to the report of the attempt that they are a part of."""
    if brought:
        vars(report).setdefault(ATTRIBUTE, [{}]).extend(brought)
