"""What of an interaction may be kept: no keys, no cookies, no names of organisations, nothing compressed.

Headers are kept by an allow-list. Secret query parameters, form fields and JSON members, the user in an address, and
the secret values of the environment are replaced by a placeholder. The scrubbed form is what is stored and what is
matched, and scrubbing it once more changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_plus

from pytest_templates.cassettes.arrivals import EVENTS, LINES, transferred
from pytest_templates.cassettes.decoding import decoded
from pytest_templates.cassettes.documents import Json, JsonError, dumps, may_be_json, parse, style_of
from pytest_templates.cassettes.policy import REQUEST_HEADERS, RESPONSE_HEADERS, SECRET_MEMBERS, SECRET_PARAMETERS
from pytest_templates.cassettes.secrets import PLACEHOLDER, Secrets
from pytest_templates.cassettes.values import (
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    header,
    usual_reason,
)

_USER: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#]*@")
_EVENT_LINE: Final = re.compile(r"(data: ?)?([^\r\n]+)")
_BOUNDARY: Final = re.compile(r"boundary=(\"[^\"]+\"|[^;\s]+)", re.IGNORECASE)
_FIXED_BOUNDARY: Final = "antiphon-boundary"


def scrub(interaction: Interaction, secrets: Secrets) -> Interaction:
    """The interaction as it may be kept."""
    return Interaction(
        template=interaction.template and _text(interaction.template, secrets),
        model=interaction.model and _text(interaction.model, secrets),
        request=scrub_request(interaction.request, secrets),
        response=scrub_response(interaction.response, secrets),
    )


def scrub_request(request: RecordedRequest, secrets: Secrets) -> RecordedRequest:
    """The request as it may be kept."""
    body = _unpacked(request.headers, request.body)
    headers, body = _fixed_boundary(_allowed(request.headers, REQUEST_HEADERS, secrets), body)
    return RecordedRequest(
        method=_text(request.method, secrets),
        uri=scrub_uri(request.uri, secrets),
        headers=headers,
        body=_body(headers, body, secrets),
    )


def scrub_response(response: RecordedResponse, secrets: Secrets) -> RecordedResponse:
    """The response as it may be kept."""
    body = _unpacked(response.headers, response.body)
    headers = _allowed(response.headers, RESPONSE_HEADERS, secrets)
    scrubbed = _body(headers, body, secrets)
    return RecordedResponse(
        status=response.status,
        reason=_reason(response, secrets),
        headers=headers,
        body=scrubbed,
        arrivals=transferred(headers, body, scrubbed, response.arrivals),
        cut=response.cut,
    )


def scrub_uri(uri: str, secrets: Secrets) -> str:
    """The address without user, secret parameters and secret values."""
    start, mark, query = _USER.sub(rf"\g<1>{PLACEHOLDER}@", _storable(uri)).partition("?")
    query, fragment_mark, fragment = query.partition("#")
    return secrets.replace(start + mark + _parameters(query, secrets) + fragment_mark + fragment)


def _parameters(query: str, secrets: Secrets) -> str:
    return "&".join(_parameter(pair, secrets) for pair in query.split("&"))


def _parameter(pair: str, secrets: Secrets) -> str:
    name, equals, value = pair.partition("=")
    secret_name = unquote_plus(name).lower() in SECRET_PARAMETERS
    return f"{name}={PLACEHOLDER}" if equals and (secret_name or secrets.find(unquote_plus(value))) else pair


def _unpacked(headers: Headers, body: bytes) -> bytes:
    encoding = header(headers, "content-encoding")
    return decoded(body, encoding) if encoding else body


def _allowed(headers: Headers, names: Iterable[str], secrets: Secrets) -> Headers:
    return tuple((name, _header_value(name, value, secrets)) for name, value in headers if name in names)


def _header_value(name: str, value: str, secrets: Secrets) -> str:
    return scrub_uri(value, secrets) if name == "location" else _text(value, secrets)


def _fixed_boundary(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """A multipart body with the same boundary every time; clients draw a random one for each request."""
    found = _BOUNDARY.search(header(headers, "content-type"))
    if not found or not body:
        return headers, body
    fixed = tuple((name, _BOUNDARY.sub(f"boundary={_FIXED_BOUNDARY}", value)) for name, value in headers)
    line = re.compile(rb"(^|\r\n)--" + re.escape(found[1].strip('"').encode("utf-8", "surrogateescape")))
    return fixed, line.sub(rb"\1--" + _FIXED_BOUNDARY.encode(), body)


def _reason(response: RecordedResponse, secrets: Secrets) -> str:
    """The reason phrase where it is an unusual one; clients take nothing but ASCII."""
    reason = "" if response.reason == usual_reason(response.status) else response.reason
    return _text(reason, secrets).encode("ascii", "replace").decode("ascii")


def _body(headers: Headers, body: bytes, secrets: Secrets) -> bytes:
    kind = header(headers, "content-type").lower()
    text = body.decode("utf-8", "surrogateescape")
    if kind.startswith(EVENTS + LINES):
        text = _EVENT_LINE.sub(lambda line: (line[1] or "") + _document(line[2], secrets), text)
    elif may_be_json(headers, body):
        text = _document(text, secrets)
    elif kind.startswith("application/x-www-form-urlencoded"):
        text = secrets.replace(_parameters(text, secrets))
    else:
        text = secrets.replace(text)
    return text.encode("utf-8", "surrogateescape")


def _document(text: str, secrets: Secrets) -> str:
    """A text that may be JSON: in JSON only whole strings are touched, so that it stays JSON."""
    try:
        value = parse(text)
    except JsonError:
        return secrets.replace(text)
    replaced = _value(value, secrets)
    return text if replaced == value else dumps(replaced, style_of(text, value) or "compact-ascii")


def _value(value: Json, secrets: Secrets) -> Json:
    if isinstance(value, str):
        return secrets.replace(value)
    if isinstance(value, list):
        return [_value(inner, secrets) for inner in value]
    if isinstance(value, dict):
        return {secrets.replace(name): _member(name, inner, secrets) for name, inner in value.items()}
    return value


def _member(name: str, value: Json, secrets: Secrets) -> Json:
    is_secret = name.lower() in SECRET_MEMBERS and isinstance(value, str) and value
    return PLACEHOLDER if is_secret else _value(value, secrets)


def _text(text: str, secrets: Secrets) -> str:
    return secrets.replace(_storable(text))


def _storable(text: str) -> str:
    """The text with half characters (surrogates) spelt out: no file can hold them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
