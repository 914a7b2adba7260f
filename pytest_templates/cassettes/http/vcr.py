"""http.client, urllib3, botocore and aiohttp, caught by way of vcrpy.

vcrpy's own data, its file handling and its matchers are not used.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, wraps
from http import client
from types import FunctionType
from typing import Any, Final
from unittest import mock

from vcr import patch as vcr_patch
from vcr.cassette import Cassette
from vcr.patch import CassettePatcherBuilder
from vcr.request import Request as VcrRequest
from vcr.stubs import VCRConnection, VCRHTTPSConnection
from vcr.util import read_body

from pytest_templates.cassettes.http.routing import Decision, Recorder, goes_its_own_way, noted, recorder_for
from pytest_templates.cassettes.http.seams import AIOHTTP_SEAM, Patch, passing
from pytest_templates.cassettes.recorded import Headers, RecordedRequest, RecordedResponse, usual_reason
from pytest_templates.errors import CassetteError

_NEEDS_RESET: Final = "httplib2"  # its connections look up patched names of http.client themselves


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Let vcrpy log nothing below a warning, for the length of a block; a handler or level cannot change that."""
    loggers = [logging.getLogger(name) for name in tuple(logging.root.manager.loggerDict) if name.startswith("vcr.")]
    for logger in loggers:
        logger.addFilter(_is_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_warning)


@contextmanager
def without_reset() -> Iterator[None]:
    """Let vcrpy's patches stand for the length of a block, also while connections are made.

    Where httplib2 is installed, vcrpy keeps its own way: one thread at a time.
    """
    with ExitStack() as patches:
        if _NEEDS_RESET not in sys.modules:
            patches.enter_context(mock.patch.object(VCRHTTPSConnection, "_baseclass", _steady_class()))
            patches.enter_context(mock.patch.object(vcr_patch, "force_reset", _no_reset))
        yield


def _no_reset() -> AbstractContextManager[None]:
    return nullcontext()


def _steady_class() -> type[client.HTTPSConnection]:
    """`http.client.HTTPSConnection`, working also while that name stands for something else."""
    real: Any = vcr_patch._HTTPSConnection
    return type("HTTPSConnection", (real,), {"__init__": _with_own_names(real.__init__)})


def _with_own_names(function: Any) -> Callable[..., None]:
    """The function with the names of its module as they are when nothing is patched."""
    real = {"HTTPConnection": vcr_patch._HTTPConnection, "HTTPSConnection": vcr_patch._HTTPSConnection}
    names = {**function.__globals__, **real}
    steady = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    steady.__kwdefaults__ = function.__kwdefaults__
    return steady


def aiohttp_patches() -> Iterator[Patch]:
    """What catches the requests of aiohttp, where it is loaded."""
    if AIOHTTP_SEAM.is_loaded():
        yield AIOHTTP_SEAM.patched(_written_out)


def _written_out(real: Callable[..., Any]) -> Callable[..., Any]:
    from vcr.stubs.aiohttp_stubs import vcr_request

    @wraps(real)
    async def sent(session: Any, method: str, url: Any, **settings: Any) -> Any:
        with passing():
            return await real(session, method, url, **settings)

    ask = vcr_request(routing_cassette(), sent)

    @wraps(real)
    async def request(session: Any, method: str, url: Any, *, data: Any = None, **settings: Any) -> Any:
        if goes_its_own_way(str(session._build_url(url))):
            return await real(session, method, url, data=data, **settings)
        payload = _form(data)
        if payload is not None:
            data = await payload.as_bytes()
            settings["headers"] = _with_type(session, settings.get("headers"), payload.headers["content-type"])
        return await ask(session, method, url, data=data, **settings)

    return request


def _form(data: Any) -> Any:
    """The form that aiohttp would send for this data, or ``None`` where it is none."""
    aiohttp = sys.modules["aiohttp"]
    if isinstance(data, aiohttp.FormData):
        return data()
    if isinstance(data, aiohttp.MultipartWriter):
        return data
    return aiohttp.FormData(data)() if isinstance(data, (Mapping, list, tuple)) else None


def _with_type(session: Any, headers: Any, content_type: str) -> Any:
    """The headers of a request and the content type, where they name none."""
    prepared = session._prepare_headers(headers)
    prepared.setdefault("Content-Type", content_type)
    return prepared


_HANDLED: Final = "antiphon_asked"
_SENT: Final = "antiphon_sent"  # of a connection whose request went its own way
_OTHERWISE: Final = ("requests", "httpx", "httpx2", "aiohttp")  # requests sends by urllib3, the others by our own seams


@dataclass(frozen=True, slots=True)
class _Handled:
    """A request with its recorder, and what that has decided."""

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
        if goes_its_own_way(request.uri):
            return False
        return _handled(request).decision.replay is not None

    def play_response(self, request: VcrRequest) -> dict[str, Any]:
        """The recorded response, in vcrpy's form."""
        handled = _handled(request)
        if handled.decision.replay is None:
            raise CassetteError(f"{request.method} {request.uri.partition('?')[0]} has no recording")
        response = handled.decision.replay.response
        if response.cut is not None:
            raise handled.recorder.read_past(handled.decision)
        return _vcr_response(response)

    def append(self, request: VcrRequest, response: dict[str, Any]) -> None:
        """Take the response to a request that was sent."""
        if goes_its_own_way(request.uri):
            return
        handled = _handled(request)
        handled.recorder.record(handled.decision, _recorded_response(response))

    def find_requests_with_most_matches(self, request: VcrRequest) -> list[tuple[VcrRequest, list[Any], list[Any]]]:
        """The request itself: vcrpy asks for the recording of a redirect's next request this way."""
        return [(request, [], [])]

    @property
    def write_protected(self) -> bool:
        """Never: a request that may not be sent is refused before."""
        return False

    def __bool__(self) -> bool:
        return True


# What vcrpy sends requests of tornado by; there where that is installed.
_SENT_BY_TORNADO: Final = frozenset({"_SimpleAsyncHTTPClient_fetch_impl", "_CurlAsyncHTTPClient_fetch_impl"})


def vcr_patches() -> tuple[list[Patch], list[Any]]:
    """What vcrpy puts in place, and what it does at the end as context managers."""
    patches: list[Patch] = [
        Patch(VCRConnection, "connect", _passing(VCRConnection.connect)),
        Patch(VCRConnection, "request", _request(VCRConnection.request)),
        Patch(VCRConnection, "getresponse", _getresponse(VCRConnection.getresponse)),
    ]
    cleaners: list[Any] = []
    with ExitStack() as tornado:
        for name in _SENT_BY_TORNADO & vars(vcr_patch).keys():
            tornado.enter_context(mock.patch.object(vcr_patch, name, _passing(getattr(vcr_patch, name))))
        for patcher in _builder().build():
            if hasattr(patcher, "getter"):
                patches.append(Patch(patcher.getter(), patcher.attribute, patcher.new))
            else:
                cleaners.append(patcher)
    stubs = sys.modules.get("vcr.stubs.urllib3_stubs")
    if stubs is not None:
        mixin = stubs._VCRRequestsConnectionMixin
        patches.append(Patch(mixin, "getresponse", _getresponse(mixin.getresponse)))
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
    def sent(*arguments: Any, **named: Any) -> Any:
        with passing():
            return real(*arguments, **named)

    return sent


def _request(real: Callable[..., Any]) -> Callable[..., Any]:
    """Sends at once what goes its own way, as the client has asked for it, and not when its response is wanted."""

    @wraps(real)
    def request(connection: Any, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        if not goes_its_own_way(connection._uri(url)):
            return real(connection, method, url, *arguments, **named)
        with passing(), vcr_patch.force_reset():
            connection.real_connection.request(method, url, *arguments, **named)
        vars(connection)[_SENT] = True
        return None

    return request


def _getresponse(real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def getresponse(connection: Any, *arguments: Any, **named: Any) -> Any:
        if vars(connection).pop(_SENT, False):
            return connection.real_connection.getresponse(*arguments, **named)
        with passing():
            return real(connection, *arguments, **named)

    return getresponse


def _handled(request: VcrRequest) -> _Handled:
    handled: _Handled | None = getattr(request, _HANDLED, None)
    if handled is None:
        recorded = _recorded_request(request)
        recorder = recorder_for(recorded.method, recorded.uri)
        handled = _Handled(recorder, recorder.decide(recorded))
        setattr(request, _HANDLED, handled)
    return handled


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
