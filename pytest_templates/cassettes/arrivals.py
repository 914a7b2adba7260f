"""The pieces of a stream: which bodies are streams, where their units end, and when each came.

A unit is what a client acts on: a server-sent event, a line of JSON. Pieces are kept as whole units: one that came in
two parts came when its second part did.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
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
    """The same pieces, each of whole units; those of bodies without units as they are."""
    return transferred(headers, body, body, arrivals)


def transferred(headers: Headers, old: bytes, new: bytes, arrivals: Sequence[Arrival]) -> tuple[Arrival, ...]:
    """The pieces of a body for what became of it, each of whole units; none where they cannot be told any more.

    Args:
        headers: Of both bodies.
        old: The body that came in these pieces.
        new: The same one with other texts in its units.
        arrivals: The pieces.
    """
    if not has_type(headers, EVENTS + LINES):
        return tuple(arrivals) if len(old) == len(new) else ()
    old_ends, new_ends = _unit_ends(headers, old), _unit_ends(headers, new)
    if not arrivals or len(old_ends) != len(new_ends):
        return ()
    units = [bisect_right(old_ends, size) for size in accumulate(arrival.size for arrival in arrivals)]
    ends = [new_ends[count - 1] if count else 0 for count in units]
    times = [arrival.at for arrival, (before, end) in zip(arrivals, pairwise([0, *ends]), strict=True) if end > before]
    whole = sorted({*ends} - {0})
    return _between([0, *whole[:-1], len(new)], times or [arrivals[-1].at])


def _between(ends: Sequence[int], times: Sequence[float]) -> tuple[Arrival, ...]:
    return tuple(Arrival(end - start, at) for (start, end), at in zip(pairwise(ends), times, strict=True))


def _unit_ends(headers: Headers, body: bytes) -> list[int]:
    end_mark = b"\n" if has_type(headers, LINES) else separator(body.decode("latin-1")).encode()
    return [found.end() for found in re.finditer(re.escape(end_mark), body)]


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
