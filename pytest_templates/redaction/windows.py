"""Long texts, searched piece by piece: what is found is the same, and what is needed for it stays small."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

WINDOW: Final = 2**19  # characters that are searched at once
OVERLAP: Final = 2**16  # characters around them; no secret is longer


class Window(NamedTuple):
    """A part of a text with what stands around it.

    Attributes:
        start: Where it begins in the text.
        text: The part.
        first: From where on in it what begins is not found in the window before.
        last: Up to where what begins is not found in the window behind.
    """

    start: int
    text: str
    first: int
    last: int


def windows(parts: Iterable[str]) -> Iterator[Window]:
    """The windows of a text that comes in parts; one for a text that is not long."""
    start, text, first = 0, "", 0
    for part in parts:
        text += part
        if len(text) >= WINDOW + 2 * OVERLAP:
            last = len(text) - OVERLAP
            yield Window(start, text, first, last)
            start, text, first = start + last - OVERLAP, text[last - OVERLAP :], OVERLAP
    yield Window(start, text, first, len(text))


def slices(text: str) -> Iterator[str]:
    """A text in parts."""
    return (text[start : start + WINDOW] for start in range(0, len(text), WINDOW))
