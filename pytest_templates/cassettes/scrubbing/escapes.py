"""A text in which escapes are read, so that what they hide is found, and found again where it is written."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from html import unescape
from typing import Final

_IN_JSON: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.|\Z)", re.DOTALL
)
_IN_XML: Final = re.compile(r"&(?:lt|gt|quot|apos|amp|#[0-9]{2,3}|#[xX][0-9a-fA-F]{2});")
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class Read:
    """A text with its escapes read, and where in the text each part of it stands.

    Args:
        text: The text as it is written.
        escape: What an escape looks like.
        read: Says what one stands for.

    Attributes:
        text: What was read.
    """

    def __init__(self, text: str, escape: re.Pattern[str], read: Callable[[str], str]) -> None:
        pieces: list[str] = []
        self._starts, self._places = [0], [0]
        self._is_plain = [True]
        at = 0
        for found in escape.finditer(text):
            self._add(pieces, text[at : found.start()], at, is_plain=True)
            self._add(pieces, read(found[0]), found.start(), is_plain=False)
            at = found.end()
        self._add(pieces, text[at:], at, is_plain=True)
        self._add(pieces, "", len(text), is_plain=False)
        self.text = "".join(pieces)

    def _add(self, pieces: list[str], read: str, place: int, *, is_plain: bool) -> None:
        start = self._starts[-1] + (len(pieces[-1]) if pieces else 0)
        pieces.append(read)
        self._starts.append(start)
        self._places.append(place)
        self._is_plain.append(is_plain)

    def place(self, position: int) -> int:
        """Where in the text a position of what was read is."""
        piece = bisect_right(self._starts, position) - 1
        return self._places[piece] + (position - self._starts[piece] if self._is_plain[piece] else 0)


def json_read(text: str) -> Read:
    """A text of JSON as its reader sees it."""
    return Read(text, _IN_JSON, _read)


def xml_read(text: str) -> Read:
    """A text of XML or HTML as its reader sees it."""
    return Read(text, _IN_XML, unescape)


def _read(escape: str) -> str:
    if len(escape) <= 2:
        return _SHORT.get(escape[1:], escape[1:])
    units = [int(escape[start : start + 4], 16) for start in range(2, len(escape), 6)]
    return "".join(map(chr, units)).encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
