"""``cassettes scrub``: remove from recordings what today's rules would not keep."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Headers, Interaction
from pytest_templates.cassettes.scrubbing.leaks import refuse_leaks
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.cassettes.storage.catalog import cassettes_in
from pytest_templates.cassettes.storage.store import Store, load_cassette, write_cassette
from pytest_templates.commands.survey import shown
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.support.text import counted


@dataclass(frozen=True, slots=True)
class ScrubbedCassette:
    """A cassette that today's rules change.

    Attributes:
        text: What the file should hold.
        lines: What changes, in words, never with a value.
    """

    text: str
    lines: tuple[str, ...]


def scrub_stores(
    stores: Sequence[Store], say: Callable[[str], None], complain: Callable[[str], None], *, write: bool
) -> int:
    """Say what changes, and change it if `write`; returns 1 where a file cannot be cleaned, else 0."""
    status, files = 0, 0
    for store, path in ((one, path) for one in stores for path in cassettes_in(one)):
        try:
            scrubbed = _scrubbed(path, store)
            if scrubbed is not None and write:
                write_cassette(path, scrubbed.text, store)
        except CassetteError as error:
            complain(str(error))
            status = 1
            continue
        if scrubbed is not None:
            files += 1
            for line in (shown(store.place(path)), *(f"  {line}" for line in scrubbed.lines)):
                say(line)
    say(_summary(files, write=write))
    return status


def changes(old: Interaction, new: Interaction) -> Iterator[tuple[tuple[str, ...], str]]:
    """What differs between two versions of an interaction: the path of each difference, and its name in words.

    The length of a body is left out: it holds no secret, and is made true whenever a cassette is replayed or written.
    """
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
    return list(dict.fromkeys(name for name, value in old if (name, value) not in new and name != "content-length"))


def _scrubbed(path: Path, store: Store) -> ScrubbedCassette | None:
    secrets = secrets_of(os.environ)
    interactions = load_cassette(path, store)
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
    return ScrubbedCassette(text, lines)


def _summary(files: int, *, write: bool) -> str:
    if not files:
        return "nothing to change"
    return f"{counted(files, 'file')} changed" if write else f"{counted(files, 'file')} to change: --yes changes them"
