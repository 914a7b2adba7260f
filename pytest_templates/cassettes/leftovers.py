"""What a full run did not use: recordings that no test has played, and cassettes that no test has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_templates.cassettes.options import UNUSED
from pytest_templates.cassettes.places import Place, store_in, store_with
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import OUTSIDE

if TYPE_CHECKING:
    from pytest_templates.cassettes.collection import CollectedPlace, CollectedTests
    from pytest_templates.cassettes.storage.store import Store


class Leftovers:
    """What is left over of what was collected.

    Args:
        found: What was collected.
        unplayed: By test, the numbers of the interactions that it did not play; ``None`` where that is not known.
        config: Where the options stand.

    Raises:
        OSError: The folders cannot be read.

    Attributes:
        unplayed: The numbers of the interactions that were never played, by the file they are in.
        orphans: The files that no test has.
    """

    def __init__(self, found: CollectedTests, unplayed: Mapping[str, list[int] | None], config: pytest.Config) -> None:
        self._config = config
        self._of_tests = unplayed
        self.unplayed: dict[Path, list[int]] = {}
        self.orphans: list[Path] = []
        for store, places in self._by_store(found):
            if not store.folder.is_dir() and not any(place["owners"] for place in places):
                continue  # there is nothing, and nothing is asked over a network
            from pytest_templates.cassettes.storage.catalog import orphans

            for name in sorted({name for place in places for name in place["owners"]}):
                left = self._left_in(name, places)
                if left:
                    self.unplayed[store.folder / name] = left
            self.orphans += orphans(places, store)

    def __bool__(self) -> bool:
        return bool(self.unplayed or self.orphans)

    def lines(self) -> Iterator[str]:
        """What is left over, for the terminal."""
        if self.unplayed:
            yield "never played:"
            for path, numbers in self.unplayed.items():
                yield f"  {self._shown(path)}"
                yield from (f"    {line}" for line in _interactions(path, numbers, self._store_of(path)))
            yield "  To drop these, record their tests with --templates-record=changed (all tests for a named one)"
        if self.orphans:
            yield "without a test:"
            yield from (f"  {self._shown(path)}" for path in self.orphans)
            yield "  Remove these files with: python -m pytest_templates cassettes prune --yes"
        if UNUSED.of(self._config) == "fail":
            yield "The run fails for this, as templates_unused = fail asks."

    def _shown(self, path: Path) -> str:
        return shown_in(self._config.invocation_params.dir, self._store_of(path).place(path))

    def _store_of(self, path: Path) -> Store:
        return store_with(path, self._config)

    def _by_store(self, found: CollectedTests) -> list[tuple[Store, list[CollectedPlace]]]:
        """What was collected, by where cassettes lie: several projects may name one folder."""
        stores: dict[Path, tuple[Store, list[CollectedPlace]]] = {}
        for place in found["places"]:
            store = store_in(Place(*place["place"]), self._config)
            stores.setdefault(store.folder, (store, []))[1].append(place)
        return list(stores.values())

    def _left_in(self, name: str, places: list[CollectedPlace]) -> list[int]:
        """The interactions that no test of a cassette played; none where one of its tests was not seen to its end."""
        left = [self._of_tests.get(test) for place in places for test in place["owners"].get(name, ())]
        folder = name.rpartition("/")[0]
        if None in left or any(place["left_out"] and folder not in place["modules"] for place in places):
            return []
        return sorted(set.intersection(*(set(numbers or ()) for numbers in left)))


def _interactions(path: Path, numbers: list[int], store: Store) -> Iterator[str]:
    from pytest_templates.cassettes.reading.llm import opening_of
    from pytest_templates.cassettes.storage.store import load_cassette

    interactions = load_cassette(path, store)
    width = len(str(numbers[-1]))
    for number in numbers:
        interaction = interactions[number - 1]
        sample = "" if interaction.sample == 1 else f"  sample {interaction.sample}"
        yield f"{number:>{width}}{sample}  {interaction.template or OUTSIDE}  {opening_of(interaction)}".rstrip()
