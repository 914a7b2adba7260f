"""``cassettes check``: are the files whole, and free of secrets?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pytest_templates.cassettes import yamltext
from pytest_templates.cassettes.leaks import find_leaks
from pytest_templates.cassettes.persister import load
from pytest_templates.cassettes.scrub import scrub
from pytest_templates.cassettes.secrets import Secrets, secrets_of
from pytest_templates.cassettes.store import Store
from pytest_templates.cassettes.values import Interaction
from pytest_templates.command.listing import many
from pytest_templates.command.scrubbing import changes
from pytest_templates.command.survey import shown
from pytest_templates.errors import CassetteError

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
            interactions = load(path, store)
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
            f"{place}:{leak.line}: holds {leak.what} ({leak.place}). "
            f"Replace it with `{SCRUB}`, and change the key where others have seen the file."
        )
    said = {leak.place for leak in leaks}
    for number, interaction in enumerate(interactions):
        for way, what in changes(interaction, scrub(interaction, secrets)):
            if f"interaction {number + 1}, {' '.join(way[:2]) if way[1:] else 'heading'}" not in said:
                line = yamltext.line_of(text, ("interactions", number, *way))
                yield f"{place}:{line}: {what} is not kept as it is by today's rules. Clean it with `{SCRUB}`."
