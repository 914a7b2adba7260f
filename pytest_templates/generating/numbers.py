"""Numbers that a schema allows: the simplest ones, with as few decimals as its bounds leave room for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final

_MOST_DECIMALS: Final = 30


def whole_number(schema: Mapping[str, Any], turn: int) -> int:
    """A whole number that a schema allows, another one in each turn where there are as many."""
    step = Fraction(str(schema.get("multipleOf", 1))).numerator  # the whole ones among multiples of 5/2 are those of 5
    return int(_Grid.of(schema, Fraction(step)).point(turn))


def number(schema: Mapping[str, Any], turn: int) -> int | float:
    """A number that a schema allows, another one in each turn where there are as many."""
    if "multipleOf" in schema:
        grid = _Grid.of(schema, Fraction(str(schema["multipleOf"])))
    else:
        grids = (_Grid.of(schema, Fraction(1, 10**decimals)) for decimals in range(_MOST_DECIMALS))
        grid = next((one for one in grids if one.has(turn + 1)), _Grid.of(schema, Fraction(1)))
    point = grid.point(turn)
    return int(point) if point.denominator == 1 else float(point)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The multiples of a step between two bounds.

    Attributes:
        step: Above 0.
        least: The first multiple, in steps; ``None`` where there is no lower bound.
        most: The last one; ``None`` where there is no upper bound.
    """

    step: Fraction
    least: int | None
    most: int | None

    @classmethod
    def of(cls, schema: Mapping[str, Any], step: Fraction) -> _Grid:
        """Those that a schema allows."""
        lower = [ceil(bound / step) for bound in _bounds(schema, "minimum")]
        lower += [floor(bound / step) + 1 for bound in _bounds(schema, "exclusiveMinimum")]
        upper = [floor(bound / step) for bound in _bounds(schema, "maximum")]
        upper += [ceil(bound / step) - 1 for bound in _bounds(schema, "exclusiveMaximum")]
        return cls(step, max(lower, default=None), min(upper, default=None))

    def has(self, count: int) -> bool:
        """Whether there are so many."""
        return self.least is None or self.most is None or self.most - self.least + 1 >= count

    def point(self, turn: int) -> Fraction:
        """One step above 0 if that is allowed, else the nearest to it; from there on another one in each turn."""
        start = 1 if self.least is None else max(1, self.least)
        start = start if self.most is None else min(start, self.most)
        return (start + self._way(start, turn)) * self.step

    def _way(self, start: int, turn: int) -> int:
        if self.most is None or start + turn <= self.most:
            return turn
        if self.least is None:
            return self.most - start - turn  # down from the first one, where there is no way up
        return (start - self.least + turn) % max(1, self.most - self.least + 1) + self.least - start


def _bounds(schema: Mapping[str, Any], name: str) -> list[Fraction]:
    return [Fraction(str(schema[name]))] if name in schema else []
