"""Cassettes that vcrpy wrote, by itself or for pytest-recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pytest_templates.cassettes.recorded import Headers, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.errors import CassetteError


def load_vcr(path: Path) -> list[Interaction]:
    """The interactions of a cassette of vcrpy's, in its formats of today and of the years before; not scrubbed.

    Who asked is not known: templates and models are left empty.

    Raises:
        CassetteError: The file cannot be read, or is no cassette of vcrpy's in YAML.
    """
    try:
        document = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise CassetteError(f"{path}: the file cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise CassetteError(f"{place}: the file is no YAML: {getattr(error, 'problem', None) or error}") from error
    nodes = document.get("interactions") if isinstance(document, dict) else None
    if not isinstance(nodes, list) or "end" in document:
        raise CassetteError(f"{path}: the file is no cassette of vcrpy's: it has no list of interactions")
    return [_interaction(node, number, path) for number, node in enumerate(nodes, 1)]


def _interaction(node: Any, number: int, path: Path) -> Interaction:
    try:
        return Interaction(None, None, _request(node["request"]), _response(node["response"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"lacks {error}" if isinstance(error, KeyError) else f"cannot be read: {error}"
        raise CassetteError(f"{path}: interaction {number} {problem}") from error


def _request(node: dict[str, Any]) -> RecordedRequest:
    return RecordedRequest(
        method=str(node["method"]),
        uri=str(node["uri"]),
        headers=_headers(node.get("headers")),
        body=_bytes(node.get("body")),
    )


def _response(node: dict[str, Any]) -> RecordedResponse:
    if "status_code" in node:  # as older versions recorded httpx
        return RecordedResponse(
            status=int(node["status_code"]),
            reason="",
            headers=_headers(node.get("headers")),
            body=_bytes(node.get("content")),
        )
    return RecordedResponse(
        status=int(node["status"]["code"]),
        reason=str(node["status"].get("message") or ""),
        headers=_headers(node.get("headers")),
        body=_bytes((node.get("body") or {}).get("string")),
    )


def _headers(node: dict[str, Any] | None) -> Headers:
    return tuple(_pairs(node or {}))


def _pairs(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, found in node.items():
        for value in found if isinstance(found, list) else [found]:
            yield name.lower(), value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    if isinstance(body, dict) and body.keys() == {"string"}:
        body = body["string"]
    if body is None or isinstance(body, bytes):
        return body or b""
    if isinstance(body, str):
        return body.encode()
    raise TypeError(f"a body is a text, not a {type(body).__name__}")
