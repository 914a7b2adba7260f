"""The last look at a cassette before it is written: no secret may be left in it."""

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
from pytest_templates.redaction.secrets import Leak, Secrets

_INTERACTION: Final = re.compile(r"- template: (.*)")
_SECTION: Final = re.compile(r"  (request|response):")
_PART: Final = re.compile(r"    (\w+):.*")
_PACKED: Final = re.compile(
    r'^ +base64: (?:"?([A-Za-z0-9+/=]+)"?$|[|0-9+-]+\n((?: +[A-Za-z0-9+/=]+\n)+))', re.MULTILINE
)


@dataclass(frozen=True)
class Finding:
    """A secret in the text of a cassette.

    Attributes:
        what: What it is, such as ``the value of the environment variable OPENAI_API_KEY``; never the secret itself.
        line: The line it begins on, from 1; that of the body where it is within base64.
        place: Where that is in the cassette, in words, such as ``interaction 2, request body``.
    """

    what: str
    line: int
    place: str


def find_leaks(text: str, secrets: Secrets) -> list[Finding]:
    """Every secret that is left in the text of a cassette, in order."""
    leaks = sorted({(leak.line, leak.what) for leak in _leaks(text, secrets)})
    return [Finding(what, line, _place(text, line)) for line, what in leaks]


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
            f"({first.place}){more}.\n"
            f"It stands where no placeholder can. {_remedy(first)}"
        )


def _remedy(finding: Finding) -> str:
    unset = ", or unset the variable while you record" if "environment variable" in finding.what else ""
    return f"Keep it out of what is sent and answered{unset}."


def _leaks(text: str, secrets: Secrets) -> Iterator[Leak]:
    """What is in the text as it stands, and in bodies that are written in base64."""
    yield from secrets.find_all(text)
    for body in _PACKED.finditer(text):
        line = text.count("\n", 0, body.start()) + 1
        yield from (Leak(leak.what, line) for leak in secrets.find_all(_unpacked(body[1] or body[2])))


def _unpacked(text: str) -> str:
    with suppress(binascii.Error):  # no body then, but words in a prompt
        return base64.b64decode("".join(text.split())).decode("utf-8", "surrogateescape")
    return ""


def _place(text: str, line: int) -> str:
    """Where in the cassette a line is, in words."""
    lines = text.split("\n")[:line]
    number = sum(bool(_INTERACTION.match(line)) for line in lines)
    if not number:
        return "heading"
    start = max(index for index, line in enumerate(lines) if _INTERACTION.match(line))
    section = _last(_SECTION, lines[start:]) or "heading"
    part = _last(_PART, lines[start:]) if section != "heading" else ""
    return f"interaction {number}, {section} {part}".rstrip()


def _last(pattern: re.Pattern[str], lines: list[str]) -> str:
    return next((found[1] for line in reversed(lines) if (found := pattern.fullmatch(line))), "")
