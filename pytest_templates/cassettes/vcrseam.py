"""The seam to vcrpy: it catches the requests of every library but httpx, and asks a cassette of ours about each.

vcrpy's own data, its file handling and its matchers are not used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Final

from vcr.cassette import Cassette
from vcr.patch import CassettePatcherBuilder
from vcr.request import Request as VcrRequest
from vcr.stubs import VCRConnection
from vcr.util import read_body

from pytest_templates.cassettes.gates import passing
from pytest_templates.cassettes.patches import Patch, Seam
from pytest_templates.cassettes.recorder import Decision, Recorder
from pytest_templates.cassettes.routing import noted, recorder_for
from pytest_templates.cassettes.values import Headers, RecordedRequest, RecordedResponse, usual_reason
from pytest_templates.errors import CassetteError

_ASKED: Final = "antiphon_asked"
_OTHERWISE: Final = ("requests", "httpx", "httpx2", "aiohttp")  # requests sends by urllib3, the others by our own seams

SEAMS: Final = (
    Seam("http.client", "http.client", "", "HTTPConnection"),
    Seam("http.client", "http.client", "", "HTTPSConnection"),
    Seam("urllib3", "urllib3.connectionpool", "HTTPConnectionPool", "ConnectionCls"),
    Seam("urllib3", "urllib3.connectionpool", "HTTPSConnectionPool", "ConnectionCls"),
    Seam("botocore", "botocore.awsrequest", "AWSHTTPConnectionPool", "ConnectionCls"),
    Seam("botocore", "botocore.awsrequest", "AWSHTTPSConnectionPool", "ConnectionCls"),
    Seam("httplib2", "httplib2", "", "SCHEME_TO_CONNECTION"),
    Seam("tornado", "tornado.simple_httpclient", "SimpleAsyncHTTPClient", "fetch_impl"),
    Seam("tornado", "tornado.curl_httpclient", "CurlAsyncHTTPClient", "fetch_impl"),
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a recorder said about a request."""

    recorder: Recorder
    decision: Decision


class RoutingCassette(Cassette):  # type: ignore[misc]  # vcrpy has no types
    """Answers vcrpy's questions by the recorder that a request belongs to.

    A request is decided about once: vcrpy asks several times about the same request, and from several threads, so the
    answer is kept on the request.
    """

    def __init__(self) -> None:
        super().__init__(path="", skip_patchers=_OTHERWISE)

    def can_play_response_for(self, request: VcrRequest) -> bool:
        """Whether to replay; raises `CassetteMiss` where the request may not be sent either."""
        return _asked(request).decision.replay is not None

    def play_response(self, request: VcrRequest) -> dict[str, Any]:
        """The recorded response, in vcrpy's form."""
        asked = _asked(request)
        if asked.decision.replay is None:
            raise CassetteError(f"{request.method} {request.uri.partition('?')[0]} has no recording")
        response = asked.decision.replay.response
        if response.cut is not None:
            raise asked.recorder.read_past(asked.decision)
        return _vcr_response(response)

    def append(self, request: VcrRequest, response: dict[str, Any]) -> None:
        """Take the response to a request that was sent."""
        asked = _asked(request)
        asked.recorder.record(asked.decision, _recorded_response(response))

    def find_requests_with_most_matches(self, request: VcrRequest) -> list[tuple[VcrRequest, list[Any], list[Any]]]:
        """The request itself: vcrpy asks for the recording of a redirect's next request this way."""
        return [(request, [], [])]

    @property
    def write_protected(self) -> bool:
        """Never: a request that may not be sent is refused before."""
        return False

    def __bool__(self) -> bool:
        return True


def vcr_patches() -> tuple[list[Patch], list[Any]]:
    """What vcrpy puts in place, and what it does at the end as context managers."""
    patches: list[Patch] = [Patch(VCRConnection, "getresponse", _passing(VCRConnection.getresponse))]
    cleaners: list[Any] = []
    for patcher in _builder().build():
        if hasattr(patcher, "getter"):
            patches.append(Patch(patcher.getter(), patcher.attribute, patcher.new))
        else:
            cleaners.append(patcher)
    return patches, cleaners


@cache
def routing_cassette() -> RoutingCassette:
    """The one that vcrpy knows."""
    return RoutingCassette()


@cache
def _builder() -> Any:
    return CassettePatcherBuilder(routing_cassette())


def _passing(real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def getresponse(connection: Any, *arguments: Any, **named: Any) -> Any:
        with passing():
            return real(connection, *arguments, **named)

    return getresponse


def _asked(request: VcrRequest) -> _Asked:
    asked: _Asked | None = getattr(request, _ASKED, None)
    if asked is None:
        recorded = _recorded_request(request)
        recorder = recorder_for(recorded.method, recorded.uri)
        asked = _Asked(recorder, recorder.decide(recorded))
        setattr(request, _ASKED, asked)
    return asked


def _recorded_request(request: VcrRequest) -> RecordedRequest:
    return RecordedRequest(
        method=_text(request.method).upper(),
        uri=str(request.uri),
        headers=_headers(request.headers.items()),
        body=_bytes(read_body(request)),
    )


def _recorded_response(response: dict[str, Any]) -> RecordedResponse:
    headers = response["headers"]
    return RecordedResponse(
        status=response["status"]["code"],
        reason=response["status"]["message"] or "",
        headers=_headers(headers.items() if isinstance(headers, dict) else headers),
        body=_bytes(response["body"].get("string")),
    )


def _vcr_response(response: RecordedResponse) -> dict[str, Any]:
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    message = response.reason or usual_reason(response.status)
    return {
        "status": {"code": response.status, "message": message},
        "headers": headers,
        "body": {"string": response.body},
    }


def _headers(items: Iterable[tuple[Any, Any]]) -> Headers:
    """Pairs of vcrpy's headers, whose values may be texts, bytes or lists of these."""
    return tuple((_text(name).lower(), _text(value)) for name, values in items for value in _listed(values))


def _listed(values: Any) -> Iterable[Any]:
    return values if isinstance(values, (list, tuple)) else [values]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    """A body as vcrpy passes it on: some clients give it before it was written out."""
    if body is None or isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body or b"")
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode()
    raise noted(CassetteError(f"a request body of the type {type(body).__name__} cannot be recorded"))
