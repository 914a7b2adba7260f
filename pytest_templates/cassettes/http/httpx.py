"""httpx and httpx2: their transports caught, and streams recorded and replayed chunk by chunk.

A cassette has to do with what leaves the process: transports that call an application or a function
(ASGI, WSGI, mocks) are left alone, so that a program under test is run and only its own calls are replayed.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import cache, partial, wraps
from types import ModuleType
from typing import Any, Final

from pytest_templates.cassettes.http.capture import ResponseCapture, as_sent
from pytest_templates.cassettes.http.routing import Decision, Recorder, goes_its_own_way, noting, recorder_for
from pytest_templates.cassettes.http.seams import CLIENTS, TRANSPORTS, Patch, Seam, passing
from pytest_templates.cassettes.http.silence import Silence
from pytest_templates.cassettes.recorded import (
    USUAL_VERSION,
    RecordedRequest,
    RecordedResponse,
    unusual_version,
    usual_reason,
)
from pytest_templates.support.clock import seconds


@cache
def recorded_stream(library: ModuleType) -> Callable[[Any, ResponseCapture], Any]:
    """Makes streams of a library from its own responses and the captures that record them."""
    return type("RecordedStream", (_RecordedStream, library.SyncByteStream, library.AsyncByteStream), {})


@cache
def replayed_stream(
    library: ModuleType,
) -> Callable[[ModuleType, RecordedResponse, Callable[[], Exception], bool], Any]:
    """Makes streams of a library from recorded responses."""
    return type("ReplayedStream", (_ReplayedStream, library.SyncByteStream, library.AsyncByteStream), {})


class _RecordedStream:
    """Hands every piece to the client as it comes, and to the recording.

    Args:
        response: The response whose stream it is to be.
        capture: Takes the pieces.
    """

    def __init__(self, response: Any, capture: ResponseCapture) -> None:
        self._response = response
        self._stream = response.stream
        self._capture = capture

    def _begin(self) -> None:
        # a response makes its decoder when it begins to read, unless it is read by `iter_raw`
        self._capture.is_raw = not hasattr(self._response, "_decoder")

    def __iter__(self) -> Iterator[bytes]:
        self._begin()
        with self._capture.listening():
            for piece in self._stream:
                self._capture.piece(piece)
                yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._begin()
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
        read_past: The error for a program that reads on where the recorded one left.
        is_pulled: Whether nobody reads ahead.
    """

    def __init__(
        self, library: ModuleType, response: RecordedResponse, read_past: Callable[[], Exception], is_pulled: bool
    ) -> None:
        self._library = library
        self._response = response
        self._read_past = read_past
        self._silence = Silence(response.cut, is_pulled=is_pulled)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces()
        self._silence.keep()
        self._end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces():
            yield piece
        await self._silence.akeep()
        self._end()

    def close(self) -> None:
        self._silence.leave()

    async def aclose(self) -> None:
        self._silence.leave()

    def _pieces(self) -> Iterator[bytes]:
        return filter(None, self._response.each_piece())

    def _end(self) -> None:
        cut = self._response.cut
        if cut is None:
            return
        if cut.is_leaving and not self._silence.is_left:
            raise self._read_past()
        error = getattr(self._library, cut.by, self._library.ReadError)
        raise error(f"the connection broke {cut.at} s after the request was sent, when this was recorded")


Function = Callable[..., Any]
_STREAMED: Final = "antiphon_streamed"  # an extension of a request: the client asked for its answer in pieces


def transport_patches(module: str | None = None) -> Iterator[Patch]:
    """What catches the requests of every transport that is loaded.

    Args:
        module: Of which module alone; ``None`` for all.

    Raises:
        CassetteError: A library has no such function any more.
    """
    for seam in _loaded(TRANSPORTS, module):
        library = sys.modules["httpx2" if seam.module == "httpx2" else "httpx"]
        handler = _async_handler if seam.attribute == "handle_async_request" else _handler
        yield seam.patched(partial(handler, library=library))
    for seam in _loaded(CLIENTS, module):
        yield seam.patched(_async_send if seam.owner == "AsyncClient" else _send)


def _loaded(seams: Iterable[Seam], module: str | None) -> list[Seam]:
    return [seam for seam in seams if seam.is_loaded() and module in (None, seam.module)]


def _handler(real: Function, library: ModuleType) -> Function:
    @wraps(real)
    def handle_request(transport: Any, request: Any) -> Any:
        uri = str(request.url)
        if goes_its_own_way(uri):
            with passing():
                return real(transport, request)
        body = b"".join(request.stream)
        exchange = _Exchange(library, request, uri, body)
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
        uri = str(request.url)
        if goes_its_own_way(uri):
            with passing():
                return await real(transport, request)
        body = b"".join([part async for part in request.stream])
        exchange = _Exchange(library, request, uri, body)
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
        uri: Its address.
        body: What was read.
    """

    def __init__(self, library: ModuleType, request: Any, uri: str, body: bytes) -> None:
        request.stream = library.ByteStream(body)
        self._library = library
        self._request = request
        self._recorder: Recorder = recorder_for(request.method, uri)
        self._decision: Decision = self._recorder.decide(_recorded_request(request, uri, body))
        self._started = seconds()

    def replayed(self) -> Any:
        """The recorded response; ``None`` where the request is to be sent."""
        if self._decision.replay is None:
            return None
        with noting(self._recorder):
            response = as_sent(self._decision.replay.response)
        reason = response.reason or usual_reason(response.status)
        version = response.http_version or USUAL_VERSION
        return self._library.Response(
            response.status,
            headers=[(name.encode(), value.encode()) for name, value in response.headers],  # texts could be ASCII alone
            stream=self._stream(response),
            extensions={"http_version": version.encode("ascii")}
            | ({"reason_phrase": reason.encode("ascii")} if reason else {}),
        )

    def _stream(self, response: RecordedResponse) -> Any:
        if not response.arrivals and response.cut is None:
            return self._library.ByteStream(response.body)
        return replayed_stream(self._library)(self._library, response, self._read_past, self._is_pulled())

    def recorded(self, response: Any) -> Any:
        """The real response, with a stream that captures its body."""
        head = RecordedResponse(
            status=response.status_code,
            reason=response.reason_phrase or "",
            headers=tuple((name.lower(), value) for name, value in response.headers.multi_items()),
            body=b"",
            http_version=unusual_version(response.http_version),
        )
        streamed = bool(self._request.extensions.get(_STREAMED)) and head.status < 400
        record = partial(self._recorder.record, self._decision)
        with noting(self._recorder):
            capture = ResponseCapture(head, streamed=streamed, started=self._started, record=record)
        self._recorder.captures.add(capture)
        response.stream = recorded_stream(self._library)(response, capture)
        return response

    def _read_past(self) -> Exception:
        return self._recorder.read_past(self._decision)

    def _is_pulled(self) -> bool:
        """Whether it is the program itself that reads: the engine goes no further than it is heard."""
        return self._decision.caller is not None


def _recorded_request(request: Any, uri: str, body: bytes) -> RecordedRequest:
    encoding = request.headers.encoding
    headers = tuple((name.decode(encoding).lower(), value.decode(encoding)) for name, value in request.headers.raw)
    return RecordedRequest(method=str(request.method), uri=uri, headers=headers, body=body)
