"""``cassettes import``: convert cassettes that vcrpy, pytest-recording and other recorders wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.collection import CollectedTests
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.format.media import with_digests
from pytest_templates.cassettes.format.vcr_import import load_vcr, says_cassette
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.leaks import refuse_leaks
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.cassettes.storage.catalog import says_ours
from pytest_templates.cassettes.storage.store import Store, write_cassette
from pytest_templates.commands.survey import shown
from pytest_templates.errors import CassetteError
from pytest_templates.support.text import counted

_SUFFIXES: Final = (".yaml", ".yml", ".json")


def import_cassette(source: Path, target: Path, store: Store, say: Callable[[str], None], *, overwrite: bool) -> int:
    """Convert a cassette of another recorder to one of ours, decoded and without secrets; returns 0.

    Raises:
        CassetteError: The source is no such cassette, something of it would be lost, or the target exists and is not
            to be overwritten.
    """
    place = shown(store.place(target))
    if store.read(target) is not None and not overwrite:
        raise CassetteError(f"{place} exists: --yes replaces it")
    recorded, credentials = load_vcr(source), Credentials(os.environ)
    for interaction in recorded:
        credentials.learn(interaction.request)  # the keys that it was sent with
        credentials.learn_from_answer(interaction.response)  # and those that the next may be sent with
    secrets = credentials.secrets()
    interactions = [scrub(with_digests(interaction), secrets) for interaction in recorded]
    text = to_text(interactions)
    refuse_leaks(place, text, secrets)
    write_cassette(target, text, store)
    say(f"{counted(len(interactions), 'interaction')} of {shown(source)} written to {place}")
    return 0


@dataclass(frozen=True, slots=True)
class _Source:
    """A file that may be imported.

    Attributes:
        path: The file.
        name: What it is called in the folder of the targets.
        is_named: Whether the user named it, rather than a folder that it lies in.
    """

    path: Path
    name: Path
    is_named: bool


def import_cassettes(
    given: Sequence[Path], folder: Path, say: Callable[[str], None], complain: Callable[[str], None], *, overwrite: bool
) -> int:
    """Convert files, and the cassettes in folders at any depth, to files of the same names in a folder.

    Args:
        given: Files and folders.
        folder: Where the new cassettes go.
        say: Takes a line for each file that was taken over or is no cassette.
        complain: Takes a line for each file that was refused.
        overwrite: Whether files that exist are replaced.

    Returns:
        2 where a file was refused, else 0.

    Raises:
        CassetteError: There is no file to import, or the target is a file.
    """
    if folder.is_file():
        raise CassetteError(f"{shown(folder)}: several cassettes go into a folder, and this is a file")
    store = Store(folder)
    taken: dict[Path, Path] = {}
    refused, left_out = 0, 0
    for source in _sources(given):
        target = folder / source.name
        why_not = None if source.is_named else _why_left_out(source.path)
        if why_not is not None:
            left_out += 1
            say(f"left out: {shown(source.path)} {why_not}")
            continue
        try:
            if target in taken:
                raise CassetteError(f"{shown(taken[target])} was written to {shown(target)} before")  # noqa: TRY301 - told as others
            import_cassette(source.path, target, store, say, overwrite=overwrite)
            taken[target] = source.path
        except CassetteError as error:
            refused += 1
            place = "" if str(error).startswith(str(source.path)) else f"{shown(source.path)}: "
            complain(f"refused: {place}{error}")
    if not taken and not refused:
        raise CassetteError(f"there is no cassette to import in {', '.join(map(shown, given))}")
    counts = [(len(taken), "imported"), (refused, "refused"), (left_out, "left out")]
    say(", ".join(f"{counted(count, 'file')} {what}" for count, what in counts if count))
    if taken:
        say("see which tests play them: python -m pytest_templates cassettes list")
    return 2 if refused else 0


def _sources(given: Iterable[Path]) -> Iterator[_Source]:
    for path in given:
        if not path.is_dir():
            yield _Source(path, Path(_renamed(path.name)), is_named=True)
            continue
        for inner in sorted(path.rglob("*")):
            relative = inner.relative_to(path)
            if inner.is_file() and _may_be_cassette(relative):
                yield _Source(inner, relative.with_name(_renamed(inner.name)), is_named=False)


def _may_be_cassette(relative: Path) -> bool:
    """Whether a file is called as cassettes are; vcrpy's own name for one has no suffix."""
    if any(part.startswith(".") for part in relative.parts):
        return False
    return _renamed(relative.name).removesuffix(".yaml") != relative.name or "." not in relative.name.rpartition("]")[2]


def _renamed(name: str) -> str:
    stem = name.removesuffix(".gz")
    suffix = next((suffix for suffix in _SUFFIXES if stem.endswith(suffix)), "")
    return f"{stem.removesuffix(suffix)}.yaml"


def _why_left_out(path: Path) -> str | None:
    """Why a file of a folder is not imported; ``None`` where it is a cassette of another recorder."""
    content = path.read_bytes()
    if says_ours(content):
        return "is a cassette of this plugin already"
    return None if says_cassette(content) else "is no cassette"


def why_not_replayed(cassette: str, node_id: str, found: CollectedTests | None) -> str:
    """Why a test will not replay its new cassette; ``""`` where it will.

    Args:
        cassette: The cassette's path in the folder of the cassettes.
        node_id: The node id of the test.
        found: What was collected.
    """
    if found is None or found["errors"]:
        return "whether there is such a test is not known, as not every test could be collected"
    owners = [(path, tests) for place in found["places"] for path, tests in place["owners"].items()]
    cassette_of = {test: path for path, tests in owners for test in tests}
    if cassette in dict(owners):
        return ""
    if node_id in cassette_of:
        return f"{node_id} will not play it: its marker names another cassette, {cassette_of[node_id]}"
    close = get_close_matches(node_id, cassette_of, n=2)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"no test will play it: none that is marked llm_cassette is called {node_id}{hint}"
