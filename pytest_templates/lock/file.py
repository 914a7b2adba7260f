"""The file ``templates.lock``: TOML, a block for every template, each part on a line of its own."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from antiphon.reading import read_text
from pytest_templates.errors import LockError
from pytest_templates.lock.comparison import KINDS, Facts, Key, Part, facts_from, keys_of
from pytest_templates.support.files import atomic_write

NAME: Final = "templates.lock"
_VERSION: Final = 1
_OPENING: Final = (
    "# What each template says and which models answer it, by hash, with the first words.\n"
    "# Made by `pytest --templates-lock=update`; `pytest --templates-lock=check` compares.\n"
)
_REMEDY: Final = "Restore it from version control, or delete it and write it anew with --templates-lock=update."


def read_lock(path: Path) -> Facts | None:
    """What is locked; ``None`` where there is no file.

    Raises:
        LockError: The file cannot be read, is damaged, or was written by a later version.
    """
    try:
        held = tomllib.loads(read_text(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockError(f"{path} cannot be read: {error.strerror or error}") from error
    except RecursionError:
        raise LockError(f"{path} is damaged: it is nested too deeply\n{_REMEDY}") from None
    except ValueError as error:  # no UTF-8, no TOML, a number of too many digits
        raise LockError(f"{path} is damaged, or holds the marks of a merge: {error}\n{_REMEDY}") from error
    version = held.pop("version", None)
    if isinstance(version, int) and version > _VERSION:
        raise LockError(
            f"{path} was written by a later version of this plugin: its format is {version}, and {_VERSION} is known "
            "here. Upgrade antiphon."
        )
    if version != _VERSION:
        raise LockError(f"{path} is damaged: it does not say `version = {_VERSION}`\n{_REMEDY}")
    try:
        return facts_from(_rows(held))
    except _DamagedError as error:
        raise LockError(f"{path} is damaged: {error}\n{_REMEDY}") from error


def write_lock(path: Path, facts: Facts) -> None:
    """Write the file, wholly or not at all; the same facts make the same bytes.

    Raises:
        LockError: It cannot be written.
    """
    try:
        atomic_write(path, lock_text(facts))
    except OSError as error:
        raise LockError(f"{path} cannot be written: {error.strerror or error}") from error


def lock_text(facts: Facts) -> str:
    """The text of the file."""
    blocks = ("".join(f"{line}\n" for line in _block(key, facts)) for key in sorted(keys_of(facts)))
    return "\n".join([f"{_OPENING}version = {_VERSION}\n", *blocks])


def _block(key: Key, facts: Facts) -> Iterator[str]:
    yield f"[{_quoted(key.file)}.{_quoted(key.path)}]"
    for kind in KINDS:
        values = sorted(facts.get((key, kind), ()))
        if len(values) == 1:
            yield f"{kind} = {_quoted(values[0])}"
        elif values:
            yield f"{kind} = ["
            yield from (f"  {_quoted(value)}," for value in values)
            yield "]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class _DamagedError(Exception):
    """The file holds something that is never written there."""


def _rows(held: dict[str, Any]) -> Iterator[tuple[Part, str]]:
    for file, templates in held.items():
        for path, block in _table(templates, file).items():
            for kind, values in _table(block, path).items():
                for value in values if isinstance(values, list) else [values]:
                    if kind not in KINDS or not isinstance(value, str):
                        raise _DamagedError(f"{kind!r} of {path!r} is none of {', '.join(KINDS)} with text")
                    yield (Key(file, path), kind), value


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _DamagedError(f"{name!r} is no table")
    return value
