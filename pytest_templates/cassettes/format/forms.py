"""Forms, as browsers and clients send them: urlencoded, or in parts of their own (``multipart/form-data``)."""

from __future__ import annotations

import re
from collections.abc import Collection
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from pytest_templates.cassettes.recorded import Headers, header

_BOUNDARY: Final = re.compile(r"boundary=(?:\"(?P<quoted>[^\"]+)\"|(?P<bare>[^;\s]+))", re.IGNORECASE)
_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_LONGEST_HEADERS: Final = 2**14  # bytes


class Part(NamedTuple):
    """A part of a form; also what stands before the first one and behind the last.

    Attributes:
        name: That of the field; ``None`` for none.
        start: Where it begins, behind its boundary.
        content: Where its content begins, behind its headers.
        end: Where it ends.
    """

    name: str | None
    start: int
    content: int
    end: int


def boundary_of(headers: Headers) -> str:
    """What stands between the parts of a form; ``""`` where there are none."""
    found = _BOUNDARY.search(header(headers, "content-type"))
    return found["quoted"] or found["bare"] if found else ""


def with_boundary(content_type: str, boundary: str) -> str:
    """A content type with another boundary, where it has one."""
    return _BOUNDARY.sub(f"boundary={boundary}", content_type)


def line_of(boundary: str) -> re.Pattern[bytes]:
    """What the lines between parts begin with; before it, as its group, there is an end of a line."""
    return re.compile(rb"(^|\r?\n)--" + re.escape(boundary.encode("utf-8", "surrogateescape")))


def parts_of(headers: Headers, body: bytes) -> list[Part]:
    """The parts of a form, in order; none of any other body."""
    boundary = boundary_of(headers) if header(headers, "content-type").lower().startswith("multipart/") else ""
    if not boundary:
        return []
    lines = [found.span() for found in line_of(boundary).finditer(body)]
    starts, ends = [0, *(end for _, end in lines)], [*(start for start, _ in lines), len(body)]
    return [_part(body, start, end) for start, end in zip(starts, ends, strict=True)]


def _part(body: bytes, start: int, end: int) -> Part:
    found = _END_OF_HEADERS.search(body, start, min(end, start + _LONGEST_HEADERS))
    if found is None:
        return Part(None, start, end, end)
    heads = BytesHeaderParser().parsebytes(body[start : found.start()].lstrip(b"\r\n"))
    name = heads.get_param("name", header="content-disposition")
    return Part(None if name is None else collapse_rfc2231_value(name), start, found.end(), end)


def without_fields(headers: Headers, body: bytes, names: Collection[str]) -> bytes:
    """A form without some of its fields; any other body as it is.

    Args:
        headers: Their content type says what the body is.
        body: The bytes that are sent.
        names: Of the fields; ``*`` stands for all of them.
    """
    if not names:
        return body
    if header(headers, "content-type").lower().startswith("application/x-www-form-urlencoded"):
        pairs = body.split(b"&")
        return b"&".join(pair for pair in pairs if not _is_one(_name_of_pair(pair), names))
    parts = parts_of(headers, body)
    kept = (body[part.start : part.end] for part in parts if not _is_one(part.name, names))
    return b"\r\n--".join(kept) if parts else body


def _is_one(name: str | None, names: Collection[str]) -> bool:
    return name is not None and (name in names or "*" in names)


def _name_of_pair(pair: bytes) -> str:
    return unquote_plus(pair.partition(b"=")[0].decode("utf-8", "replace"), errors="replace")
