"""Why two prompts differ, as far as their words tell: a time, a random id, the order of a set."""

from __future__ import annotations

import re
from typing import Final

from pytest_templates.cassettes.documents import Json

_WORDS: Final = re.compile(r"\w+")
_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec"
_DAYS: Final = "mon tue wed thu fri sat sun"
_NAMES: Final = "|".join(f"{name}[a-z]*" for name in f"{_MONTHS} {_DAYS}".split())
_KINDS: Final = (
    (
        re.compile(r"\b0x[0-9a-f]{6,}\b", re.IGNORECASE),
        "It holds the address of an object: give its class a __repr__ or a __str__, or say an attribute of it instead.",
    ),
    (
        re.compile(rf"\b({_NAMES})\b|\d+([-:/.]\d+)*\.?|(?<=\d)[TZ](?=\d|\b)|\b[ap]m\b", re.IGNORECASE),
        "It holds a time, or another number: hand it in as metadata, and freeze or seed it in the test.",
    ),
    (
        re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8,}\b", re.IGNORECASE),
        "It holds a random id: hand the id in as metadata, or seed what makes it.",
    ),
)
_ORDER: Final = "It says the same words in another order, as a set does: sort them."
_ANY: Final = "Freeze the time, sort what is a set, and seed what is random, or hand it in as metadata."


def remedy(old: Json, new: Json) -> str:
    """What to do about two bodies that are not the same, as text or as JSON."""
    before, after = _texts(old), _texts(new)
    if _in_order(before) == _in_order(after):
        return _ORDER
    return next((text for kind, text in _KINDS if kind.sub("*", before) == kind.sub("*", after)), _ANY)


def _in_order(text: str) -> list[str]:
    return sorted(_WORDS.findall(text))


def _texts(value: Json) -> str:
    """All that a body says."""
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_texts(inner)}" for name, inner in value.items())
    return "\n".join(map(_texts, value)) if isinstance(value, list) else str(value)
