"""The cassettes of a store, and which of them no test has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from pytest_templates.cassettes.paths import without_overrides
from pytest_templates.cassettes.storage.store import Store

if TYPE_CHECKING:
    from pytest_templates.cassettes.collection import CollectedPlace


_BEGINNINGS: Final = (
    b"version: 1\ninteractions:\n- template:",
    b"version: 1\ninteractions: []\n",
    b"version: 1\ninteractions:\nend: true\n",
)
_VERSION: Final = re.compile(rb"\Aversion: *[^\s:]+ *(?=\n|\Z)")
_OWN_LINES: Final = re.compile(
    rb"^(?:- template:.*\n  model:|  checksum: \"?[0-9a-f]{12}\"?$|end:\n  interactions:)", re.MULTILINE
)
_NOT_ASCII: Final = b"\0\xff\xfe\xef\xbb\xbf"  # what UTF-16 and UTF-32 put between, and the marks of encodings


def says_ours(content: bytes) -> bool:
    """Whether a file says that it is a cassette of this plugin; one that is damaged or cut off says so as well.

    Others, such as vcrpy's cassettes and settings of other programs, may lie in the same folder, and may begin with a
    version, too.
    """
    text = content.translate(None, _NOT_ASCII).replace(b"\r\n", b"\n")
    if _OWN_LINES.search(text):
        return True
    text = _VERSION.sub(b"version: 1", text)
    return bool(text.strip()) and any(beginning.startswith(text[: len(beginning)]) for beginning in _BEGINNINGS)


def cassettes_in(store: Store) -> list[Path]:
    """Every cassette of a store, in order; files that are none, such as vcrpy's, are left out. Raises `OSError`."""
    return [path for path in store.paths() if _is_cassette(path, store)]


def orphans(found: Sequence[CollectedPlace], store: Store) -> list[Path]:
    """The cassettes of a store that no test has.

    What a test has recorded with other models is its own as well. A cassette whose module was not collected is none:
    its test may be in there. The same goes, where any module was left out, for cassettes that may be shared by name.

    Args:
        found: What was collected of all tests whose cassettes lie in the store.
        store: Where the cassettes lie.

    Raises:
        OSError: The store cannot be read.
    """
    owned = {key_of_name(name) for place in found for name in place["owners"]}
    return [
        path
        for path in store.paths()
        if key_of_name(name := without_overrides(path.relative_to(store.folder).as_posix())) not in owned
        and all(is_known(PurePosixPath(name).parent, place) for place in found)
        and _is_cassette(path, store)
    ]


def is_known(module: PurePosixPath, found: CollectedPlace) -> bool:
    """Whether all tests are known that could have a cassette in the folder of this module.

    Args:
        module: Its path from the folder of the project, without ``.py``.
        found: What was collected.
    """
    from pytest_templates.cassettes.places import Place  # loads pytest, which those who only read files do not need

    if key_of_name(module.as_posix()) in map(key_of_name, found["modules"]):
        return True
    root = Path(Place(*found["place"]).modules)
    exists = (root / f"{module}.py").is_file() or (root / module).is_file()
    return not exists and not found["left_out"]


def _is_cassette(path: Path, store: Store) -> bool:
    return says_ours(store.read(path) or b"")


def key_of_name(name: str) -> str:
    """A name as the most forgiving file system sees it."""
    return unicodedata.normalize("NFC", name).casefold()
