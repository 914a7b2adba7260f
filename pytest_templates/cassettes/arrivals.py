"""The pieces of a stream: which bodies are streams, where their units end, and when each came.

A unit is what a client acts on: a server-sent event, a line of JSON. Pieces are kept as whole units: one that came in
two parts came when its second part did.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pytest_templates.cassettes.values import Arrival, Headers, header

EVENTS: Final = ("text/event-stream",)
LINES: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
_OTHERS: Final = ("application/vnd.amazon.eventstream",)
_LAST_EVENT: Final = re.compile(rb"(?:^|\n)data: ?\[DONE\]\r?\n\r?\n$")


def is_stream(headers: Headers) -> bool:
    """Whether a body of this content type is made to be read in pieces."""
    return has_type(headers, EVENTS + LINES + _OTHERS)


def has_type(headers: Headers, types: tuple[str, ...]) -> bool:
    """Whether the content type is one of these."""
    return header(headers, "content-type").lower().startswith(types)


def is_over(headers: Headers, body: bytes) -> bool:
    """Whether a stream has said its last event, as OpenAI's do; clients leave then without reading on."""
    return has_type(headers, EVENTS) and bool(_LAST_EVENT.search(body[-40:]))


def separator(text: str) -> str:
    """What ends an event of a stream."""
    return "\r\n\r\n" if "\r\n" in text else "\n\n"


def aligned(headers: Headers, body: bytes, arrivals: Sequence[Arrival]) -> tuple[Arrival, ...]:
    """The same pieces, each of whole units; those of other bodies as they are."""
    if not arrivals or not has_type(headers, EVENTS + LINES):
        return tuple(arrivals)
    end_mark = b"\n" if has_type(headers, LINES) else separator(body.decode("latin-1")).encode()
    ends = [found.end() for found in re.finditer(re.escape(end_mark), body)]
    pieces = list(_whole_units(ends, arrivals))
    rest = len(body) - sum(piece.size for piece in pieces)
    if pieces and rest:
        pieces[-1] = Arrival(pieces[-1].size + rest, pieces[-1].at)
    return tuple(pieces) or (Arrival(len(body), arrivals[-1].at),)


def _whole_units(ends: Sequence[int], arrivals: Sequence[Arrival]) -> Iterator[Arrival]:
    received = given = 0
    for arrival in arrivals:
        received += arrival.size
        count = bisect_right(ends, received)
        if count and ends[count - 1] > given:
            yield Arrival(ends[count - 1] - given, arrival.at)
            given = ends[count - 1]


def stamp(nodes: Sequence[dict[str, Any]], sizes: Sequence[int], arrivals: Sequence[Arrival]) -> list[dict[str, Any]]:
    """The nodes of units, the first one of each piece with the time at which it came."""
    times = dict(zip(_starts([arrival.size for arrival in arrivals]), arrivals, strict=True))
    starts = _starts(sizes)
    return [{"at": times[s].at} | node if s in times else node for node, s in zip(nodes, starts, strict=True)]


def pieces_of(nodes: Sequence[dict[str, Any]], units: Sequence[str], tail: str) -> tuple[Arrival, ...]:
    """The pieces in which units came, each from one that was stamped to the next; none where the first was not.

    Args:
        nodes: The units as they are written.
        units: Their texts.
        tail: What came after the last one.

    Raises:
        ValueError: A time is no number of seconds.
    """
    if not nodes or "at" not in nodes[0]:
        return ()
    times: list[float] = []
    sizes: list[int] = []
    for node, unit in zip(nodes, units, strict=True):
        if "at" in node:
            times.append(seconds(node["at"]))
            sizes.append(0)
        sizes[-1] += len(unit.encode())
    sizes[-1] += len(tail.encode())
    return tuple(map(Arrival, sizes, times))


def seconds(value: object) -> float:
    """A time in a cassette.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError(f"{value!r} is no time in seconds")
    return float(value)


def _starts(sizes: Sequence[int]) -> list[int]:
    start, starts = 0, []
    for size in sizes:
        starts.append(start)
        start += size
    return starts
