"""Bodies in a cassette: JSON as YAML, streams as events or lines, text as text, everything else in base64."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from pytest_templates.cassettes.arrivals import EVENTS, LINES, aligned, has_type, seconds
from pytest_templates.cassettes.documents import JsonError, dumps, is_json, may_be_json, parse, style_of
from pytest_templates.cassettes.lines import decode_lines, encode_lines
from pytest_templates.cassettes.streams import decode_stream, encode_stream
from pytest_templates.cassettes.values import Arrival, Cut, Headers, RecordedResponse
from pytest_templates.cassettes.yamlfit import fits_yaml

_BASE64_WIDTH: Final = 100  # characters a line


def encode_body(body: bytes, headers: Headers, *, exact: bool) -> dict[str, Any] | None:
    """A body as a node, or ``None`` for an empty one.

    Args:
        body: The bytes.
        headers: The headers that came with them; their content type says how to show the body.
        exact: Whether the bytes have to come back, not only the values of a JSON body.
    """
    if not body:
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return _base64_node(body)
    return _stream_node(text, headers, ()) or _json_node(text, headers, exact=exact) or {"text": text}


def encode_response_body(response: RecordedResponse) -> dict[str, Any] | None:
    """The body of a response as a node with the times of its pieces, or ``None`` for an empty one."""
    if not response.body and response.cut is None:
        return None
    node = _in_pieces(response) or encode_body(response.body, response.headers, exact=False) or {"text": ""}
    return node if response.cut is None else node | {"cut": {"at": response.cut.at, "by": response.cut.by}}


def decode_response_body(node: dict[str, Any] | None) -> tuple[bytes, tuple[Arrival, ...], Cut | None]:
    """The bytes of a node that `encode_response_body` made, the pieces in which they came, and where they were cut.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The node is not one that `encode_response_body` made.
    """
    if node is None:
        return b"", (), None
    body, arrivals = _decoded(node)
    cut = node.get("cut")
    return body, arrivals, None if cut is None else Cut(seconds(cut["at"]), _text(cut["by"]))


def _decoded(node: dict[str, Any]) -> tuple[bytes, tuple[Arrival, ...]]:
    for name, decode in (("events", decode_stream), ("lines", decode_lines)):
        if name in node:
            text, arrivals = decode(node)
            return text.encode(), arrivals
    if "pieces" in node:
        pieces = [_whole(piece) for piece in node["pieces"]]
        times = [seconds(piece["at"]) for piece in node["pieces"]]
        return b"".join(pieces), tuple(Arrival(len(piece), at) for piece, at in zip(pieces, times, strict=True))
    return _whole(node), ()


def _whole(node: dict[str, Any]) -> bytes:
    if "json" in node:
        return dumps(node["json"], node.get("style", "compact")).encode()
    if "base64" in node:
        return base64.b64decode("".join(node["base64"].split()), validate=True)
    return _text(node["text"]).encode()


def _in_pieces(response: RecordedResponse) -> dict[str, Any] | None:
    """The body of a stream, or ``None`` where it is none or came at once."""
    response = replace(response, arrivals=aligned(response.headers, response.body, response.arrivals))
    with suppress(UnicodeDecodeError):
        node = _stream_node(response.body.decode("utf-8"), response.headers, response.arrivals)
        if node is not None:
            return node
    if len(response.arrivals) < 2:
        return None
    times = [arrival.at for arrival in response.arrivals]
    return {"pieces": [{"at": at} | _piece(data) for at, data in zip(times, response.pieces, strict=True)]}


def _piece(data: bytes) -> dict[str, Any]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return _base64_node(data)


def _stream_node(text: str, headers: Headers, arrivals: tuple[Arrival, ...]) -> dict[str, Any] | None:
    if has_type(headers, EVENTS):
        return encode_stream(text, arrivals)
    return encode_lines(text, arrivals) if has_type(headers, LINES) else None


def _base64_node(body: bytes) -> dict[str, Any]:
    return {"base64": _wrapped(base64.b64encode(body).decode("ascii"))}


def _json_node(text: str, headers: Headers, *, exact: bool) -> dict[str, Any] | None:
    if not may_be_json(headers, text.encode()):
        return None
    try:
        value = parse(text)
    except JsonError:
        return None
    style = style_of(text, value) if fits_yaml(value) else None
    if style is None and (exact or not is_json(headers) or not fits_yaml(value)):
        return None
    return {"json": value} if style in {"compact", None} else {"json": value, "style": style}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text body is a string")
    return value


def _wrapped(text: str) -> str:
    return "\n".join(text[start : start + _BASE64_WIDTH] for start in range(0, len(text), _BASE64_WIDTH))
