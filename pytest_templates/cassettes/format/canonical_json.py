"""JSON as cassettes see it: read strictly, written in the style in which it was sent, compared canonically."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final, TypeAlias

from pytest_templates.cassettes.recorded import Headers, header
from pytest_templates.support import json_text

_START: Final = re.compile(rb"[ \t\n\r\x0b\x0c]*+[\[{]")
_TEXT_START: Final = re.compile(r"[ \t\n\r\x0b\x0c]*+[\[{]")

Json: TypeAlias = json_text.Json


class JsonError(ValueError):
    """A text is no JSON, or one that does not survive being read: repeated names, numbers beyond a float."""


def parse(body: bytes | str) -> Json:
    """Read JSON of which nothing is lost.

    Raises:
        JsonError: The text is not JSON in UTF-8, repeats a name in an object, or holds ``NaN`` or a number that is
            no finite float.
    """
    return _parse(body, json_text.finite)


def canonical(body: bytes | str) -> Json:
    """Read JSON so that equal values come out equal: as `parse`, and ``1.0`` is ``1``.

    JSON has one kind of number (RFC 8259, section 6), and its canonical form (RFC 8785) writes 1.0 as 1; clients in
    other languages, and newer versions of the same client, differ only in this.
    """
    return _parse(body, _number)


def is_json(headers: Headers) -> bool:
    """Whether the headers say that the body is JSON."""
    return "json" in header(headers, "content-type").lower()


def may_be_json(headers: Headers, body: bytes | str) -> bool:
    """Whether to try reading a body as JSON: its headers say so, or it begins like an object or list."""
    start = _TEXT_START.match(body) if isinstance(body, str) else _START.match(body)
    return is_json(headers) or start is not None


def dumps(value: Json, style: str = "compact") -> str:
    """Write JSON in one of the `STYLES`."""
    return STYLES[style](value)


def style_of(text: str, value: Json) -> str | None:
    """The style that writes exactly this text for its value, if any does."""
    return next((name for name, write in STYLES.items() if write(value) == text), None)


def _writer(item: str, key: str, *, ascii_only: bool = False, indent: int | None = None) -> Callable[[Json], str]:
    encoder = json.JSONEncoder(
        ensure_ascii=ascii_only, separators=(item, key), indent=indent, allow_nan=False, check_circular=False
    )
    return encoder.encode


STYLES: Final[dict[str, Callable[[Json], str]]] = {
    "compact": _writer(",", ":"),
    "compact-ascii": _writer(",", ":", ascii_only=True),
    "spaced": _writer(", ", ": "),
    "spaced-ascii": _writer(", ", ": ", ascii_only=True),
    "indented": _writer(",", ": ", indent=2),
}


def _parse(body: bytes | str, number: Callable[[str], float]) -> Json:
    try:
        return json_text.load(body, number)
    except ValueError as error:
        raise JsonError(str(error)) from error


def _number(text: str) -> float:
    value = json_text.finite(text)
    return int(value) if value.is_integer() else value
