"""Searching the text of a cassette for secrets before it is written: none may be left in it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePath
from typing import Final, TypeAlias

from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Leak, Secrets, Source
from pytest_templates.redaction.windows import slices
from pytest_templates.support.yaml_text import Place, places_of

Text: TypeAlias = str | Iterable[bytes]  # of a cassette; it may come in blocks of UTF-8, whenever it is read
_MARK: Final = " base64: "
_PACKED: Final = re.compile(r' +base64: (?:"?([A-Za-z0-9+/=]+)"?|[|0-9+-]+)')
_PACKED_LINE: Final = re.compile(r" +[A-Za-z0-9+/=]+")
_LONGEST: Final = 2**17  # characters


@dataclass(frozen=True)
class Finding:
    """A secret in the text of a cassette.

    Attributes:
        source: What it is.
        line: The line it begins on, from 1; that of the body where it is within base64.
        place: The way to what is written in that line: names and indices.
    """

    source: Source
    line: int
    place: Place

    @property
    def what(self) -> str:
        """What it is, in words."""
        return self.source.what

    @property
    def where(self) -> str:
        """Where in the cassette it is, in words, such as ``interaction 2, request body``."""
        if self.place[:1] != ("interactions",) or len(self.place) == 1:
            return "heading"
        _, index, *way = self.place
        part = " ".join(map(str, way[:2])) if way and way[0] in {"request", "response"} else "heading"
        return f"interaction {int(index) + 1}, {part}"


def find_leaks(text: Text, secrets: Secrets) -> list[Finding]:
    """Every secret that is left in the text of a cassette, in order."""
    leaks = sorted({(leak.line, leak.source) for leak in _leaks(text, secrets)})
    places = places_of("".join(_parts(text)), [line for line, _ in leaks]) if leaks else []
    return [Finding(source, line, place) for (line, source), place in zip(leaks, places, strict=True)]


def refuse_leaks(place: str, text: Text, secrets: Secrets) -> None:
    """Raise when a text about to be written holds a secret, or the name of its file.

    Args:
        place: Where it is to be written.
        text: The text.
        secrets: What must not be in either.

    Raises:
        CassetteError: Says what it is and where it stands, never the value.
    """
    named = secrets.find(PurePath(place).name)
    if named:
        raise CassetteError(
            f"{secrets.replace(place)}: the cassette was not written, because its name would hold {named.what}.\n"
            'Give the parameter of the test an id: pytest.param(..., id="...").'
        )
    findings = find_leaks(text, secrets)
    if findings:
        first, *others = findings
        more = f"; there are {len(others)} more" if others else ""
        raise CassetteError(
            f"{place}: the cassette was not written, because it would hold {first.what} in line {first.line} "
            f"({first.where}){more}.\n"
            f"It stands where no placeholder can. {_remedy(first)}"
        )


def _remedy(finding: Finding) -> str:
    unset = ", or unset the variable while you record" if finding.source.variable else ""
    return f"Keep it out of what is sent and answered{unset}."


def _leaks(text: Text, secrets: Secrets) -> Iterator[Leak]:
    """What is in the text as it stands, and in bodies that are written in base64."""
    holds_packed: list[bool] = []
    if secrets.spans_in(_watched(text, holds_packed)):
        yield from secrets.find_all("".join(_parts(text)))
    if any(holds_packed):
        for line, body in _packed(_parts(text)):
            yield from (Leak(source, line) for _, _, source in secrets.spans_in(body))


def _parts(text: Text) -> Iterator[str]:
    return slices(text) if isinstance(text, str) else (block.decode("utf-8") for block in text)


def _watched(text: Text, holds_packed: list[bool]) -> Iterator[str]:
    """The parts; notes of each whether a body in base64 may begin in it."""
    for part in _parts(text):
        holds_packed.append(_MARK in part)
        yield part


def _packed(parts: Iterable[str]) -> Iterator[tuple[int, Iterator[str]]]:
    """The bodies in base64, unpacked, in parts, each with the line that it begins on; to be read one by one."""
    lines = _lines(parts)
    for number, line in lines:
        found = _PACKED.fullmatch(line)
        if found:
            yield number, _unpacked([found[1]] if found[1] else takewhile(_PACKED_LINE.fullmatch, map(_second, lines)))


def _second(pair: tuple[int, str]) -> str:
    return pair[1]


def _lines(parts: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, from 1; a line that is longer than any of base64 is empty."""
    number, begun = 1, ""
    for part in parts:
        *lines, rest = part.split("\n")
        for line in lines:
            yield number, begun + line
            number, begun = number + 1, ""
        begun = begun + rest if len(begun) < _LONGEST else begun
    yield number, begun


def _unpacked(lines: Iterable[str]) -> Iterator[str]:
    with suppress(binascii.Error):  # no body then, but words in a prompt
        waiting = ""
        for line in lines:
            waiting += line.strip()
            if len(waiting) >= _LONGEST and not len(waiting) % 4:
                yield base64.b64decode(waiting).decode("utf-8", "surrogateescape")
                waiting = ""
        yield base64.b64decode(waiting).decode("utf-8", "surrogateescape")
