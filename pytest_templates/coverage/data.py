"""What there is to cover and what was covered, as values that can be merged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Row: TypeAlias = list[Any]

_ITERATION: Final = re.compile(r"@\d+(?=/|$)")
RENDERED: Final = ""
COUNTED: Final = (RENDERED, "true", "false")  # the others are told, and not counted


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Something that a test may reach.

    Attributes:
        file: The file in which the template was built, relative to the root directory; ``""`` where that is not known.
        line: The line, from 1; 0 where that is not known.
        path: The template's path, without iterations.
        kind: The template's kind.
        what: ``""`` for the template itself, ``"true"`` and ``"false"`` for the branches of an if, ``"0 turns"``,
            ``"1 turn"`` and ``"many turns"`` for a loop, ``"tool NAME"`` for a tool that it offers.
    """

    file: str
    line: int
    path: str
    kind: str
    what: str = RENDERED


@dataclass
class Coverage:
    """What is known to be there, and what was reached of it.

    Attributes:
        known: Every point of the trees that were entered.
        reached: Those that were reached.
    """

    known: set[Point] = field(default_factory=set)
    reached: set[Point] = field(default_factory=set)

    def add(self, other: Coverage) -> None:
        """Take in what another process, or another run, knows."""
        self.known |= other.known
        self.reached |= other.reached

    def without(self, other: Coverage) -> Coverage:
        """What another does not know yet."""
        return Coverage(self.known - other.known, self.reached - other.reached)

    @property
    def size(self) -> int:
        """How many facts this is; it only grows."""
        return len(self.known) + len(self.reached)

    @property
    def missed(self) -> list[Point]:
        """What was not reached, by file and line."""
        return sorted(self.known - self.reached)

    @property
    def counted(self) -> tuple[int, int]:
        """How many templates and branches of ifs were reached, and how many there are."""
        total = {point for point in self.known if point.what in COUNTED}
        return len(total & self.reached), len(total)

    @property
    def percent(self) -> float:
        """How much of it was reached, from 0 to 100; 0 where nothing was entered."""
        reached, total = self.counted
        return 100 * reached / total if total else 0.0

    def rows(self) -> list[Row]:
        """As plain data, for other processes and for files."""
        return [
            [point.file, point.line, point.path, point.kind, point.what, point in self.reached]
            for point in sorted(self.known | self.reached)
        ]


def from_rows(rows: Iterable[Row]) -> Coverage:
    """What `Coverage.rows` gave."""
    points = [(Point(*row[:5]), bool(row[5])) for row in rows]
    return Coverage({point for point, _ in points}, {point for point, reached in points if reached})


def without_iterations(path: str) -> str:
    """A template's path in every turn of its loops: ``support/turns/answer`` for ``support/turns@2/answer``."""
    return _ITERATION.sub("", path)
