"""What is said of the lock at the end of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from pytest_templates.cassettes.store import Store
from pytest_templates.lock.facts import Change, Facts, Key, keys_of
from pytest_templates.lock.file import NAME
from pytest_templates.lock.seen import Seen
from pytest_templates.lock.stale import StaleCassette, cost_of, stale_cassettes, stale_snapshots
from pytest_templates.report import lines
from pytest_templates.tables import counted


def checked(changes: Sequence[Change], locked: Facts, seen: Seen, store: Store, root: Path) -> list[str]:
    """What a comparison has found, line by line; nothing where all is as it is locked."""
    return [] if not changes else list(_lines(changes, locked, seen, store, root))


def same(locked: Facts, seen: Facts) -> str:
    """That all is as it is locked, in one line."""
    total, rendered = len(keys_of(locked)), len(keys_of(seen))
    if not rendered:
        return f"templates: no template was rendered that {NAME} could hold for"
    compared = f"all {total}" if rendered == total else f"{rendered} of {total}"
    return f"templates: {NAME} holds for {compared} templates"


def written(before: Facts, after: Facts, seen: Facts) -> str:
    """What an update has done, in one line.

    Args:
        before: What was locked.
        after: What is locked now.
        seen: What the run saw; the rest was kept.
    """
    old, new = keys_of(before), keys_of(after)
    different = [key for key in old & new if _of(before, key) != _of(after, key)]
    counts = [(len(new - old), "new"), (len(different), "changed"), (len(old - new), "gone")]
    said = ", ".join(f"{count} {what}" for count, what in counts if count) or "unchanged"
    unseen = len(new - keys_of(seen))
    kept = f"; {unseen} not rendered in this run, and kept" if unseen else ""
    return f"templates: {NAME} has {counted(len(new), 'template')}: {said}{kept}"


def _of(facts: Facts, key: Key) -> Facts:
    return {part: values for part, values in facts.items() if part[0] == key}


def _lines(changes: Sequence[Change], locked: Facts, seen: Seen, store: Store, root: Path) -> Iterator[str]:
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
    yield from _stale(stale_cassettes(keys, seen.tests, store), changes, store, root)
    snapshots = stale_snapshots(keys, seen.tests)
    if snapshots:
        yield "these conversations are stale; --snapshot-update writes them:"
        yield from (f"  {file}" for file in snapshots)
    yield "if the change is meant, --templates-lock=update locks it"


def _change(change: Change) -> Iterator[str]:
    yield from (f"{change.kind} was {value}" for value in change.before)
    yield from (f"{change.kind} is  {value}" for value in change.after)


def _stale(stale: Sequence[StaleCassette], changes: Sequence[Change], store: Store, root: Path) -> Iterator[str]:
    if not stale:
        return
    yield "these cassettes are stale; --templates-record=changed records what is needed of them:"
    for one in stale:
        place = store.place(one.path).removeprefix(f"{root}{os.sep}")
        calls = f"{len(one.again)} of {counted(one.total, 'call')}"
        yield f"  {place}  {one.trouble or calls}"
    models = {change.key.path: change.after[0] for change in changes if change.kind == "model" and change.after}
    cost = cost_of([interaction for one in stale for interaction in one.again], models)
    money = lines.cost_of(cost.dollars, cost.unpriced)
    yield f"  that is at most {counted(cost.calls, 'call')}, {counted(cost.tokens, 'token')}, {money}, as recorded"
