"""How the benchmarks measure: processor time, scaled by the machine's speed at that moment, medians of many samples."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time

SAMPLES = 15
SECONDS_A_SAMPLE = 0.02
_YARDSTICK_STEPS = 100_000
YARDSTICK_SECONDS = 0.004  # absolute times are given for a machine on which the yardstick takes this long


@dataclass(frozen=True, slots=True)
class Measured:
    """What one of the measured things took.

    Attributes:
        seconds: The median processor time of one call, scaled by the yardstick.
        ratio: The median of its ratios to the first of the things measured with it.
        spread: Between which two ratios the middle half of the samples lies.
    """

    seconds: float
    ratio: float
    spread: tuple[float, float]


def compared(things: Mapping[str, Callable[[], object]], samples: int = SAMPLES) -> dict[str, Measured]:
    """Measure things in turns, so that each sample of one stands beside a sample of every other.

    The first is the floor. A machine that slows down slows all of them, and the ratios stay.
    """
    calls = {name: _calls_a_sample(thing) for name, thing in things.items()}
    taken: dict[str, list[float]] = {name: [] for name in things}
    for _ in range(samples):
        for name, thing in things.items():
            before = yardstick()
            seconds = sample(thing, calls[name])
            taken[name].append(seconds / (before + yardstick()) * 2 * YARDSTICK_SECONDS)
    floor = taken[next(iter(things))]
    return {name: _measured(own, floor) for name, own in taken.items()}


def yardstick() -> float:
    """Processor seconds of a fixed amount of work in pure Python."""
    started = process_time()
    total = 0
    for number in range(_YARDSTICK_STEPS):
        total += number & 7
    return process_time() - started


def sample(thing: Callable[[], object], calls: int) -> float:
    """Processor seconds of one call, over this many calls, without the collection of older garbage."""
    gc.collect()
    started = process_time()
    for _ in range(calls):
        thing()
    return (process_time() - started) / calls


def exponent(points: Iterable[tuple[float, float]]) -> float:
    """How y grows with x: the k of y ~ x**k, fitted by least squares over the logarithms; 1 is linear, 0 constant."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    middle_x = sum(x for x, _ in logs) / len(logs)
    middle_y = sum(y for _, y in logs) / len(logs)
    return sum((x - middle_x) * (y - middle_y) for x, y in logs) / sum((x - middle_x) ** 2 for x, _ in logs)


def show(title: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: the first column to the left, numbers to the right."""
    table = [tuple(headings), *(tuple(_shown(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(headings))]
    print(f"\n{title}")
    for first, *others in table:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        print("  " + "   ".join(cells))


def show_compared(title: str, measured: Mapping[str, Measured]) -> None:
    """Print what ``compared`` found."""
    show(
        title,
        ("", "microseconds", "times the floor", "middle half"),
        (
            (name, one.seconds * 1e6, one.ratio, f"{one.spread[0]:.2f} to {one.spread[1]:.2f}")
            for name, one in measured.items()
        ),
    )


def _calls_a_sample(thing: Callable[[], object]) -> int:
    thing()  # what is made at the first call is not measured
    return max(1, min(20_000, math.ceil(SECONDS_A_SAMPLE / max(sample(thing, 1), 1e-6))))


def _measured(own: Sequence[float], floor: Sequence[float]) -> Measured:
    ratios = sorted(mine / least for mine, least in zip(own, floor, strict=True))
    quarter = len(ratios) // 4
    return Measured(median(own), median(ratios), (ratios[quarter], ratios[-1 - quarter]))


def _shown(cell: object) -> str:
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)
