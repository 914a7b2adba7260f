"""aiohttp, caught by a middleware of its own kind: redirects, cookies, authentication and forms stay aiohttp's.

The middleware stands next to the wire, behind those of the program, and sees every request that would be sent, one by
one. The response that it gives in replay is started by aiohttp from a connection that has the recorded one to say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial, wraps
from types import SimpleNamespace
from typing import Any, Final

from pytest_templates.cassettes.http.capture import as_sent, without_encoding
from pytest_templates.cassettes.http.routing import Decision, Recorder, goes_its_own_way, noted, noting, recorder_for
from pytest_templates.cassettes.http.seams import AIOHTTP_SEAM, Patch, passing, signature_of
from pytest_templates.cassettes.recorded import (
    USUAL_VERSION,
    RecordedRequest,
    RecordedResponse,
    unusual_version,
    usual_reason,
)
from pytest_templates.errors import CassetteError

Send = Callable[[Any], Awaitable[Any]]
_MIDDLEWARES: Final = "middlewares"
_UNDOES: Final = "auto_decompress"
_NO_REQUEST: Final = (
    "{uri}: aiohttp opens a websocket, which can be neither recorded nor replayed.\n"
    "Keep it out of the test, or let the cassette leave its host alone: "
    '@pytest.mark.llm_cassette(ignore_hosts=["…"]).'
)
_BUFFER: Final = 2**16  # bytes, as of aiohttp's own streams


def aiohttp_patches(module: str | None = None) -> Iterator[Patch]:
    """What catches the requests of aiohttp, where it is loaded; `module` as of `transport_patches`."""
    if AIOHTTP_SEAM.is_loaded() and module in (None, AIOHTTP_SEAM.module):
        yield AIOHTTP_SEAM.patched(_caught)


def _caught(real: Callable[..., Any]) -> Callable[..., Any]:
    knows_middlewares = _MIDDLEWARES in signature_of(real).parameters

    @wraps(real)
    async def request(session: Any, *arguments: Any, **settings: Any) -> Any:
        if not knows_middlewares:
            raise noted(
                CassetteError(
                    f"the requests of {AIOHTTP_SEAM.library()} can be neither recorded nor replayed: it has no "
                    "middlewares yet. Install aiohttp 3.12 or later."
                )
            )
        own = settings.pop(_MIDDLEWARES, None)
        outer = session._middlewares if own is None else own
        undoes = settings.get(_UNDOES)
        ours = partial(_recorded_or_replayed, is_undone=session.auto_decompress if undoes is None else undoes)
        return await real(session, *arguments, middlewares=(*outer, ours), **settings)

    return request


async def _recorded_or_replayed(request: Any, send: Send, *, is_undone: bool) -> Any:
    """What a request is answered; the session undoes the compression of bodies or leaves that to the program."""
    if goes_its_own_way(str(request.url)):
        with passing():
            return await send(request)
    if request.headers.get("Upgrade", "").lower() == "websocket":
        raise noted(CassetteError(_NO_REQUEST.format(uri=str(request.url).partition("?")[0])))
    recorded = await _recorded_request(request)
    recorder: Recorder = recorder_for(recorded.method, recorded.uri)
    decision: Decision = recorder.decide(recorded)
    if decision.replay is None:
        with passing():
            response = await send(request)
        recorded_response = await _recorded_response(response)
        recorder.record(decision, without_encoding(recorded_response) if is_undone else recorded_response)
        return response
    if decision.replay.response.cut is not None:
        raise recorder.read_past(decision)
    with noting(recorder):
        replay = decision.replay.response if is_undone else as_sent(decision.replay.response)
    return await _replayed(request, replay)


async def _recorded_request(request: Any) -> RecordedRequest:
    return RecordedRequest(
        method=request.method,
        uri=str(request.url),
        headers=tuple((name.lower(), value) for name, value in request.headers.items()),
        body=await _read_body(request),
    )


async def _read_body(request: Any) -> bytes:
    """The body, which is sent afterwards as it would have been."""
    from aiohttp.payload import BytesPayload

    if not request.body:
        return b""
    body = bytes(await request.body.as_bytes())  # a bytearray or a memoryview is given as it is
    if request.body.consumed:  # a pipe, which can be read once
        request._body = BytesPayload(body, headers=request.body.headers)
    return body


async def _recorded_response(response: Any) -> RecordedResponse:
    """The response, whose body the program can still read in every way."""
    body: bytes = await response.read()
    if body:
        response.content = _stream(body, response._loop)
    return RecordedResponse(
        status=response.status,
        reason=response.reason or "",
        headers=tuple((name.lower(), value) for name, value in response.headers.items()),
        body=body,
        http_version=unusual_version(f"HTTP/{response.version.major}.{response.version.minor}"),
    )


async def _replayed(request: Any, response: RecordedResponse) -> Any:
    kind = request.response_class
    writer = {"stream_writer": SimpleNamespace(output_size=0)}  # what aiohttp 3.14 wants to know of it
    started = kind(
        request.method,
        request.original_url,
        writer=None,
        continue100=None,
        timer=request._timer,
        request_info=request.request_info,
        traces=request._traces,
        loop=request.loop,
        session=request.session,
        **(writer if "stream_writer" in signature_of(kind.__init__).parameters else {}),
    )
    return await started.start(_Connection(response, request.loop))


class _Connection:
    """A connection, and its protocol, on which a recorded response has come in whole."""

    upgraded = False
    connected = False
    _reading_paused = False

    def __init__(self, response: RecordedResponse, loop: Any) -> None:
        self._response = response
        self._loop = loop
        self.protocol = self

    async def read(self) -> tuple[Any, Any]:
        """The head of the response, and its body."""
        from aiohttp import HttpVersion
        from multidict import CIMultiDict, CIMultiDictProxy

        response = self._response
        major, _, minor = (response.http_version or USUAL_VERSION).removeprefix("HTTP/").partition(".")
        head = SimpleNamespace(
            version=HttpVersion(int(major), int(minor or 0)),
            code=response.status,
            reason=response.reason or usual_reason(response.status),
            headers=CIMultiDictProxy(CIMultiDict(response.headers)),
            raw_headers=tuple((name.encode(), value.encode("utf-8")) for name, value in response.headers),
        )
        return head, _stream(response.body, self._loop)

    def release(self) -> None:
        """Nothing is open."""

    close = release


class _NoConnection:
    """What a stream of aiohttp wants to know of the connection that it comes from; it has come already."""

    connected = False
    _reading_paused = False

    def pause_reading(self) -> None:
        """Nothing comes any more."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Nothing comes any more."""


def _stream(body: bytes, loop: Any) -> Any:
    """A stream of aiohttp's that holds a whole body."""
    from aiohttp import StreamReader

    protocol: Any = _NoConnection()
    stream = StreamReader(protocol, max(len(body), _BUFFER), loop=loop)
    if body:
        stream.feed_data(body)
    stream.feed_eof()
    return stream
