"""Hashes that people can tell apart: of a text as it is written, without secrets, ids and times."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Any, Final

from pytest_templates.cassettes.reading import cut
from pytest_templates.cassettes.secrets import secrets_of
from pytest_templates.report.data import as_text
from pytest_templates.snapshots.stable import Stable

_DIGITS: Final = 12
_WORDS: Final = 60  # characters
# what cannot be seen, or turns what stands beside it round: the same in every version of Unicode
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def named(name: str, text: str, *more: str) -> str:
    """A name, a hash and the first words of a text: ``user 0a4c52d7e913: What is this about?``.

    Args:
        name: What the text is.
        text: The text.
        *more: What is hashed as well, and not shown.
    """
    words = cut(_UNSEEN.sub("", " ".join(kept(text).split())), _WORDS)
    return f"{name} {digest(text, *more)}: {words}".removesuffix(": ")


def digest(*texts: str) -> str:
    """The hash of some texts, in hexadecimal digits."""
    return sha256("\0".join(map(kept, texts)).encode()).hexdigest()[:_DIGITS]


def kept(text: str) -> str:
    """A text as it may be kept: no secret is in it, nor what differs from run to run."""
    return Stable().text(secrets_of().replace(as_text(text)))


def canonical(value: Any) -> str:
    """A plain value as JSON that is the same wherever it is written."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
