"""Secret values, such as those of the environment, found and replaced in every encoding in which they are sent."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from pytest_templates.redaction.addresses import address_spans
from pytest_templates.redaction.key_patterns import keys_in
from pytest_templates.redaction.policy import COMMON_VALUES, HOST, NO_SECRET_NAME, SECRET_NAME
from pytest_templates.redaction.shortened import spans_of_parts
from pytest_templates.redaction.windows import WINDOW, slices, windows

_RUN: Final = re.compile(r"[A-Za-z0-9._~-]+")  # what addresses and JSON leave as it is (RFC 3986, section 2.3)
_KEY_LINE: Final = re.compile(r"[A-Za-z0-9+/=]{32,}")
_IN_BASE64: Final = "[A-Za-z0-9+/_-]"


Values: TypeAlias = "Mapping[str, Source]"  # secret values, each with what it is
Span: TypeAlias = "tuple[int, int, Source]"  # start and end of a secret in a text, and what it is


class Source(NamedTuple):
    """What a secret is, and where it comes from.

    Attributes:
        what: In words for an error, such as ``the value of the environment variable OPENAI_API_KEY``; never the value.
        variable: The name of the environment variable that holds it; ``""`` for none.
    """

    what: str
    variable: str = ""


@dataclass(frozen=True)
class EncodedSecret:
    """A secret in one encoding.

    Attributes:
        source: What secret it is.
        core: A text that is in the encoded secret wherever it stands.
        expression: The whole, as a regular expression.
    """

    source: Source
    core: str
    expression: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.expression)

    def found_in(self, text: str) -> Iterator[Span]:
        """Where it stands in a text."""
        if self.core in text:  # many times faster than the regular expression
            for found in self._pattern.finditer(text):
                yield found.start(), found.end(), self.source


@lru_cache(maxsize=1024)
def encodings_of(value: str, source: Source) -> tuple[EncodedSecret, ...]:
    """A secret value in every encoding."""
    return tuple(_encodings(value, source))


def _encodings(value: str, source: Source) -> Iterator[EncodedSecret]:
    yield _encoded(source, value)
    raw = value.encode("utf-8", "surrogateescape")
    yield from (_encoded(source, digits) for digits in {raw.hex(), raw.hex().upper()})
    for before in range(3):
        yield from _base64_encodings(raw, before, source)
    if "\n" in value:  # in a report, each line of a key may have a margin
        yield from (_encoded(source, line) for line in _KEY_LINE.findall(value))


def _encoded(source: Source, text: str, before: str = "", after: str = "") -> EncodedSecret:
    core = max(_RUN.findall(text), key=len, default="")
    return EncodedSecret(source, core, before + "".join(map(_character, text)) + after)


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


def _base64_encodings(raw: bytes, before: int, source: Source) -> Iterator[EncodedSecret]:
    """The value in base64 behind so many other bytes, modulo three; characters shared with neighbours belong to it."""
    first, last = (0, 2, 3)[before], (before + len(raw)) // 3 * 4
    shared_before = f"{_IN_BASE64}?" if before else ""
    shared_after = f"{_IN_BASE64}{{0,{(0, 2, 3)[(before + len(raw)) % 3]}}}=*"
    core = base64.b64encode(bytes(before) + raw).decode()[first:last]
    for text in {core, core.translate(str.maketrans("+/", "-_"))}:
        yield _encoded(source, text, shared_before, shared_after)


PLACEHOLDER: Final = "REDACTED"
_MIN_LENGTH: Final = 8  # characters; shorter values are words that occur by chance
_MAX_PASSES: Final = 5
_SHORT: Final = 256  # characters of a text that may stand in many places, as addresses and values of headers do
_MOST_SHORT: Final = 256
_PATH_STARTS: Final = ("/", "~", "./", "../", "C:\\")


@dataclass(frozen=True)
class Leak:
    """A secret that stands in a text.

    Attributes:
        source: What it is.
        line: The line it begins on, from 1.
    """

    source: Source
    line: int

    @property
    def what(self) -> str:
        """What it is, in words."""
        return self.source.what


class Secrets:
    """What may not be kept: some values, in every encoding, and whatever looks like a key of a known provider.

    Args:
        values: The values, each with what it is.
    """

    def __init__(self, values: Values) -> None:
        self._values = longest_first = sorted(values, key=len, reverse=True)
        self._encodings = [encoded for value in longest_first for encoded in encodings_of(value, values[value])]
        self._short = lru_cache(maxsize=_MOST_SHORT)(self._replaced)

    def replace(self, text: str, *, is_shortened: bool = False) -> str:
        """The text with a placeholder for every secret.

        Args:
            text: The text.
            is_shortened: Whether the middle of a secret may be left out, as pytest does: then for its ends as well.
        """
        text = self._short(text) if len(text) <= _SHORT else self._replaced(text)
        if is_shortened:
            parts = ((start, end, Source("a part of a secret")) for start, end in spans_of_parts(text, self._values))
            text = _cut_out(text, merged(sorted(parts)))
        return text

    def _replaced(self, text: str) -> str:
        for _ in range(_MAX_PASSES):
            spans = self.spans(text)
            if not spans:
                break
            text = _cut_out(text, spans)
        return text

    def replace_in(self, value: Any, *, is_shortened: bool = False) -> Any:
        """A plain value with a placeholder for every secret in its texts, names included; see ``replace``."""
        return self._replaced_in(value, is_shortened, {})

    def _replaced_in(self, value: Any, is_shortened: bool, known: dict[str, str]) -> Any:
        """The same; a text that stands in many places, as the names of fields do, is searched once."""
        if isinstance(value, str):
            found = known.get(value)
            if found is None:
                found = known[value] = self.replace(value, is_shortened=is_shortened)
            return found
        if isinstance(value, list | tuple):
            return [self._replaced_in(inner, is_shortened, known) for inner in value]
        if isinstance(value, dict):
            return {
                self._replaced_in(name, is_shortened, known): self._replaced_in(inner, is_shortened, known)
                for name, inner in value.items()
            }
        return value

    @property
    def is_empty(self) -> bool:
        """Whether there are no values: what looks like a key is found in any case."""
        return not self._values

    def may_hold_values(self, text: str) -> bool:
        """Whether one of the values may stand in a text, in any encoding; what looks like a key is not looked for."""
        return any(encoded.core in text for encoded in self._encodings)

    def stand_in(self, text: str) -> bool:
        """Whether one of them stands in a text, or what looks like a secret."""
        return any(True for _ in self._found(text)) if len(text) <= WINDOW else bool(self.spans(text))

    def find(self, text: str) -> Leak | None:
        """The first secret in a text, if there is one."""
        return next(self._leaks(text), None)

    def find_all(self, text: str) -> list[Leak]:
        """Every secret in a text, in order."""
        return list(self._leaks(text))

    def _leaks(self, text: str) -> Iterator[Leak]:
        line, done = 1, 0
        for start, _, source in self.spans(text):
            line, done = line + text.count("\n", done, start), start
            yield Leak(source, line)

    def spans(self, text: str) -> list[Span]:
        """Where secrets are in a text, in order; what overlaps is one."""
        return merged(sorted(self._found(text))) if len(text) <= WINDOW else self.spans_in(slices(text))

    def spans_in(self, parts: Iterable[str]) -> list[Span]:
        """The same for a text that comes in parts."""
        return merged(
            (window.start + start, window.start + end, source)
            for window in windows(parts)
            for start, end, source in sorted(self._found(window.text))
            if window.first <= start < window.last
        )

    def _found(self, text: str) -> Iterator[Span]:
        for encoded in self._encodings:
            yield from encoded.found_in(text)
        yield from ((start, end, Source(what)) for start, end, what in keys_in(text))
        yield from ((start, end, Source(what)) for start, end, what in address_spans(text, PLACEHOLDER))


def secrets_of(environ: Mapping[str, str] = os.environ) -> Secrets:
    """The secrets of an environment as it is now."""
    return secrets_for(values_of(environ))


def secrets_for(values: Values) -> Secrets:
    """What keeps these values out of a file; made once for equal values."""
    return _secrets(tuple(sorted(values.items())))


def values_of(environ: Mapping[str, str] = os.environ) -> Values:
    """The secret values of an environment.

    A variable counts as secret when its name holds KEY, TOKEN, SECRET, PASSWORD or CREDENTIAL and its value has eight
    characters or more; not where the value is an everyday word, a file that exists or the address of a host, nor where
    the name speaks of a tokenizer or a keyboard.
    """
    named = {name: environ[name].strip() for name in environ if _names_secret(name)}
    return {
        value: Source(f"the value of the environment variable {name}", variable=name)
        for name, value in sorted(named.items(), reverse=True)
        if is_distinctive(value) and not NO_SECRET_NAME.search(name) and not _is_place(value)
    }


@lru_cache(maxsize=1024)  # an environment is read again and again, and few of its names change
def _names_secret(name: str) -> bool:
    return bool(SECRET_NAME.search(name))


def is_distinctive(value: str) -> bool:
    """Whether a value is long and rare enough not to occur in a text by chance."""
    return len(value) >= _MIN_LENGTH and value.lower() not in COMMON_VALUES and value != PLACEHOLDER


@lru_cache(maxsize=16)
def _secrets(values: tuple[tuple[str, Source], ...]) -> Secrets:
    return Secrets(dict(values))


def _is_place(value: str) -> bool:
    """Whether a value says where something is: a secret that looks like a path does not exist as a file."""
    return bool(HOST.fullmatch(value)) or (value.startswith(_PATH_STARTS) and _exists(value))


def _exists(value: str) -> bool:
    try:
        return Path(value).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a zero byte, no home
        return False


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans, which come in order, with those that overlap made one."""
    apart: list[Span] = []
    for start, end, source in spans:
        if apart and start < apart[-1][1]:
            begin, until, first = apart[-1]
            apart[-1] = (begin, max(until, end), first)
        else:
            apart.append((start, end, source))
    return apart


def _cut_out(text: str, spans: list[Span]) -> str:
    ends = [0, *(end for _, end, _ in spans)]
    starts = [*(start for start, _, _ in spans), len(text)]
    return PLACEHOLDER.join(text[end:start] for end, start in zip(ends, starts, strict=True))
