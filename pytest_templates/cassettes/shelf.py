"""The cassettes of a folder, and which of them no test has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_templates.census import Found

_FIRST_LINE: Final = re.compile(rb"version: *\S")


def cassettes_in(folder: Path) -> list[Path]:
    """Every cassette below a folder, in order; files that are none, such as vcrpy's, are left out."""
    return [path for path in yaml_files_in(folder) if _is_cassette(path)]


def yaml_files_in(folder: Path) -> list[Path]:
    """Every file below a folder that could be a cassette, in order."""
    return sorted(path for path in folder.rglob("*.yaml") if path.is_file() and not _is_hidden(path, folder))


def left_behind_in(folder: Path) -> list[Path]:
    """What runs that were killed left below a folder, in order: files that are not whole, and journals."""
    journals = (path for path in folder.glob(".journal/*") if path.name not in {".gitignore", "lock"})
    return sorted(path for path in (*folder.rglob(".*.tmp"), *journals) if path.is_file())


def orphans(found: Found, folder: Path, root: Path) -> list[Path]:
    """The cassettes of a folder that no test has.

    A cassette whose module was not collected is none: its test may be in there. The same goes, where any module was
    left out, for cassettes that may be shared by name.

    Args:
        found: What was collected.
        folder: The folder of the cassettes.
        root: pytest's root directory.
    """
    owned = set(map(_key, found["owners"]))
    modules = set(map(_key, found["modules"]))
    return [
        path
        for path in cassettes_in(folder)
        if _key(path.relative_to(folder).as_posix()) not in owned
        and _is_known(path.parent.relative_to(folder), modules, root, left_out=found["left_out"])
    ]


def _is_known(module: Path, modules: Iterable[str], root: Path, *, left_out: bool) -> bool:
    """Whether all tests are known that could have a cassette in the folder of this module."""
    if _key(module.as_posix()) in modules:
        return True
    exists = (root / f"{module}.py").is_file() or (root / module).is_file()
    return not exists and not left_out


def _is_cassette(path: Path) -> bool:
    with path.open("rb") as file:
        return bool(_FIRST_LINE.match(file.read(80)))


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _key(name: str) -> str:
    """A name as the most forgiving file system sees it."""
    return unicodedata.normalize("NFC", name).casefold()
