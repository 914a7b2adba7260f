"""``cassettes check``, ``scrub`` and ``prune``: find damage and secrets, clean files, remove what no test has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Headers, Interaction
from pytest_templates.cassettes.scrubbing.leaks import find_leaks, refuse_leaks
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.cassettes.storage.catalog import cassettes_in, orphans
from pytest_templates.cassettes.storage.store import Store, load_cassette, write_cassette
from pytest_templates.commands.listing import many
from pytest_templates.commands.survey import Survey, SurveyError, shown
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Secrets, secrets_of
from pytest_templates.support import yaml_text

SCRUB = "python -m pytest_templates cassettes scrub"


def check_store(store: Store, say: Callable[[str], None]) -> int:
    """Check every file of a store; returns 1 where something was found, else 0."""
    files = store.paths()
    left = [
        f"{shown(path)}: was left by a run that was killed while it recorded. Record again what it did, or remove it."
        for path in store.left_behind()
    ]
    return _told([*_findings(files, store), *left], len(files), say)


def check_files(paths: Sequence[Path], say: Callable[[str], None]) -> int:
    """Check some files; returns 1 where something was found, else 0.

    Raises:
        CassetteError: One of them does not exist.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise CassetteError(f"{missing[0]}: there is no such file")
    return _told(list(_findings(paths, None)), len(paths), say)


def _told(findings: Sequence[str], files: int, say: Callable[[str], None]) -> int:
    for finding in findings:
        say(finding)
    say(f"{many(files, 'file')} checked, {many(len(findings), 'problem')} found")
    return int(bool(findings))


def _findings(paths: Sequence[Path], store: Store | None) -> Iterator[str]:
    secrets = secrets_of(os.environ)
    for path in paths:
        place = store.place(path) if store else str(path)
        try:
            interactions = load_cassette(path, store)
        except CassetteError as error:
            yield str(error).replace(place, shown(place), 1).replace("\n", " ")
        else:
            yield from _secrets_in(shown(place), _text(path, store), interactions, secrets)


def _text(path: Path, store: Store | None) -> str:
    return ((store or Store(path.parent)).read(path) or b"").decode("utf-8")


def _secrets_in(place: str, text: str, interactions: Sequence[Interaction], secrets: Secrets) -> Iterator[str]:
    leaks = find_leaks(text, secrets)
    for leak in leaks:
        yield (
            f"{place}:{leak.line}: holds {leak.what} ({leak.where}). "
            f"Replace it with `{SCRUB}`, and change the key where others have seen the file."
        )
    said = {leak.place[:4] for leak in leaks}
    for index, interaction in enumerate(interactions):
        for way, what in changes(interaction, scrub(interaction, secrets)):
            if ("interactions", index, *way[:2]) not in said:
                line = yaml_text.line_of(text, ("interactions", index, *way))
                yield f"{place}:{line}: {what} is not kept as it is by today's rules. Clean it with `{SCRUB}`."


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
                write_cassette(path, cleaned.text, store)
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
    return Cleaned(path, text, lines)


def _summary(files: int, *, write: bool) -> str:
    if not files:
        return "nothing to change"
    return f"{many(files, 'file')} changed" if write else f"{many(files, 'file')} to change: --yes changes them"


def prune(survey: Survey, say: Callable[[str], None], *, remove: bool) -> int:
    """Say which cassettes no test has, and remove them where that is wanted; returns 0.

    Raises:
        SurveyError: Not every test could be collected, or there is none: what looks left over may be somebody's.
    """
    found = survey.found
    if found is None or found["errors"]:
        reasons = [f"{name}: {reason}" for name, reason in (found["errors"] if found else {}).items()]
        raise SurveyError("\n  ".join(["nothing is removed, as not every test could be collected:", *reasons]))
    if not found["tests"]:
        raise SurveyError(f"nothing is removed, as there are no tests in {shown(survey.root)}")
    store = survey.store
    paths = orphans(found, store, survey.root)
    for path in paths:
        if remove:
            with store.lock():
                store.remove(path)
            _remove_empty(path.parent, store.folder)
        say(shown(store.place(path)))
    say(_pruned_summary(len(paths), remove=remove))
    return 0


def _remove_empty(folder: Path, top: Path) -> None:
    with suppress(OSError):  # it is not empty
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _pruned_summary(count: int, *, remove: bool) -> str:
    if not count:
        return "every cassette has a test"
    cassettes = f"{many(count, 'cassette')} without a test"
    return f"{cassettes} removed" if remove else f"{cassettes}: --yes removes {'it' if count == 1 else 'them'}"
