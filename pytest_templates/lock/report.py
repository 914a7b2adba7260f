"""What is printed of the lock at the end of a run: changes, stale cassettes and snapshots, and what recording costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import TypeAlias, TypedDict

from pytest_templates.cassettes.reading.llm import answer_of, model_of
from pytest_templates.cassettes.reading.prices import price_of
from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.cassettes.storage.store import Store, load_cassette
from pytest_templates.errors import CassetteError
from pytest_templates.lock.comparison import Change, Facts, Key, ObservedRun, ObservedTest, keys_of
from pytest_templates.lock.file import NAME
from pytest_templates.run.totals import cost_of
from pytest_templates.support.files import shown_in
from pytest_templates.support.targets import without_iterations
from pytest_templates.support.text import as_text, counted

Stores: TypeAlias = Callable[[Path], Store]  # the store that a cassette lies in


@dataclass(frozen=True, slots=True)
class StaleCassette:
    """A cassette that changed templates make stale.

    Attributes:
        path: The file.
        to_record: Its interactions from the first one on that depends on what has changed: the later ones depend on
            that one's answer.
        total: How many interactions it holds.
        error: Why it cannot be read; ``""`` if it can.
    """

    path: Path
    to_record: Sequence[Interaction]
    total: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls cost as they were recorded.

    Attributes:
        calls: How many there are.
        tokens: Those sent and received.
        dollars: US dollars, of the calls whose price is known.
        unpriced: How many have no known price.
    """

    calls: int
    tokens: int
    dollars: Decimal
    unpriced: int


def stale_cassettes(keys: Collection[Key], tests: Iterable[ObservedTest], stores: Stores) -> list[StaleCassette]:
    """The cassettes of tests in which some templates asked a model, or wrote what it was sent; by path."""
    users: dict[Path, list[ObservedTest]] = {}
    for test in tests:
        if test.cassette is not None and _first_of(keys, test) is not None:
            users.setdefault(Path(test.cassette), []).append(test)
    return [_stale_cassette(path, keys, users[path], stores(path)) for path in sorted(users)]


def stale_snapshots(keys: Collection[Key], tests: Iterable[ObservedTest]) -> list[str]:
    """The files of conversations in which some templates take part."""
    return sorted({file for test in tests if test.keys & set(keys) for file in test.snapshots})


def recording_cost(interactions: Sequence[Interaction], models: Mapping[str, str]) -> Cost:
    """What it costs to record some interactions again.

    Args:
        interactions: The recorded calls.
        models: The models that are asked now, by the path of a template; others cost what the recorded model costs.
    """
    answers = [answer_of(interaction.response) for interaction in interactions]
    tokens = [(answer.input_tokens or 0, answer.output_tokens or 0) for answer in answers]
    names = [models.get(without_iterations(one.template or "")) or model_of(one) for one in interactions]
    prices = [price_of(name, *counts) for name, counts in zip(names, tokens, strict=True)]
    dollars = sum((price for price in prices if price is not None), Decimal(0))
    return Cost(len(interactions), sum(map(sum, tokens)), dollars, prices.count(None))


def _first_of(keys: Collection[Key], test: ObservedTest) -> int | None:
    """The index of the first call of a test in which one of these templates takes part."""
    return min((test.first[key.path] for key in keys if key in test.keys and key.path in test.first), default=None)


def _stale_cassette(path: Path, keys: Collection[Key], tests: Sequence[ObservedTest], store: Store) -> StaleCassette:
    try:
        interactions = load_cassette(path, store)
    except CassetteError as error:
        return StaleCassette(path, (), 0, str(error))
    numbers = {number for test in tests for number in _from(_first_of(keys, test) or 0, test, interactions)}
    return StaleCassette(path, [interactions[number] for number in sorted(numbers)], len(interactions))


def _from(first: int, test: ObservedTest, interactions: Sequence[Interaction]) -> Iterator[int]:
    """The interactions that are left without those of the calls before the first."""
    before = Counter(test.calls[:first])
    for number, interaction in enumerate(interactions):
        template = interaction.template or ""
        if before[template]:
            before[template] -= 1
        else:
            yield number


def check_lines(changes: Sequence[Change], locked: Facts, seen: ObservedRun, stores: Stores, root: Path) -> list[str]:
    """What a comparison has found, line by line; nothing where all is as it is locked."""
    return [] if not changes else list(_lines(changes, locked, seen, stores, root))


def unchanged_line(locked: Facts, seen: Facts) -> str:
    """That all is as it is locked, in one line."""
    total, rendered = len(keys_of(locked)), len(keys_of(seen))
    if not rendered:
        return f"templates: no template was rendered that {NAME} could hold for"
    compared = f"all {total}" if rendered == total else f"{rendered} of {total}"
    return f"templates: {NAME} holds for {compared} templates"


def update_line(before: Facts, after: Facts, seen: Facts) -> str:
    """What an update has done, in one line.

    Args:
        before: What was locked.
        after: What is locked now.
        seen: What the run saw; the rest was kept.
    """
    old, new = keys_of(before), keys_of(after)
    different = [key for key in old & new if _of(before, key) != _of(after, key)]
    counts = [(len(new - old), "new"), (len(different), "changed"), (len(old - new), "gone")]
    changes = ", ".join(f"{count} {what}" for count, what in counts if count) or "unchanged"
    unseen = len(new - keys_of(seen))
    kept = f"; {unseen} not rendered in this run, and kept" if unseen else ""
    return f"templates: {NAME} has {counted(len(new), 'template')}: {changes}{kept}"


def _of(facts: Facts, key: Key) -> Facts:
    return {part: values for part, values in facts.items() if part[0] == key}


def _lines(changes: Sequence[Change], locked: Facts, seen: ObservedRun, stores: Stores, root: Path) -> Iterator[str]:
    known, rendered = keys_of(locked), keys_of(seen.facts)
    keys = {change.key for change in changes}
    yield f"{counted(len(keys), 'template')} {'is' if len(keys) == 1 else 'are'} not as in {NAME}:"
    for key, of_one in groupby(changes, lambda change: change.key):
        state = (
            "" if key in known and key in rendered else " is new" if key in rendered else " is not rendered any more"
        )
        yield f"  {key.path}{state}  {seen.place_of(key)}".rstrip()
        if not state:
            yield from (f"    {line}" for change in of_one for line in _change(change))
    yield from _stale(stale_cassettes(keys, seen.tests, stores), changes, stores, root)
    snapshots = stale_snapshots(keys, seen.tests)
    if snapshots:
        yield "these conversations are stale; --snapshot-update writes them:"
        yield from (f"  {file}" for file in snapshots)
    yield "if the change is meant, --templates-lock=update locks it"


def _change(change: Change) -> Iterator[str]:
    yield from (f"{change.kind} was {value}" for value in change.before)
    yield from (f"{change.kind} is  {value}" for value in change.after)


class StaleRow(TypedDict):
    """A file that changed templates make stale, as it stands in the report of the run.

    Attributes:
        what: ``"cassette"`` or ``"snapshot"``.
        path: The file, relative to the root directory.
        why: The templates that changed, in words.
        cost: What recording it again costs, in words; ``None`` for a snapshot, or where it cannot be read.
    """

    what: str
    path: str
    why: str
    cost: str | None


def stale_files(changes: Sequence[Change], seen: ObservedRun, stores: Stores, root: Path) -> list[StaleRow]:
    """The cassettes and snapshots that changes make stale, each with the templates for which it is."""
    keys = {change.key for change in changes}
    models = _new_models(changes)
    rows: list[StaleRow] = []
    for one in stale_cassettes(keys, seen.tests, stores):
        users = [test for test in seen.tests if test.cassette is not None and Path(test.cassette) == one.path]
        why = _paths(keys & {key for test in users for key in test.keys})
        cost = None if one.error else _cost(one.to_record, models)
        path = as_text(shown_in(root, stores(one.path).place(one.path)))
        rows.append({"what": "cassette", "path": path, "why": as_text(one.error or why), "cost": cost})
    for file in stale_snapshots(keys, seen.tests):
        why = _paths(keys & {key for test in seen.tests if file in test.snapshots for key in test.keys})
        rows.append({"what": "snapshot", "path": as_text(file), "why": why, "cost": None})
    return rows


def _paths(keys: Iterable[Key]) -> str:
    return as_text(", ".join(sorted({key.path for key in keys})))


def _new_models(changes: Sequence[Change]) -> dict[str, str]:
    return {change.key.path: change.after[0] for change in changes if change.kind == "model" and change.after}


def _cost(interactions: Sequence[Interaction], models: Mapping[str, str]) -> str:
    cost = recording_cost(interactions, models)
    money = cost_of(cost.dollars, cost.unpriced)
    return f"at most {counted(cost.calls, 'call')}, {counted(cost.tokens, 'token')}, {money}, as recorded"


def _stale(stale: Sequence[StaleCassette], changes: Sequence[Change], stores: Stores, root: Path) -> Iterator[str]:
    if not stale:
        return
    yield "these cassettes are stale; --templates-record=changed records what is needed of them:"
    for one in stale:
        place = shown_in(root, stores(one.path).place(one.path))
        calls = f"{len(one.to_record)} of {counted(one.total, 'call')}"
        yield f"  {place}  {one.error or calls}"
    all_of_them = [interaction for one in stale for interaction in one.to_record]
    yield f"  that is {_cost(all_of_them, _new_models(changes))}"
