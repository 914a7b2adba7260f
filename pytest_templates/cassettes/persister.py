"""Cassettes in their store: read whole or not at all, written in one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.format import FormatError, from_text
from pytest_templates.cassettes.store import Store
from pytest_templates.cassettes.values import Interaction
from pytest_templates.errors import CassetteError

_REMEDY: Final = "Restore it from version control, or delete it and record it anew."


def load(path: Path, store: Store | None = None) -> list[Interaction]:
    """The interactions of a cassette; none where it does not exist.

    Args:
        path: Which cassette.
        store: Where it lies; ``None`` for a file that belongs to no store.

    Raises:
        CassetteError: It cannot be read, or is no whole cassette of a version that is known here.
    """
    return existing(path, store) or []


def existing(path: Path, store: Store | None = None) -> list[Interaction] | None:
    """As `load`, but ``None`` where the cassette does not exist."""
    store = store or Store(path.parent)
    place = store.place(path)
    try:
        content = store.read(path)
        return None if content is None else from_text(content.decode("utf-8"))
    except FormatError as error:
        raise _error(place, error.line, str(error)) from error
    except UnicodeDecodeError as error:
        raise _error(place, error.object.count(b"\n", 0, error.start) + 1, "is not UTF-8") from error
    except OSError as error:
        raise CassetteError(f"{place}: the cassette cannot be read: {error.strerror or error}") from error


def write(path: Path, text: str, store: Store | None = None) -> None:
    """Replace a cassette by a new text, wholly or not at all, while nobody else does.

    Raises:
        CassetteError: The store refuses.
    """
    store = store or Store(path.parent)
    with writing(path, store), store.lock():
        store.replace(path, text.encode("utf-8"))


@contextmanager
def writing(path: Path, store: Store) -> Iterator[None]:
    """Say of which cassette it is that something about it cannot be written.

    Raises:
        CassetteError: Instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        problem = error.strerror or error
        raise CassetteError(f"{store.place(path)}: the cassette cannot be written: {problem}") from error


def _error(place: str, line: int, problem: str) -> CassetteError:
    return CassetteError(f"{place}:{line}: the cassette {problem}.\n{_REMEDY}")
