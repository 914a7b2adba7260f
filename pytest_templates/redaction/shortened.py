"""Secrets of which pytest shows a part: it leaves out the middle of what is long, and puts dots there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

_MARKS: Final = ("...", "…")
_LEAST: Final = 6  # characters; shorter parts occur by chance, and tell little


def spans_of_parts(text: str, values: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where beginnings of values stand before dots in a text, and ends of values behind them.

    Args:
        text: The text.
        values: The secret values; those of which the text holds the whole are left to others.
    """
    marks = [mark for mark in _MARKS if mark in text]
    for value in values if marks else ():
        if len(value) > _LEAST:
            yield from ((start, end) for start, end in _beginnings(text, value) if text.startswith(tuple(marks), end))
            turned = ((len(text) - end, len(text) - start) for start, end in _beginnings(text[::-1], value[::-1]))
            yield from ((start, end) for start, end in turned if text.endswith(tuple(marks), 0, start))


def _beginnings(text: str, value: str) -> Iterator[tuple[int, int]]:
    """Where a text has the beginning of a value, as much of it as it has, dots at its end left out."""
    start = text.find(value[:_LEAST])
    while start >= 0:
        same = _LEAST
        while same < len(value) and text[start + same : start + same + 1] == value[same]:
            same += 1
        yield start, start + len(value[:same].rstrip(".…"))
        start = text.find(value[:_LEAST], start + 1)
