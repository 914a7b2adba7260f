"""Saves sessions to files, and loads them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from antiphon.errors import AntiphonError, InvalidValue
from antiphon.reading import read_file
from antiphon.session import Session


def resumed(file: Path) -> Session:
    """A session that was saved.

    Raises:
        InvalidValue: The file cannot be read, or holds none.
    """
    try:
        return Session.model_validate_json(read_file(file))
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidValue(f"{file} holds no saved session: {f'{where}: ' * bool(where)}{first['msg']}") from error


def check_writable(file: Path) -> None:
    """Complain before the conversation and not after it.

    Raises:
        InvalidValue: A session cannot be saved there, or something else stands there.
    """
    folder = file.absolute().parent
    if file.is_dir() or not os.access(folder, os.W_OK):
        raise InvalidValue(f"a session cannot be saved as {file}: {_obstacle(file, folder)}")
    if file.exists() and file.stat().st_size:
        try:
            resumed(file)
        except InvalidValue as error:
            raise InvalidValue(f"{error}\n  it would be lost: save the session under another name") from error


def _obstacle(file: Path, folder: Path) -> str:
    if file.is_dir():
        return "that is a folder"
    return f"the folder {folder} {'may not be written to' if folder.exists() else 'does not exist'}"


def save(session: Session, file: Path) -> None:
    """Save a session in one step: whatever happens, there is the old file or the whole new one.

    Metadata values that have no JSON form are saved as the text that describes them.

    Raises:
        AntiphonError: The file cannot be written, or the session has no JSON form at all.
    """
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with unfinished.open("w", encoding="utf-8") as out:
            out.write(session.model_dump_json(indent=2, fallback=repr))
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    except OSError as error:
        raise AntiphonError(f"the session could not be saved as {file}: {error.strerror}") from error
    except (PydanticSerializationError, ValueError) as error:  # ValueError: a circular reference
        raise AntiphonError(f"the session could not be saved as {file}: {error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
