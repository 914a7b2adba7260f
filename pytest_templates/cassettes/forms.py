"""The forms in which a secret travels: as it is, with escapes of addresses and JSON, in base64 and in hexadecimal."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_RUN: Final = re.compile(r"[A-Za-z0-9._~-]+")  # what addresses and JSON leave as it is (RFC 3986, section 2.3)
_KEY_LINE: Final = re.compile(r"[A-Za-z0-9+/=]{32,}")
_IN_BASE64: Final = "[A-Za-z0-9+/_-]"


@dataclass(frozen=True)
class Form:
    """One form of a secret.

    Attributes:
        what: Whose form it is, in words for an error.
        core: A text that is in the form wherever it stands.
        expression: The whole form, as a regular expression.
    """

    what: str
    core: str
    expression: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.expression)

    def found_in(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where the form is in a text: start, end, and what it is."""
        if self.core in text:  # many times faster than the regular expression
            for found in self._pattern.finditer(text):
                yield found.start(), found.end(), self.what


def forms_of(value: str, what: str) -> Iterator[Form]:
    """Every form of a secret value."""
    yield _form(what, value)
    raw = value.encode("utf-8", "surrogateescape")
    yield from (_form(what, digits) for digits in {raw.hex(), raw.hex().upper()})
    for before in range(3):
        yield from _base64_forms(raw, before, what)
    if "\n" in value:  # in a report, each line of a key may have a margin
        yield from (_form(what, line) for line in _KEY_LINE.findall(value))


def _form(what: str, text: str, before: str = "", after: str = "") -> Form:
    core = max(_RUN.findall(text), key=len, default="")
    return Form(what, core, before + "".join(map(_character, text)) + after)


def _character(character: str) -> str:
    """One character as it is, or with the escapes of addresses (also twice) and of JSON (also JSON within JSON)."""
    if _RUN.fullmatch(character):
        return re.escape(character)
    octets = character.encode("utf-8", "surrogateescape")
    units = character.encode("utf-16-be", "surrogatepass").hex()
    ways = [
        r"\\*" + re.escape(character),
        "(?i:" + "".join(f"%(?:25)?{octet:02x}" for octet in octets) + ")",
        "(?i:" + "".join(rf"\\+u{units[start : start + 4]}" for start in range(0, len(units), 4)) + ")",
        *_OTHER_WAYS.get(character, ()),
    ]
    return f"(?:{'|'.join(ways)})"


_OTHER_WAYS: Final = {" ": (r"\+",), "\n": (r"\\+n", r"\r?\n[ \t]*"), "\r": (r"\\+r",), "\t": (r"\\+t",)}


def _base64_forms(raw: bytes, before: int, what: str) -> Iterator[Form]:
    """The value in base64 behind so many other bytes, modulo three; characters shared with neighbours belong to it."""
    first, last = (0, 2, 3)[before], (before + len(raw)) // 3 * 4
    shared_before = f"{_IN_BASE64}?" if before else ""
    shared_after = f"{_IN_BASE64}{{0,{(0, 2, 3)[(before + len(raw)) % 3]}}}=*"
    core = base64.b64encode(bytes(before) + raw).decode()[first:last]
    for text in {core, core.translate(str.maketrans("+/", "-_"))}:
        yield _form(what, text, shared_before, shared_after)
