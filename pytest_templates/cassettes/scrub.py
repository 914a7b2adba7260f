"""What of an interaction may be kept: no keys, no cookies, no names of organisations, nothing compressed.

Headers are kept by an allow-list. Secret query parameters, form fields and JSON members, the user in an address, and
whatever `Secrets` finds are replaced by a placeholder. The scrubbed form is what is stored and what is matched, and
scrubbing it once more changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pytest_templates.cassettes.addresses import scrub_uri
from pytest_templates.cassettes.arrivals import transferred
from pytest_templates.cassettes.content import scrub_body
from pytest_templates.cassettes.decoding import decoded
from pytest_templates.cassettes.policy import REQUEST_HEADERS, RESPONSE_HEADERS
from pytest_templates.cassettes.secrets import Secrets
from pytest_templates.cassettes.values import (
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    header,
    usual_reason,
)

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
        uri=scrub_uri(_storable(request.uri), secrets),
        headers=headers,
        body=scrub_body(headers, body, secrets),
    )


def scrub_response(response: RecordedResponse, secrets: Secrets) -> RecordedResponse:
    """The response as it may be kept."""
    body = _unpacked(response.headers, response.body)
    headers = _allowed(response.headers, RESPONSE_HEADERS, secrets)
    scrubbed = scrub_body(headers, body, secrets)
    return RecordedResponse(
        status=response.status,
        reason=_reason(response, secrets),
        headers=headers,
        body=scrubbed,
        arrivals=transferred(headers, body, scrubbed, response.arrivals),
        cut=response.cut,
    )


def _unpacked(headers: Headers, body: bytes) -> bytes:
    encoding = header(headers, "content-encoding")
    return decoded(body, encoding) if encoding else body


def _allowed(headers: Headers, names: Iterable[str], secrets: Secrets) -> Headers:
    return tuple((name, _header_value(name, value, secrets)) for name, value in headers if name in names)


def _header_value(name: str, value: str, secrets: Secrets) -> str:
    return scrub_uri(_storable(value), secrets) if name == "location" else _text(value, secrets)


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


def _text(text: str, secrets: Secrets) -> str:
    return secrets.replace(_storable(text))


def _storable(text: str) -> str:
    """The text with half characters (surrogates) spelt out: no file can hold them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
