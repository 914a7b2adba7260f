"""The verdict on the samples of a test: how many passed, how many have to, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Final, TypedDict

_SURE: Final = 1.959963984540054  # the 97.5th percentile of the normal distribution: 2.5% lie beyond it on each side


class FailedSample(TypedDict):
    """A sample that failed.

    Attributes:
        sample: Its number, from 1.
        why: The error with its place, in a line.
    """

    sample: int
    why: str


class SamplesRow(TypedDict):
    """The samples of a test.

    Attributes:
        count: How many there were.
        passed: How many passed.
        pass_rate: How many have to pass, from 0 to 1.
        failed: Those that failed.
    """

    count: int
    passed: int
    pass_rate: float
    failed: list[FailedSample]


def is_enough(row: SamplesRow) -> bool:
    """Whether enough samples passed."""
    return row["passed"] / row["count"] >= row["pass_rate"]


def interval(passed: int, count: int) -> tuple[float, float]:
    """Between which bounds the true rate lies, with 95% confidence: Wilson's score interval (1927).

    It holds for few samples as well, and does not leave the range from 0 to 1.

    Args:
        passed: How many passed.
        count: Of how many, 1 or more.
    """
    rate, square = passed / count, _SURE**2
    center = rate + square / (2 * count)
    half = _SURE * sqrt(rate * (1 - rate) / count + square / (4 * count**2))
    low, high = ((center + sign * half) / (1 + square / count) for sign in (-1, 1))
    return (0.0 if passed == 0 else low, 1.0 if passed == count else high)


def summary(row: SamplesRow) -> str:
    """How many passed, with the bounds, and how many had to."""
    low, high = interval(row["passed"], row["count"])
    rate = f"{row['passed'] / row['count']:.0%}, between {low:.0%} and {high:.0%} with 95% confidence"
    return f"{row['passed']} of {row['count']} samples passed ({rate}); pass_rate={row['pass_rate']:g}"


def failures(row: SamplesRow) -> Iterator[str]:
    """A line for each sample that failed."""
    width = len(str(row["count"]))
    for failed in row["failed"]:
        yield f"  sample {failed['sample']:>{width}}  {failed['why']}"
