"""What one run has added to a cassette that tests share, so that its workers know each other's recordings.

The ledger of a cassette lies in the store's workplace from the first recording of a run to the run's end. It says where
the recordings of each test stand, so that they can be kept in the order of the tests, whichever is done first; and it
says that a cassette was begun anew by this run already.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.store import Store

_SUFFIX: Final = ".run"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The recordings of one run in one cassette.

    Attributes:
        run: The run's id.
        before: How many interactions there were already.
        groups: The tests whose interactions follow, in order: the place of the test in the run, and how many.
    """

    run: str
    before: int
    groups: tuple[tuple[int, int], ...] = ()

    @property
    def total(self) -> int:
        """How many interactions there are in the cassette."""
        return self.before + sum(count for _, count in self.groups)

    def index(self, place: int) -> int:
        """Where in the cassette new interactions of a test go: behind those of all tests that come before it."""
        return self.before + sum(count for other, count in self.groups if other <= place)

    def with_group(self, place: int, count: int) -> Ledger:
        """The ledger with some more interactions of a test."""
        groups = sorted([*self.groups, (place, count)], key=lambda group: group[0])
        return Ledger(self.run, self.before, tuple(groups))


def ledger_of(store: Store, path: Path, run: str) -> Ledger | None:
    """What a run has added to a cassette; ``None`` for nothing yet. Raises `OSError`."""
    try:
        node = json.loads(_file(store, path).read_bytes())
    except FileNotFoundError:
        return None
    if node["run"] != run:
        return None
    return Ledger(run, node["before"], tuple((place, count) for place, count in node["groups"]))


def keep(store: Store, path: Path, ledger: Ledger) -> None:
    """Write the ledger of a cassette. Needs the store's lock. Raises `OSError`."""
    store.put(_file(store, path), json.dumps(asdict(ledger)).encode())


def forget(store: Store, run: str) -> None:
    """Remove the ledgers of a run that is over. Raises `OSError`."""
    if not any(store.workplace.glob(f"*{_SUFFIX}")):
        return
    with store.lock():
        for file in store.workplace.glob(f"*{_SUFFIX}"):
            if json.loads(file.read_bytes())["run"] == run:
                file.unlink()


def _file(store: Store, path: Path) -> Path:
    name = path.relative_to(store.folder).as_posix()
    return store.workplace / f"{blake2b(name.encode(), digest_size=8).hexdigest()}{_SUFFIX}"
