"""What a conversation and its trace keep in memory, and how that grows with the number of turns."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

from measuring import exponent, show
from turns import floor, looped

SIZES = (100, 1000, 10_000)


def kept(converse: Callable[[], object]) -> tuple[int, int]:
    """Bytes that the result of a conversation holds, and how many of them are for the trace alone."""
    converse()
    gc.collect()
    tracemalloc.start()
    try:
        before = traced()
        result = converse()
        whole = traced()
        if (trace := getattr(result, "trace", None)) is not None:
            trace.calls.clear()
        return whole - before, whole - traced()
    finally:
        tracemalloc.stop()


def traced() -> int:
    """Bytes in use, garbage apart."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def main() -> None:
    """Measure, and print."""
    floors = {turns: kept(floor(turns))[0] for turns in SIZES}
    sessions = {turns: kept(looped(turns)) for turns in SIZES}
    show(
        "Bytes a turn",
        ("turns", "floor", "session and trace", "times the floor", "trace alone"),
        (
            (f"{turns:,}", floors[turns] / turns, whole / turns, whole / floors[turns], trace / turns)
            for turns, (whole, trace) in sessions.items()
        ),
    )
    print(f"  the session grows with turns ** {exponent((turns, whole) for turns, (whole, _) in sessions.items()):.2f}")
    print(f"  the trace grows with turns ** {exponent((turns, trace) for turns, (_, trace) in sessions.items()):.2f}")


if __name__ == "__main__":
    main()
