"""What tests can reach and what they did reach, as values that can be merged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypedDict

from pytest_templates.support.targets import without_iterations

RENDERED: Final = ""
TOOL: Final = "tool "  # what the branches of tools begin with
TURNS: Final = ("0 turns", "1 turn", "many turns")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Something that a test may reach.

    Attributes:
        file: The file in which the template was built, relative to the root directory; ``""`` where that is not known.
        line: The line, from 1; 0 where that is not known.
        path: The template's path, without iterations.
        kind: The template's kind.
        what: ``""`` for the template itself, else the name of a branch of it: ``"true"`` and ``"false"`` of an if,
            ``"0 turns"``, ``"1 turn"`` and ``"many turns"`` of a loop, ``"tool NAME"`` of a tool that it offers.
    """

    file: str
    line: int
    path: str
    kind: str
    what: str = RENDERED

    @property
    def is_counted(self) -> bool:
        """Whether it counts for the percentage; the turns of loops and the tools are only listed."""
        return self.what not in TURNS and not self.what.startswith(TOOL)


class PointRow(TypedDict):
    """A point as plain data, with whether a test reached it; the other fields are those of `Point`."""

    file: str
    line: int
    path: str
    kind: str
    what: str
    reached: bool


@dataclass
class Coverage:
    """The points that are known to exist, and those that were reached.

    Attributes:
        known: Every point of the trees that were entered.
        reached: Those that were reached.
    """

    known: set[Point] = field(default_factory=set)
    reached: set[Point] = field(default_factory=set)

    def add(self, other: Coverage) -> None:
        """Add what another process, or another run, knows."""
        self.known |= other.known
        self.reached |= other.reached

    def without(self, other: Coverage) -> Coverage:
        """What the other does not know yet."""
        return Coverage(self.known - other.known, self.reached - other.reached)

    @property
    def size(self) -> int:
        """The number of points known and points reached; it only grows."""
        return len(self.known) + len(self.reached)

    @property
    def missed(self) -> list[Point]:
        """What was not reached, by file and line."""
        return sorted(self.known - self.reached)

    @property
    def counted(self) -> tuple[int, int]:
        """How many templates and branches were reached, and how many there are."""
        total = {point for point in self.known if point.is_counted}
        return len(total & self.reached), len(total)

    @property
    def percent(self) -> float:
        """How much of it was reached, from 0 to 100; 0 where nothing was entered."""
        reached, total = self.counted
        return 100 * reached / total if total else 0.0

    def is_under(self, least: float | None) -> bool:
        """Whether less was reached than this percentage; ``None`` for no limit."""
        return least is not None and self.percent < least

    def rows(self) -> list[PointRow]:
        """Every point as plain data, by file and line."""
        return [
            PointRow(
                file=point.file,
                line=point.line,
                path=point.path,
                kind=point.kind,
                what=point.what,
                reached=point in self.reached,
            )
            for point in sorted(self.known | self.reached)
        ]


class ModelsByTemplate:
    """Which models answered which templates, in any test."""

    def __init__(self) -> None:
        self._models: dict[str, dict[str, None]] = {}

    def add(self, path: str | None, model: str) -> None:
        """Note that a model was asked by the template with this path; ``None`` where no template asked."""
        if path is not None:
            self._models.setdefault(without_iterations(path), {})[model] = None

    def rows(self) -> list[tuple[str, str]]:
        """Each template by its path without iterations, in their order, with its models."""
        return [(path, ", ".join(models)) for path, models in sorted(self._models.items())]


def from_rows(rows: Iterable[PointRow]) -> Coverage:
    """The coverage whose `Coverage.rows` these are."""
    coverage = Coverage()
    for row in rows:
        point = Point(row["file"], row["line"], row["path"], row["kind"], row["what"])
        coverage.known.add(point)
        if row["reached"]:
            coverage.reached.add(point)
    return coverage
