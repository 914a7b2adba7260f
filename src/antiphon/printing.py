"""Text as it may be printed: what steers a terminal, hides, or reverses what follows is written out."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

# Controls, marks of direction, line and paragraph separators, surrogates, and what takes no place at all: joiners where
# no script needs them, fillers, tags, variation selectors. Spaces, accents and emoji stay. A pattern of `re.sub`, which
# compiles it for the first text that needs it.
_HIDDEN: Final = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f\u200c\u200d])"
)


def visible(text: str, *, keep: str = "") -> str:
    r"""A text in which nothing is hidden: ``\x1b``, ``\u202e`` and ``\n`` are written out, ordinary text stays.

    Args:
        text: The text.
        keep: Characters that stay as they are. Where line feeds do, those with a carriage return are such.
    """
    if text.isascii() and text.isprintable():
        return text
    if "\n" in keep:
        text = text.replace("\r\n", "\n")
    return re.sub(_HIDDEN, lambda found: found[0] if found[0] in keep else _written_out(found[0]), text)


def public_address(url: str) -> str:
    """An address without what may be secret in it: the user, the query and the fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
