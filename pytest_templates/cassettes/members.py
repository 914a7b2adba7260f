"""Secret members of JSON that stands in a text, as the arguments of a tool call do, and what a tool returns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from pytest_templates.cassettes.policy import SECRET_MEMBERS
from pytest_templates.cassettes.secrets import PLACEHOLDER, Span, merged

_NAMES: Final = "|".join(sorted(SECRET_MEMBERS))
_CHARACTERS: Final = r'(?:[^"\\]|\\.)'
_MEMBER: Final = re.compile(  # an answer that was cut short may end in the value
    rf'"(?:{_NAMES})"\s*:\s*"({_CHARACTERS}+)(?:"|\\?\Z)', re.IGNORECASE | re.DOTALL
)
_TEXT: Final = re.compile(rf'"({_CHARACTERS}*)(?:"|\\?\Z)', re.DOTALL)
_NAMED_INSIDE: Final = re.compile(rf'\\"(?:{_NAMES})\\+"', re.IGNORECASE)
_CHARACTER: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)


def member_spans(text: str) -> Iterator[Span]:
    """Where the values of secret members are, in a text that begins as JSON does; prose may speak of passwords."""
    if text.lstrip()[:1] in {"{", "["}:
        for member in _MEMBER.finditer(text):
            if member[1] != PLACEHOLDER:
                yield *member.span(1), "the value of a secret member"
        for inner in _TEXT.finditer(text):
            if _NAMED_INSIDE.search(inner[1]):
                yield from _spans_inside(inner[1], inner.start(1))


def _spans_inside(written: str, start: int) -> Iterator[Span]:
    """The same of a text in that JSON, which may be JSON again, as results of tools that are passed on often are."""
    characters = _CHARACTER.findall(written)
    ends = [*accumulate(map(len, characters), initial=start)]
    for begin, end, what in member_spans("".join(map(_read, characters))):
        yield ends[begin], ends[end], what


def _read(character: str) -> str:
    if len(character) == 1:
        return character
    try:
        return str(json.loads(f'"{character}"', strict=False))
    except ValueError:  # no escape of JSON's
        return character[-1]


def without_members(text: str) -> str:
    """The text with a placeholder for each of these values."""
    for start, end, _ in reversed(merged(sorted(member_spans(text)))):
        text = text[:start] + PLACEHOLDER + text[end:]
    return text
