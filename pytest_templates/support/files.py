"""Files: written whole or not at all, and names made of the names of tests."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from threading import get_ident
from typing import Final

CACHE_FOLDER: Final = ".antiphon_cache"  # hidden, in the folder of a project: what runs keep or leave there
_MAX_STEM_BYTES: Final = 110
_HASH_BYTES: Final = 4
_MAX_NAME_BYTES: Final = 200  # file systems take 255, and beside a file there may be one with a longer name
# Patterns are texts, which `re` compiles once, when they are first used: every run of pytest imports this module.
_UNSAFE: Final = r"[^\w\[\].,=+@()-]"
_UNSAFE_START: Final = r"^[.\-]+"
_LOOKS_HASHED: Final = rf"-[0-9a-f]{{{2 * _HASH_BYTES}}}$"
_RESERVED: Final = (
    r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[\d\u00b9\u00b2\u00b3]|lpt[\d\u00b9\u00b2\u00b3])\s*(\.|$)"
)
_FORBIDDEN: Final = frozenset('<>:"\\|?*')  # on Windows


def safe_name(name: str) -> str:
    """A file's name, without suffix, for any text: different for every text, valid on every file system.

    A text that a file system would refuse, cut, or mix up with another (``a?`` and ``a*``, ``Test`` and ``test``) is
    made safe and gets a short hash of the original.
    """
    safe = re.sub(_UNSAFE_START, "_", safe_part(name)) or "_"
    safe = _shortened(f"_{safe}" if re.match(_RESERVED, safe) else safe)
    if safe == name and _is_unmistakable(name):
        return safe
    return f"{safe}-{_short_hash(name)}"


def safe_part(text: str) -> str:
    """A part of a text as it stands in the `safe_name` of the whole, where that is not too long."""
    return re.sub(_UNSAFE, "_", unicodedata.normalize("NFC", text))


def refuse_unportable(path: str) -> None:
    """Refuse a path, with ``/`` between its parts, that not every system could have below a folder; ``""`` is none.

    Raises:
        ValueError: The text says which part, and why.
    """
    for part in path.split("/") if path else ():
        problem = _why_unportable(part)
        if problem:
            raise ValueError(f"{part!r} {problem}" if len(part) < _MAX_STEM_BYTES else f"a part of it {problem}")


def _why_unportable(part: str) -> str:
    bad = next((character for character in part if character in _FORBIDDEN or not character.isprintable()), "")
    if not part.strip("."):
        return "is no name of a file"
    if bad:
        return f"holds the character {bad!r}"
    if part[-1] in ". ":
        return "ends in a dot or a space, which Windows drops"
    if re.match(_RESERVED, part):
        return "is the name of a device on Windows"
    return "is too long" if len(part.encode("utf-8")) > _MAX_NAME_BYTES else ""


def is_hashed(name: str) -> bool:
    """Whether a name ends like one that was made safe."""
    return bool(re.search(_LOOKS_HASHED, name))


def _is_unmistakable(name: str) -> bool:
    """Whether no other name can lead to the same file, on any file system."""
    return name.isascii() and name == name.lower() and not is_hashed(name)


def _shortened(name: str) -> str:
    return name.encode("utf-8", "replace")[: _MAX_STEM_BYTES - 2 * _HASH_BYTES - 1].decode("utf-8", "ignore")


def _short_hash(name: str) -> str:
    return blake2b(name.encode("utf-8", "backslashreplace"), digest_size=_HASH_BYTES).hexdigest()


def atomic_write(path: Path, content: str | bytes | Iterator[bytes]) -> None:
    """Write a file, wholly or not at all, a text with the same line ends on every system.

    Args:
        path: The file.
        content: All of it, or its parts, one after the other.

    Raises:
        OSError: The file system refuses; an older file stays as it is.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}")  # a hidden file, which others pass over
    try:
        content = content.encode("utf-8") if isinstance(content, str) else content
        with unfinished.open("wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def path_within(path: Path, folder: Path) -> Path | None:
    """A path from a folder on; ``None`` where it lies elsewhere."""
    return path.relative_to(folder) if path.is_relative_to(folder) else None


def shown_in(folder: Path, place: Path | str) -> str:
    """A place as it is shown to somebody in a folder: from that folder on where it lies there; a URL as it is."""
    return str(place).removeprefix(f"{folder}{os.sep}")
