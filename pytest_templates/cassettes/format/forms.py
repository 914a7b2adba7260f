"""Forms, as browsers and clients send them: urlencoded, or in parts of their own (``multipart/form-data``)."""

from __future__ import annotations

import re
from collections.abc import Collection
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value
from typing import Final
from urllib.parse import unquote_plus

from pytest_templates.cassettes.recorded import Headers, header

_BOUNDARY: Final = re.compile(r"boundary=(?:\"([^\"]+)\"|([^;\s]+))", re.IGNORECASE)


def without_fields(headers: Headers, body: bytes, names: Collection[str]) -> bytes:
    """A form without some of its fields; any other body as it is.

    Args:
        headers: Their content type says what the body is.
        body: The bytes that are sent.
        names: Of the fields; ``*`` stands for all of them.
    """
    kind = header(headers, "content-type")
    if not names:
        return body
    if kind.lower().startswith("application/x-www-form-urlencoded"):
        pairs = body.split(b"&")
        return b"&".join(pair for pair in pairs if not _is_one(_name_of_pair(pair), names))
    boundary = _BOUNDARY.search(kind) if kind.lower().startswith("multipart/form-data") else None
    if boundary is None:
        return body
    parts = re.split(rb"(?:^|\r\n)--" + re.escape((boundary[1] or boundary[2]).encode()), body)
    return b"\r\n--".join(part for part in parts if not _is_one(_name_of_part(part), names))


def _is_one(name: str | None, names: Collection[str]) -> bool:
    return name is not None and (name in names or "*" in names)


def _name_of_pair(pair: bytes) -> str:
    return unquote_plus(pair.partition(b"=")[0].decode("utf-8", "replace"), errors="replace")


def _name_of_part(part: bytes) -> str | None:
    """The name of the field; ``None`` for what stands before the first part and behind the last."""
    heads = BytesHeaderParser().parsebytes(part.lstrip(b"\r\n"))
    name = heads.get_param("name", header="content-disposition")
    return None if name is None else collapse_rfc2231_value(name)
