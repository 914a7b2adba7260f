"""What was expected beside what there was: aligned in order, or matched in any order, and shown as a table."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, TypeAlias

from pytest_templates.support.diff import shortened
from pytest_templates.support.text import table

FITS: Final = 0
SIMILAR: Final = 3  # stands beside what it may be meant for, rather than apart from it
DIFFERENT: Final = 6
_ALONE: Final = 4

Pair: TypeAlias = tuple[int | None, int | None]
"""The places of something expected and of something that there was; ``None`` where one has nothing beside it."""


def aligned(costs: Sequence[Sequence[int]], used: int, *, spanning: bool = False) -> list[Pair]:
    """Put two sequences side by side, in order, so that as little as possible differs.

    Args:
        costs: For each thing that is expected how well each that there was fits: ``FITS``, ``SIMILAR`` or
            ``DIFFERENT``.
        used: How many things there were.
        spanning: Whether one thing that is expected may stand for several in a row that fit; then its place comes
            several times.
    """
    expected = len(costs)
    best = [[0] * (used + 1) for _ in range(expected + 1)]  # of the first so many of both
    fitting = [[_NEVER] * (used + 1) for _ in range(expected + 1)]  # where the last of both fit each other
    for i in range(expected + 1):
        for j in range(used + 1):
            if i and j:
                cost = costs[i - 1][j - 1]
                if cost == FITS:
                    fitting[i][j] = min(best[i - 1][j - 1], fitting[i][j - 1] if spanning else _NEVER)
                best[i][j] = min(best[i - 1][j] + _ALONE, best[i][j - 1] + _ALONE, best[i - 1][j - 1] + cost)
                best[i][j] = min(best[i][j], fitting[i][j])
            else:
                best[i][j] = (i + j) * _ALONE
    return _followed_back(costs, best, fitting, used)


_NEVER: Final = 1 << 60


def _followed_back(
    costs: Sequence[Sequence[int]], best: Sequence[Sequence[int]], fitting: Sequence[Sequence[int]], used: int
) -> list[Pair]:
    """The pairs of the best alignment."""
    pairs: list[Pair] = []
    i, j, within = len(costs), used, False  # within: the pair before is one more of the same expected thing
    while i or j:
        if within or (i and j and best[i][j] == fitting[i][j]):
            pairs.append((i - 1, j - 1))
            within = best[i - 1][j - 1] != fitting[i][j]
            i, j = (i, j - 1) if within else (i - 1, j - 1)
        elif i and j and best[i][j] == best[i - 1][j - 1] + costs[i - 1][j - 1]:
            pairs.append((i - 1, j - 1))
            i, j = i - 1, j - 1
        elif i and best[i][j] == best[i - 1][j] + _ALONE:
            pairs.append((i - 1, None))
            i -= 1
        else:
            pairs.append((None, j - 1))
            j -= 1
    return pairs[::-1]


def matched(fitting: Sequence[Sequence[int]]) -> dict[int, int]:
    """Match things, each with one other at most, so that as many as possible are matched.

    Where something fits several others, taking the first would leave less for those that come later: whoever has
    taken what another one needs looks for something else (Kuhn's algorithm, by augmenting paths).

    Args:
        fitting: For each thing those that fit it.

    Returns:
        By thing what it is matched with.
    """
    owners: dict[int, int] = {}
    for start in range(len(fitting)):
        _augment(start, fitting, owners)
    return {owner: thing for thing, owner in owners.items()}


def _augment(start: int, fitting: Sequence[Sequence[int]], owners: dict[int, int]) -> None:
    """Find something for one more, if others can make room for it."""
    wanted_by: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        owner = waiting.popleft()
        for thing in fitting[owner]:
            if thing in wanted_by:
                continue
            wanted_by[thing] = owner
            if thing not in owners:
                _hand_over(thing, start, wanted_by, owners)
                return
            waiting.append(owners[thing])


def _hand_over(thing: int, start: int, wanted_by: dict[int, int], owners: dict[int, int]) -> None:
    """Give a thing that is free to who wants it, what that one had to the next, and so on to the first."""
    had = {owner: one for one, owner in owners.items()}
    while True:
        owner = owners[thing] = wanted_by[thing]
        if owner == start:
            return
        thing = had[owner]


_FOLDED: Final = 6  # so many rows in a row that are right are shown as the first, the last and a number


def shown_pairs(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of what was expected and what there was, no longer than fits a screen.

    Args:
        heads: The heads of the columns; that of the marks comes first and is empty.
        rows: The rows; those that are right have an empty mark.
    """
    return "\n".join(shortened(table(("", *heads), list(_folded(rows))).splitlines()))


def _folded(rows: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    for mark, several in groupby(rows, key=lambda row: row[0]):
        run = list(several)
        if mark or len(run) < _FOLDED:
            yield from run
        else:
            yield run[0]
            yield ["", f"({len(run) - 2} as expected)", *[""] * (len(run[0]) - 2)]
            yield run[-1]
