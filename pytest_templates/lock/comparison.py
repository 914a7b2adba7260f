"""What is locked, as values that can be merged and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from pytest_templates.lock.rows import RenderedTest

KINDS: Final = ("text", "include", "code", "tool", "output", "squash", "model", "settings")  # as they stand in the file


class Key(NamedTuple):
    """Which template.

    Attributes:
        file: The file in which it was built, relative to the root directory; ``""`` where that is not known.
        path: Its path, without iterations.
    """

    file: str
    path: str


Part: TypeAlias = tuple[Key, str]  # a template, and one of the kinds
Facts: TypeAlias = Mapping[Part, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Change:
    """How one part of a template differs from what is locked.

    Attributes:
        key: The template.
        kind: Which part of it.
        before: What is locked and was not rendered.
        after: What was rendered and is not locked.
    """

    key: Key
    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def facts_from(rows: Iterable[tuple[Part, str]]) -> Facts:
    """Parts with all their values; a template that tests build in several ways has several."""
    values: dict[Part, set[str]] = {}
    for part, value in rows:
        values.setdefault(part, set()).add(value)
    return {part: frozenset(some) for part, some in values.items()}


def keys_of(facts: Facts) -> set[Key]:
    """The templates that some facts are about."""
    return {key for key, _ in facts}


def changes(locked: Facts, seen: Facts, *, whole: bool) -> list[Change]:
    """What differs, by file, path and kind.

    Args:
        locked: What the file says.
        seen: What was rendered in this run.
        whole: Whether every test was run; else what is locked and was not rendered is no difference.
    """
    return list(_changes(locked, seen, whole=whole))


def updated(locked: Facts, seen: Facts, *, whole: bool) -> Facts:
    """What is to be locked after a run.

    A run that is not whole keeps what it did not render. A part that had one value has the new one then; one that had
    several keeps them, as nobody knows which are left.
    """
    if whole:
        return dict(seen)
    return {**locked, **{part: _joined(locked.get(part, frozenset()), values) for part, values in seen.items()}}


def _joined(old: frozenset[str], new: frozenset[str]) -> frozenset[str]:
    return new if len(old) == 1 else old | new


def _changes(locked: Facts, seen: Facts, *, whole: bool) -> Iterator[Change]:
    for key, kind in sorted(locked.keys() | seen.keys(), key=_order):
        old, new = (facts.get((key, kind), frozenset()) for facts in (locked, seen))
        if (old != new) if whole else not new <= old:
            yield Change(key, kind, tuple(sorted(old - new)), tuple(sorted(new - old)))


def _order(part: Part) -> tuple[Key, int]:
    key, kind = part
    return key, KINDS.index(kind)


@dataclass(frozen=True, slots=True)
class ObservedTest:
    """What one test rendered, and its recordings that a change may have made stale.

    Attributes:
        keys: The templates.
        calls: The path of each model call, in order; ``""`` for one from outside of templates.
        first: By the path of a template, without iterations, the index of the first call that it made, or that was
            sent its words.
        cassette: The file of its cassette, if it replays one, and was not answered all from it.
        snapshots: The files of its conversations that it was not like, relative to the root directory.
    """

    keys: frozenset[Key]
    calls: tuple[str, ...]
    first: Mapping[str, int]
    cassette: str | None
    snapshots: tuple[str, ...]


class ObservedRun:
    """What the tests of a run rendered, as far as they have reported."""

    def __init__(self) -> None:
        self._tests: dict[str, ObservedTest] = {}
        self._values: set[tuple[Part, str]] = set()
        self._lines: dict[Key, int] = {}

    def add(self, test: str, row: RenderedTest) -> None:
        """Add what a test rendered; of a test that is run again the last attempt counts.

        Args:
            test: Its node id.
            row: What its process sent.
        """
        keys = set()
        for fact in row["facts"]:
            key = Key(fact["file"], fact["path"])
            keys.add(key)
            self._values.add(((key, fact["kind"]), fact["value"]))
            self._lines[key] = min(fact["line"], self._lines.get(key, fact["line"]))
        self._tests[test] = ObservedTest(
            frozenset(keys), tuple(row["calls"]), row["first"], row["cassette"], tuple(row["snapshots"])
        )

    @property
    def facts(self) -> Facts:
        """What the templates said, and which models answered."""
        return facts_from(self._values)

    @property
    def tests(self) -> Iterable[ObservedTest]:
        """The tests."""
        return self._tests.values()

    def place_of(self, key: Key) -> str:
        """Where a template was built, such as ``desk.py:12``; just the file where it was not rendered."""
        line = self._lines.get(key)
        return f"{key.file}:{line}" if line else key.file
