"""Secret members of JSON that stands in a text, as the arguments of a tool call do, and what a tool returns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pytest_templates.cassettes.policy import SECRET_MEMBERS
from pytest_templates.cassettes.secrets import PLACEHOLDER, Span

_MEMBER: Final = re.compile(
    rf'"(?:{"|".join(sorted(SECRET_MEMBERS))})"\s*:\s*"((?:[^"\\]|\\.)+)"', re.IGNORECASE | re.DOTALL
)


def member_spans(text: str) -> Iterator[Span]:
    """Where the values of secret members are, in a text that begins as JSON does; prose may speak of passwords."""
    if text.lstrip()[:1] in {"{", "["}:
        for member in _MEMBER.finditer(text):
            if member[1] != PLACEHOLDER:
                yield *member.span(1), "the value of a secret member"


def without_members(text: str) -> str:
    """The text with a placeholder for each of these values."""
    for start, end, _ in reversed([*member_spans(text)]):
        text = text[:start] + PLACEHOLDER + text[end:]
    return text
