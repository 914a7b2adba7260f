"""Reading files of which nobody knows who wrote them: whole, or not at all."""

from __future__ import annotations

import os
import stat
from errno import EFBIG, EINVAL, EIO, EISDIR, ENOENT
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import BinaryIO, Final

MOST_BYTES: Final = 100 * 1024 * 1024  # what code hosts take of one file; read as YAML it takes gigabytes already
_NON_BLOCKING: Final = getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody writes to is opened at once
_BINARY: Final = getattr(os, "O_BINARY", 0)


def read_file(path: Path) -> bytes:
    """What a file holds.

    Raises:
        OSError: It cannot be read, is none (but a pipe or a device, which may never end), or holds more than 100 MB.
    """
    with opened(path) as file:
        content = _content(file.fileno(), os.fstat(file.fileno()).st_size)
    if len(content) > MOST_BYTES:
        raise _too_large(path)
    return content


def opened(path: Path) -> BinaryIO:
    """A file that is opened to be read; nobody waits for one that is none.

    Raises:
        OSError: As `read_file`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NON_BLOCKING | _BINARY)
    except ValueError as error:  # NUL in its name
        raise OSError(EINVAL, f"that is no name of a file: {error}", str(path)) from error
    try:
        _check(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check(about: os.stat_result, path: Path) -> None:
    """Raise `OSError` where this is no file, or too large a one."""
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(about.st_mode):
        raise OSError(EINVAL, "it is a pipe or a device: save what comes out of it in a file", str(path))
    if about.st_size > MOST_BYTES:
        raise _too_large(path)


def _too_large(path: Path | str) -> OSError:
    return OSError(EFBIG, f"it holds more than {MOST_BYTES // 1024**2} MB", str(path))


def _content(descriptor: int, expected: int) -> bytes:
    """All of it, and of too much a bit more than is allowed; a size may be wrong, as of files that grow."""
    parts, left = [], MOST_BYTES + 1
    while left > 0:
        part = os.read(descriptor, min(left, max(expected + 1, 2**16)))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def read_resource(file: Traversable) -> bytes:
    """What a file holds that need not be one of the file system: a part of a package, or of a zip archive.

    Raises:
        OSError: It cannot be read, for whatever reason its container has, or holds more than 100 MB.
    """
    if not file.is_file():
        raise FileNotFoundError(ENOENT, "there is no such file", file.name)
    try:
        with file.open("rb") as opened_file:
            content: bytes = opened_file.read(MOST_BYTES + 1)  # an archive may say that it holds less than it does
    except Exception as error:  # damaged archives, unknown compressions: each container has errors of its own
        raise OSError(EIO, f"{type(error).__name__}: {error}", file.name) from error
    if len(content) > MOST_BYTES:
        raise _too_large(file.name)
    return content


def read_text(file: Path | Traversable) -> str:
    """What a file of text in UTF-8 holds, with line feeds as its line breaks and without a byte order mark.

    Raises:
        OSError: As `read_file`.
        UnicodeDecodeError: It is not UTF-8.
    """
    content = read_file(file) if isinstance(file, Path) else read_resource(file)
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
