"""Cassettes on the disk: read whole or not at all, written in one step."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.format import FormatError, from_text
from pytest_templates.cassettes.values import Interaction
from pytest_templates.errors import CassetteError

_REMEDY: Final = "Restore it from version control, or delete it and record it anew."


def load(path: Path) -> list[Interaction]:
    """The interactions of a cassette; none where the file does not exist.

    Raises:
        CassetteError: The file cannot be read, or is no whole cassette of a version that is known here.
    """
    try:
        return from_text(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except FormatError as error:
        raise _error(path, error.line, str(error)) from error
    except UnicodeDecodeError as error:
        raise _error(path, error.object.count(b"\n", 0, error.start) + 1, "is not UTF-8") from error
    except OSError as error:
        raise CassetteError(f"{path}: the cassette cannot be read: {error.strerror}") from error


def write(path: Path, text: str) -> None:
    """Replace a cassette by a new text, wholly or not at all; its folder is made where it is missing.

    Raises:
        CassetteError: The file system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text.encode("utf-8"))
    except OSError as error:
        raise CassetteError(f"{path}: the cassette cannot be written: {error.strerror}") from error


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    temporary = Path(name)
    try:
        _fill(descriptor, content)
        temporary.chmod(_permissions(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _fill(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _permissions(path: Path) -> int:
    """Those of the file that is replaced; a temporary file's own are for its owner alone."""
    with suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777
    return 0o644


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a crash, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _error(path: Path, line: int, problem: str) -> CassetteError:
    return CassetteError(f"{path}:{line}: the cassette {problem}.\n{_REMEDY}")
