"""Adding to a cassette file that other tests and processes write to at the same time.

New interactions are added to what the file holds at that moment, as if the tests had recorded one after the other:

- A recording of a request that another test has recorded meanwhile is not added: later, that test would have played it.
  In replay it plays the other's answer. So a cassette holds a request as often as the test that asks it most often
  needs it, whichever of them recorded it.
- The interactions of one run stand in the order of its tests, whichever was done first.
- In mode ``"changed"`` it holds afterwards what the test has used, and nothing else.
- An answer that was recorded anew and means what the old one meant leaves the old one as it is, so that files change
  where answers do; not where the program has sent an id of the new one back.
- In mode ``"all"`` a cassette of one test is replaced. In one that tests share, a test replaces the older recordings of
  what it has asked; the others may be needed by tests that do not run, or fail.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.reading.meaning import means_the_same, noise_of
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.storage.store import LEDGER, Blocks, Store, existing_cassette


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


@dataclass(frozen=True, slots=True)
class Change:
    """What a test has added to a cassette, or put in its place.

    Attributes:
        interactions: The interactions.
        known: The keys of those that the test knew of before, in its order.
        is_whole: Whether the cassette is to hold these interactions alone.
    """

    interactions: list[Interaction]
    known: list[bytes]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Merge:
    """What a cassette holds, and what a test adds to it.

    Attributes:
        current: What it holds already, as far as that stays.
        added: What is new.
        ledger: What of the former the run has recorded.
        place: The place of the test among the tests of the run.
    """

    current: list[Interaction]
    added: list[Interaction]
    ledger: Ledger
    place: int

    @property
    def interactions(self) -> list[Interaction]:
        """All of it, in order."""
        index = self.ledger.index(self.place)
        return [*self.current[:index], *self.added, *self.current[index:]]


def ledger_of(store: Store, path: Path, run: str) -> Ledger | None:
    """What a run has added to a cassette; ``None`` for nothing yet. Raises `OSError`."""
    try:
        node = json.loads(_file(store, path).read_bytes())
    except FileNotFoundError:
        return None
    if node["run"] != run:
        return None
    return Ledger(run, node["before"], tuple((place, count) for place, count in node["groups"]))


def write_ledger(store: Store, path: Path, ledger: Ledger) -> None:
    """Write the ledger of a cassette. Needs the store's lock. Raises `OSError`."""
    store.put(_file(store, path), [json.dumps(asdict(ledger)).encode()])


def remove_ledgers(store: Store, run: str) -> None:
    """Remove the ledgers of a run that is over. Raises `OSError`."""
    if not any(store.workplace.glob(f"*{LEDGER}")):
        return
    with store.lock():
        for file in store.workplace.glob(f"*{LEDGER}"):
            if json.loads(file.read_bytes())["run"] == run:
                file.unlink()


def _file(store: Store, path: Path) -> Path:
    name = path.relative_to(store.folder).as_posix()
    return store.workplace / f"{blake2b(name.encode(), digest_size=8).hexdigest()}{LEDGER}"


def as_before(new: Sequence[Interaction], old: Sequence[Interaction], matcher: Matcher) -> list[Interaction]:
    """New recordings, with the old one of the same request in place of each that means the same.

    A new answer stays where one of its ids, or anything else that the old one does not have, is sent in a new request:
    in replay, the program would send that of the old answer.
    """
    waiting: dict[bytes, list[Interaction]] = {}
    for one in old:
        waiting.setdefault(matcher.key(one), []).append(one)
    return [_as_before(one, waiting.get(matcher.key(one), []), new) for one in new]


def _as_before(one: Interaction, waiting: list[Interaction], new: Sequence[Interaction]) -> Interaction:
    if not waiting:
        return one
    old = waiting.pop(0)
    if not means_the_same(old.response, one.response):
        return one
    only_new = noise_of(one.response) - noise_of(old.response)
    if any(value.encode() in part for value in only_new for each in new for part in _sent(each.request)):
        return one
    return replace(old, template=one.template, model=one.model)


def _sent(request: RecordedRequest) -> tuple[bytes, ...]:
    return request.uri.encode(), request.body


class CassetteFile:
    """The file of a cassette.

    Args:
        settings: Which, and who adds to it.
        matcher: Says which requests are equal.
        clean: Gives an interaction that was read as it may be kept today.
        text: Gives the text of interactions, in blocks; raises where it may not be written.

    Attributes:
        store: Where it lies.
        replaced: What it held before it was recorded anew, or one that tests share was added to; nothing as long as it
            is not.
        change: What was done to it last; ``None`` as long as nothing was.
    """

    def __init__(
        self,
        settings: CassetteSettings,
        matcher: Matcher,
        clean: Callable[[Interaction], Interaction],
        text: Callable[[Sequence[Interaction]], Blocks],
    ) -> None:
        self.store = settings.home
        self._path = settings.path
        self._author = settings.author
        self._matcher = matcher
        self._clean = clean
        self._text = text
        self._is_replaced = settings.mode == "all" and not settings.author.run
        self._is_renewed = settings.mode == "all" and bool(settings.author.run)
        self._loaded: list[Interaction] = []
        self._held: list[Interaction] = []
        self.replaced: list[Interaction] = []
        self.change: Change | None = None

    def load(self, opened: Callable[[], list[Interaction] | None] | None = None) -> list[Interaction] | None:
        """What it holds, cleaned by today's rules; ``None`` where there is none, or where it will be replaced.

        Args:
            opened: Gives that, where it is known how to without reading it all; ``None`` where there is no file.

        Raises:
            CassetteError: It cannot be read, is damaged or of a newer version: nothing is recorded over that.
        """
        if self._is_replaced:
            self._found()
            return None
        found = self._found() if opened is None else opened()
        if found and self._is_renewed:
            found = found[self._older(found) :]
        self._held = found or []
        self._loaded = self._held
        return found

    @cached_property
    def _known(self) -> Counter[bytes]:
        """What it held when it was loaded, by keys; nobody needs it who only replays."""
        return self._count(self._loaded)

    def add(self, new: Sequence[Interaction]) -> None:
        """Add interactions, in one step. Needs the store's lock.

        Raises:
            CassetteError: A secret would reach the disk, or the file was damaged meanwhile.
            OSError: It cannot be read or written.
        """
        merge = self._merge(new)
        if merge.added:
            self.replaced = self._before(merge)
            self._write(merge)
        if new:
            self.change = Change(list(new), sorted(self._known.elements()), is_whole=False)
        self._known += self._count(new)
        self._is_replaced = False

    def with_added(self, new: Sequence[Interaction]) -> list[Interaction]:
        """What it would hold if interactions were added now; it stays as it is.

        Raises:
            CassetteError: The file was damaged meanwhile.
            OSError: It cannot be read.
        """
        return self._merge(new).interactions

    def replace(self, interactions: Sequence[Interaction]) -> None:
        """Let it hold these interactions alone, in one step. Needs the store's lock.

        Raises:
            CassetteError: A secret would reach the disk.
            OSError: It cannot be written.
        """
        if self.differs_from(interactions):
            self.store.replace(self._path, self._text(interactions))
            self.replaced, self._held = self._held, list(interactions)
            self.change = Change(list(interactions), [], is_whole=True)

    def repeat(self, change: Change) -> None:
        """Do what was done to a copy of the file, elsewhere. Needs the store's lock.

        Raises:
            CassetteError: A secret would reach the disk, or the file is damaged.
            OSError: It cannot be read or written.
        """
        if change.is_whole:
            self.replace(change.interactions)
            return
        self._known = Counter(change.known)
        self.add(change.interactions)

    def differs_from(self, interactions: Sequence[Interaction]) -> bool:
        """Whether it was not these interactions that were loaded, or written last; never so for none."""
        return bool(interactions) and list(interactions) != self._held

    def _current(self) -> list[Interaction] | None:
        return None if self._is_replaced else self._found()

    def _before(self, merge: Merge) -> list[Interaction]:
        """What it holds that this run has not recorded."""
        if not (self._is_replaced or self._is_renewed):
            return merge.current[: merge.ledger.before] if self._author.run else self.replaced
        found = self._found() or []
        return found if self._is_replaced else found[: self._older(found)]

    def _replaceable(self, current: list[Interaction]) -> list[Interaction]:
        """The older recordings that new ones take the place of."""
        if self._is_renewed:
            return current[: self._older(current)]
        return (self._found() or []) if self._is_replaced else []

    def _found(self) -> list[Interaction] | None:
        found = existing_cassette(self._path, self.store)
        return None if found is None else [self._clean(interaction) for interaction in found]

    def _unless_recorded_by_others(self, new: Sequence[Interaction], current: Counter[bytes]) -> list[Interaction]:
        by_others = current - self._known
        added = []
        for interaction in new:
            key = self._matcher.key(interaction)
            if not by_others[key]:
                added.append(interaction)
            by_others[key] = max(0, by_others[key] - 1)
        return added

    def _older(self, current: Sequence[Interaction]) -> int:
        """How many of the interactions, which stand first, this run has not recorded."""
        kept = self._ledger()
        return len(current) if kept is None or kept.total != len(current) else kept.before

    def _without(self, older: Sequence[Interaction], new: Sequence[Interaction]) -> list[Interaction]:
        renewed = self._count(new)
        return [interaction for interaction in older if self._matcher.key(interaction) not in renewed]

    def _merge(self, new: Sequence[Interaction]) -> Merge:
        current, kept = self._current() or [], self._ledger()
        before = self._replaceable(current)
        if self._is_renewed:
            older = self._without(current[: self._older(current)], new)
            current = [*older, *current[self._older(current) :]]
            kept = None if kept is None else replace(kept, before=len(older))
        added = as_before(self._unless_recorded_by_others(new, self._count(current)), before, self._matcher)
        if kept is None or kept.total != len(current):
            kept = Ledger(self._author.run, before=len(current))
        return Merge(current, added, kept, self._author.place)

    def _write(self, merge: Merge) -> None:
        if self._is_replaced and merge.interactions == self.replaced:
            return  # it holds them already
        self.store.replace(self._path, self._text(merge.interactions))
        if self._author.run:
            write_ledger(self.store, self._path, merge.ledger.with_group(self._author.place, len(merge.added)))

    def _ledger(self) -> Ledger | None:
        return ledger_of(self.store, self._path, self._author.run) if self._author.run else None

    def _count(self, interactions: Sequence[Interaction]) -> Counter[bytes]:
        return Counter(map(self._matcher.key, interactions))
