"""httpx and httpx2: their transports caught, and streams recorded and replayed chunk by chunk.

A cassette has to do with what leaves the process: transports that call an application or a function
(ASGI, WSGI, mocks) are left alone, so that a program under test is run and only its own calls are replayed.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial, wraps
from time import perf_counter
from types import ModuleType
from typing import Any, Final

from pytest_templates.cassettes.http.capture import CLIENT, ResponseCapture
from pytest_templates.cassettes.http.routing import Decision, Recorder, goes_its_own_way, recorder_for
from pytest_templates.cassettes.http.seams import CLIENTS, TRANSPORTS, Patch, Seam, passing
from pytest_templates.cassettes.recorded import RecordedRequest, RecordedResponse, usual_reason


@cache
def recorded_stream(library: ModuleType) -> Callable[[Any, ResponseCapture], Any]:
    """Makes streams of a library from its own ones and the captures that record them."""
    return type("RecordedStream", (_RecordedStream, library.SyncByteStream, library.AsyncByteStream), {})


@cache
def replayed_stream(library: ModuleType) -> Callable[[ModuleType, RecordedResponse, Callable[[], Exception]], Any]:
    """Makes streams of a library from recorded responses."""
    return type("ReplayedStream", (_ReplayedStream, library.SyncByteStream, library.AsyncByteStream), {})


class _RecordedStream:
    """Hands every piece to the client as it comes, and to the recording."""

    def __init__(self, stream: Any, capture: ResponseCapture) -> None:
        self._stream = stream
        self._capture = capture

    def __iter__(self) -> Iterator[bytes]:
        with self._capture.listening():
            for piece in self._stream:
                self._capture.piece(piece)
                yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._capture.listening():
            async for piece in self._stream:
                self._capture.piece(piece)
                yield piece

    def close(self) -> None:
        try:
            self._capture.leave()
        finally:
            self._stream.close()

    async def aclose(self) -> None:
        try:
            self._capture.leave()
        finally:
            await self._stream.aclose()


class _ReplayedStream:
    """Gives the pieces without waiting, and ends as the recorded stream ended.

    Args:
        library: Whose errors it raises.
        response: What was recorded.
        read_past: The error for a client that reads on where the recorded one left.
    """

    def __init__(self, library: ModuleType, response: RecordedResponse, read_past: Callable[[], Exception]) -> None:
        self._library = library
        self._response = response
        self._read_past = read_past

    def __iter__(self) -> Iterator[bytes]:
        yield from filter(None, self._response.pieces)
        self._end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def _end(self) -> None:
        cut = self._response.cut
        if cut is None:
            return
        if cut.by == CLIENT:
            raise self._read_past()
        error = getattr(self._library, cut.by, self._library.TransportError)
        raise error(f"the connection broke {cut.at} s after the request was sent, when this was recorded")


Function = Callable[..., Any]
_STREAMED: Final = "antiphon_streamed"  # an extension of a request: the client asked for its answer in pieces


def transport_patches() -> Iterator[Patch]:
    """What catches the requests of every transport that is loaded.

    Raises:
        CassetteError: A library has no such function any more.
    """
    for seam in filter(Seam.is_loaded, TRANSPORTS):
        library = sys.modules["httpx2" if seam.module == "httpx2" else "httpx"]
        handler = _async_handler if seam.attribute == "handle_async_request" else _handler
        yield seam.patched(partial(handler, library=library))
    for seam in filter(Seam.is_loaded, CLIENTS):
        yield seam.patched(_async_send if seam.owner == "AsyncClient" else _send)


def _handler(real: Function, library: ModuleType) -> Function:
    @wraps(real)
    def handle_request(transport: Any, request: Any) -> Any:
        if goes_its_own_way(str(request.url)):
            with passing():
                return real(transport, request)
        body = b"".join(request.stream)
        exchange = _Exchange(library, request, body)
        replayed = exchange.replayed()
        if replayed is not None:
            return replayed
        with passing():
            response = real(transport, request)
        try:
            return exchange.recorded(response)
        except BaseException:
            response.stream.close()
            raise

    return handle_request


def _async_handler(real: Function, library: ModuleType) -> Function:
    @wraps(real)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        if goes_its_own_way(str(request.url)):
            with passing():
                return await real(transport, request)
        body = b"".join([part async for part in request.stream])
        exchange = _Exchange(library, request, body)
        replayed = exchange.replayed()
        if replayed is not None:
            return replayed
        with passing():
            response = await real(transport, request)
        try:
            return exchange.recorded(response)
        except BaseException:
            await response.stream.aclose()
            raise

    return handle_async_request


def _send(real: Function) -> Function:
    @wraps(real)
    def send(client: Any, request: Any, *, stream: bool = False, **settings: Any) -> Any:
        request.extensions[_STREAMED] = stream
        return real(client, request, stream=stream, **settings)

    return send


def _async_send(real: Function) -> Function:
    @wraps(real)
    async def send(client: Any, request: Any, *, stream: bool = False, **settings: Any) -> Any:
        request.extensions[_STREAMED] = stream
        return await real(client, request, stream=stream, **settings)

    return send


class _Exchange:
    """One request and its response, recorded or replayed.

    Args:
        library: httpx or httpx2.
        request: Of this library; its stream has been read.
        body: What was read.
    """

    def __init__(self, library: ModuleType, request: Any, body: bytes) -> None:
        request.stream = library.ByteStream(body)
        self._library = library
        self._request = request
        self._recorder: Recorder = recorder_for(request.method, str(request.url))
        self._decision: Decision = self._recorder.decide(_recorded_request(request, body))
        self._started = perf_counter()

    def replayed(self) -> Any:
        """The recorded response; ``None`` where the request is to be sent."""
        if self._decision.replay is None:
            return None
        response = self._decision.replay.response
        reason = response.reason or usual_reason(response.status)
        return self._library.Response(
            response.status,
            headers=list(response.headers),
            stream=replayed_stream(self._library)(self._library, response, self._read_past),
            extensions={"reason_phrase": reason.encode("ascii")} if reason else {},
        )

    def recorded(self, response: Any) -> Any:
        """The real response, with a stream that captures its body."""
        head = RecordedResponse(
            status=response.status_code,
            reason=response.reason_phrase or "",
            headers=tuple((name.lower(), value) for name, value in response.headers.multi_items()),
            body=b"",
        )
        streamed = bool(self._request.extensions.get(_STREAMED)) and head.status < 400
        record = partial(self._recorder.record, self._decision)
        capture = ResponseCapture(head, streamed=streamed, started=self._started, record=record)
        self._recorder.captures.add(capture)
        response.stream = recorded_stream(self._library)(response.stream, capture)
        return response

    def _read_past(self) -> Exception:
        return self._recorder.read_past(self._decision)


def _recorded_request(request: Any, body: bytes) -> RecordedRequest:
    headers = tuple((name.lower(), value) for name, value in request.headers.multi_items())
    return RecordedRequest(method=str(request.method), uri=str(request.url), headers=headers, body=body)
