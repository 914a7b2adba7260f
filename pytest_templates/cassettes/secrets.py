"""Secret values of the environment: found and replaced in every form in which they travel."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

PLACEHOLDER: Final = "REDACTED"
_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"%[0-9A-F]{2}")
_INDENTATION: Final = re.compile(r"(?m)^ +")
_MIN_LENGTH: Final = 8  # characters; shorter values are words that occur by chance
_MAX_PASSES: Final = 5


@dataclass(frozen=True)
class Leak:
    """A secret that stands in a text.

    Attributes:
        name: The environment variable whose value it is.
        line: The line it begins on, from 1.
    """

    name: str
    line: int


class Secrets:
    """The secret values of one environment.

    A variable counts as secret when its name holds KEY, TOKEN, SECRET, PASSWORD or CREDENTIAL and its value has eight
    characters or more.
    """

    def __init__(self, values: tuple[tuple[str, str], ...]) -> None:
        forms = [(form, name) for name, value in reversed(values) for form in _forms(value)]
        longest_first = sorted({form for form, _ in forms}, key=len, reverse=True)
        self._names = {form.lower(): name for form, name in forms}
        self._pattern = re.compile("|".join(map(_form_pattern, longest_first)) or r"(?!)")

    def replace(self, text: str) -> str:
        """The text with every secret replaced by a placeholder."""
        for _ in range(_MAX_PASSES):
            replaced = self._pattern.sub(PLACEHOLDER, text)
            if replaced == text:
                break
            text = replaced
        return text

    def find(self, text: str) -> Leak | None:
        """The first secret in a text, if there is one."""
        found = self._pattern.search(text)
        return Leak(self._names[found[0].lower()], text.count("\n", 0, found.start()) + 1) if found else None


def secrets_of(environ: Mapping[str, str] = os.environ) -> Secrets:
    """The secrets of an environment as it is now."""
    return _secrets(tuple(sorted(pair for pair in environ.items() if _is_secret(*pair))))


@lru_cache(maxsize=16)
def _secrets(values: tuple[tuple[str, str], ...]) -> Secrets:
    return Secrets(values)


def _is_secret(name: str, value: str) -> bool:
    long_enough = len(value.strip()) >= _MIN_LENGTH
    return long_enough and bool(_NAME.search(name)) and value.strip() not in PLACEHOLDER


def _form_pattern(form: str) -> str:
    """The form as a pattern; the letters in the escapes of an address may be large or small."""
    return _ESCAPE.sub(lambda escape: f"(?i:{escape[0]})", re.escape(form))


def _forms(value: str) -> Iterator[str]:
    """Plain, base64, URL-encoded and JSON-escaped."""
    value = value.strip()
    yield value
    yield _INDENTATION.sub("", value)
    yield from _url_forms(value)
    yield from (json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    yield json.dumps(value)[1:-1].replace("/", r"\/")
    yield from _base64_forms(value.encode("utf-8", "surrogateescape"))


def _url_forms(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogateescape")
    yield from (quote(raw), quote(raw, safe=""), quote_plus(raw))


def _base64_forms(raw: bytes) -> Iterator[str]:
    """The value in base64, alone or behind other bytes: what it looks like depends on how many, modulo three."""
    yield base64.b64encode(raw).decode()
    yield base64.urlsafe_b64encode(raw).decode()
    for before in range(3):
        first, last = (0, 2, 3)[before], (before + len(raw)) // 3 * 4
        core = base64.b64encode(bytes(before) + raw).decode()[first:last]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
