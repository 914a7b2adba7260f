"""Bodies in a cassette: JSON as YAML, streams as events, text as text, everything else in base64."""

from __future__ import annotations

import base64
from typing import Any, Final

from pytest_templates.cassettes.documents import JsonError, dumps, is_json, may_be_json, parse, style_of
from pytest_templates.cassettes.streams import decode_stream, encode_stream
from pytest_templates.cassettes.values import Headers, header
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
        return {"base64": _wrapped(base64.b64encode(body).decode("ascii"))}
    if header(headers, "content-type").lower().startswith("text/event-stream"):
        return encode_stream(text)
    return _json_node(text, headers, exact=exact) or {"text": text}


def decode_body(node: dict[str, Any] | None) -> bytes:
    """The bytes of a node that `encode_body` made.

    Raises:
        ValueError, TypeError, KeyError, AttributeError: The node is not one that `encode_body` made.
    """
    if node is None:
        return b""
    if "json" in node:
        return dumps(node["json"], node.get("style", "compact")).encode()
    if "base64" in node:
        return base64.b64decode("".join(node["base64"].split()), validate=True)
    return (decode_stream(node) if "events" in node else _text(node["text"])).encode()


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
