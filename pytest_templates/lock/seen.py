"""What the tests of a run have rendered, added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_templates.lock.facts import Facts, Key, Part, facts_from

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What one test rendered.

    Attributes:
        keys: The templates.
        calls: The path of each model call, in order; ``""`` for one from outside of templates.
        first: By the path of a template, without iterations, the index of the first call that it made, or that was
            sent its words.
        cassette: The file of its cassette, where it replays one.
        snapshots: The files of its conversations, relative to the root directory.
    """

    keys: frozenset[Key]
    calls: tuple[str, ...]
    first: Mapping[str, int]
    cassette: str | None
    snapshots: tuple[str, ...]


class Seen:
    """Takes what tests send."""

    def __init__(self) -> None:
        self._tests: dict[str, Rendered] = {}
        self._values: set[tuple[Part, str]] = set()
        self._lines: dict[Key, int] = {}

    def add(self, test: str, row: Row) -> None:
        """Take what a test rendered; of a test that is run again the last attempt counts.

        Args:
            test: Its node id.
            row: As `Noticing.taken` gives it, with the files of the test.
        """
        keys = set()
        for file, path, line, kind, value in row["facts"]:
            key = Key(file, path)
            keys.add(key)
            self._values.add(((key, kind), value))
            self._lines[key] = min(line, self._lines.get(key, line))
        self._tests[test] = Rendered(
            frozenset(keys), tuple(row["calls"]), row["first"], row["cassette"], tuple(row["snapshots"])
        )

    @property
    def facts(self) -> Facts:
        """What the templates said, and who answered them."""
        return facts_from(self._values)

    @property
    def tests(self) -> Iterable[Rendered]:
        """The tests."""
        return self._tests.values()

    def place_of(self, key: Key) -> str:
        """Where a template was built, such as ``desk.py:12``; just the file where it was not rendered."""
        line = self._lines.get(key)
        return f"{key.file}:{line}" if line else key.file
