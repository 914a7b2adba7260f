"""``cassettes scrub``: bring files up to today's rules of what is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_templates.cassettes import persister
from pytest_templates.cassettes.format import to_text
from pytest_templates.cassettes.leaks import refuse_leaks
from pytest_templates.cassettes.scrub import scrub
from pytest_templates.cassettes.secrets import secrets_of
from pytest_templates.cassettes.shelf import cassettes_in
from pytest_templates.cassettes.store import Store
from pytest_templates.cassettes.values import Headers, Interaction
from pytest_templates.command.listing import many
from pytest_templates.command.survey import shown
from pytest_templates.errors import CassetteError


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file that is not as today's rules want it.

    Attributes:
        path: The file.
        text: What it should hold.
        lines: What changes, never with a value.
    """

    path: Path
    text: str
    lines: tuple[str, ...]


def scrub_store(store: Store, say: Callable[[str], None], complain: Callable[[str], None], *, write: bool) -> int:
    """Say what changes, and change it where that is wanted; returns 1 where a file cannot be cleaned, else 0."""
    status, files = 0, 0
    for path in cassettes_in(store):
        try:
            cleaned = _cleaned(path, store)
            if cleaned is not None and write:
                persister.write(path, cleaned.text, store)
        except CassetteError as error:
            complain(str(error))
            status = 1
            continue
        if cleaned is not None:
            files += 1
            for line in (shown(store.place(path)), *(f"  {line}" for line in cleaned.lines)):
                say(line)
    say(_summary(files, write=write))
    return status


def changes(old: Interaction, new: Interaction) -> Iterator[tuple[tuple[str, ...], str]]:
    """What of an interaction is different, each with its place in the interaction and in words."""
    pairs = [("template", old.template, new.template), ("model", old.model, new.model)]
    yield from (((name,), f"the {name}") for name, was, now in pairs if was != now)
    for part in ("request", "response"):
        before, after = getattr(old, part), getattr(new, part)
        for name in _different_headers(before.headers, after.headers):
            yield (part, "headers", name), f"the {part}'s header {name}"
        for name in ("method", "uri", "status", "reason", "body"):
            if getattr(before, name, None) != getattr(after, name, None):
                yield (part, name), f"the {part}'s {name}"


def _different_headers(old: Headers, new: Headers) -> list[str]:
    return list(dict.fromkeys(name for name, value in old if (name, value) not in new))


def _cleaned(path: Path, store: Store) -> Cleaned | None:
    secrets = secrets_of(os.environ)
    interactions = persister.load(path, store)
    scrubbed = [scrub(interaction, secrets) for interaction in interactions]
    lines = tuple(
        f"interaction {number}: {what}"
        for number, (old, new) in enumerate(zip(interactions, scrubbed, strict=True), 1)
        for _, what in changes(old, new)
    )
    if not lines:
        return None
    text = to_text(scrubbed)
    refuse_leaks(store.place(path), text, secrets)
    return Cleaned(path, text, lines)


def _summary(files: int, *, write: bool) -> str:
    if not files:
        return "nothing to change"
    return f"{many(files, 'file')} changed" if write else f"{many(files, 'file')} to change: --yes changes them"
