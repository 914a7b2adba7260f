"""Searching the text of a cassette for secrets before it is written: none may be left in it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import Leak, Secrets, Source
from pytest_templates.support.yaml_text import Place, places_of

_PACKED: Final = re.compile(
    r'^ +base64: (?:"?([A-Za-z0-9+/=]+)"?$|[|0-9+-]+\n((?: +[A-Za-z0-9+/=]+\n)+))', re.MULTILINE
)


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


def find_leaks(text: str, secrets: Secrets) -> list[Finding]:
    """Every secret that is left in the text of a cassette, in order."""
    leaks = sorted({(leak.line, leak.source) for leak in _leaks(text, secrets)})
    places = places_of(text, [line for line, _ in leaks]) if leaks else []
    return [Finding(source, line, place) for (line, source), place in zip(leaks, places, strict=True)]


def refuse_leaks(place: str, text: str, secrets: Secrets) -> None:
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


def _leaks(text: str, secrets: Secrets) -> Iterator[Leak]:
    """What is in the text as it stands, and in bodies that are written in base64."""
    yield from secrets.find_all(text)
    for body in _PACKED.finditer(text):
        line = text.count("\n", 0, body.start()) + 1
        yield from (Leak(leak.source, line) for leak in secrets.find_all(_unpacked(body[1] or body[2])))


def _unpacked(text: str) -> str:
    with suppress(binascii.Error):  # no body then, but words in a prompt
        return base64.b64decode("".join(text.split())).decode("utf-8", "surrogateescape")
    return ""
