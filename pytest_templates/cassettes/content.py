"""Bodies without secrets, each by its kind: JSON stays JSON, a stream keeps its events, a form its fields."""

from __future__ import annotations

import re
from typing import Final

from pytest_templates.cassettes.addresses import scrub_form
from pytest_templates.cassettes.arrivals import EVENTS, LINES
from pytest_templates.cassettes.documents import Json, JsonError, dumps, may_be_json, parse, style_of
from pytest_templates.cassettes.members import without_members
from pytest_templates.cassettes.policy import SECRET_MEMBERS, SECRET_PARAMETERS
from pytest_templates.cassettes.secrets import PLACEHOLDER, Secrets
from pytest_templates.cassettes.strands import scrub_strands
from pytest_templates.cassettes.values import Headers, header

_LINE: Final = re.compile(r"(data: ?)?([^\r\n]+)")
_SECRET_MEMBER: Final = re.compile(rf'"(?:{"|".join(sorted(SECRET_MEMBERS))})\\*"', re.IGNORECASE)
_SECRET_FIELD: Final = re.compile(
    rf'(name="(?:{"|".join(sorted(SECRET_PARAMETERS))})"[^\r\n]*(?:\r?\n[^\r\n]+)*\r?\n\r?\n)(?:(?!\r?\n--).)*',
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\+u00(?!22|5c)([2-7][0-9a-f])", re.IGNORECASE)


def scrub_body(headers: Headers, body: bytes, secrets: Secrets) -> bytes:
    """A body, not compressed, without secrets.

    Args:
        headers: The headers that came with it; their content type says what it is.
        body: The bytes.
        secrets: What may not be kept.
    """
    kind = header(headers, "content-type").lower()
    text = body.decode("utf-8", "surrogateescape")
    if kind.startswith(EVENTS):
        text = _lines(scrub_strands(text, secrets, prefix="data:"), secrets)
    elif kind.startswith(LINES):
        text = _lines(scrub_strands(text, secrets), secrets)
    elif may_be_json(headers, body):
        text = _document(text, secrets)
    elif kind.startswith("application/x-www-form-urlencoded"):
        text = secrets.replace(scrub_form(text, secrets))
    elif kind.startswith("multipart/"):
        text = _plain(_SECRET_FIELD.sub(rf"\g<1>{PLACEHOLDER}", text), secrets)
    else:
        text = _plain(text, secrets)
    return text.encode("utf-8", "surrogateescape")


def _lines(text: str, secrets: Secrets) -> str:
    if not _needs_reading(text, secrets):
        return text
    return _LINE.sub(lambda line: (line[1] or "") + _document(line[2], secrets), text)


def _document(text: str, secrets: Secrets) -> str:
    """A text that may be JSON: in JSON only whole strings are touched, so that it stays JSON."""
    if not _needs_reading(text, secrets):
        return text
    try:
        value = parse(text)
        replaced = _value(value, secrets)
    except (JsonError, RecursionError):
        return _plain(text, secrets)
    return text if replaced == value else dumps(replaced, style_of(text, value) or "compact-ascii")


def _needs_reading(text: str, secrets: Secrets) -> bool:
    """Whether there may be a secret in it, also behind escapes: most documents hold none, and reading takes time."""
    may_hide = "\\u" in text or "\\/" in text
    return may_hide or bool(_SECRET_MEMBER.search(text)) or secrets.find(text) is not None


def _value(value: Json, secrets: Secrets) -> Json:
    if isinstance(value, str):
        return secrets.replace(without_members(value))
    if isinstance(value, list):
        return [_value(inner, secrets) for inner in value]
    if isinstance(value, dict):
        return _object(value, secrets)
    return value


def _object(members: dict[str, Json], secrets: Secrets) -> dict[str, Json]:
    """The members; two names that would become one are told apart by a number."""
    scrubbed: dict[str, Json] = {}
    for name, value in members.items():
        key, count = secrets.replace(name), 2
        while key in scrubbed or (key != name and key in members):
            key, count = f"{PLACEHOLDER}-{count}", count + 1
        scrubbed[key] = _member(name, value, secrets)
    return scrubbed


def _member(name: str, value: Json, secrets: Secrets) -> Json:
    is_secret = name.lower() in SECRET_MEMBERS and isinstance(value, str) and value
    return PLACEHOLDER if is_secret else _value(value, secrets)


def _plain(text: str, secrets: Secrets) -> str:
    """A text of no known kind; letters that are escaped as in JSON are read where they hide something."""
    read = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)
    return secrets.replace(read if read != text and secrets.find(read) else text)
