"""Capturing responses while a client reads them, decompressed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Lock
from typing import Final

from pytest_templates.cassettes.format.bodies import CHECKSUMS, LAST_EVENT, is_over, is_stream
from pytest_templates.cassettes.format.decompression import ChunkDecoder, encoded, encoded_pieces
from pytest_templates.cassettes.recorded import CANCELLATION, CLIENT, Chunk, RecordedResponse, Truncation, header
from pytest_templates.support.clock import seconds

_DECIMALS: Final = 3  # of seconds


class ResponseCapture:
    """One response that is being recorded.

    Args:
        head: The response without its body.
        streamed: Whether the client asked to get the body in pieces.
        started: When the request was sent, by `pytest_templates.support.clock`.
        record: Takes the whole response; called once.

    Attributes:
        has_ended: Whether the whole response was recorded.
        is_raw: Whether the program gets the body as it is sent.

    Raises:
        CassetteError: The body is compressed in a way that cannot be undone.
    """

    def __init__(
        self,
        head: RecordedResponse,
        *,
        streamed: bool,
        started: float,
        record: Callable[[RecordedResponse], None],
    ) -> None:
        self.has_ended = False
        self.is_raw = False
        self._head = head
        self._keeps_pieces = streamed or is_stream(head.headers)
        self._started = started
        self._record = record
        self._decoder = ChunkDecoder(header(head.headers, "content-encoding"))
        self._pieces: list[bytes] = []
        self._arrivals: list[Chunk] = []
        self._received = 0  # bytes, as they were sent
        self._lock = Lock()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record the response when the reading of the body ends, in whichever way."""
        try:
            yield
        except Exception as error:
            self._end(type(error).__name__)
            raise
        except GeneratorExit:  # its iterator was dropped
            self.leave()
            raise
        except BaseException:  # it was cancelled while it waited
            self._end(CANCELLATION)
            raise
        self._end(None)

    def piece(self, data: bytes) -> None:
        """Take the next bytes of the body, as they were sent."""
        try:
            with self._lock:
                self._take(data)
        except Exception:  # noqa: BLE001 - each package has an error of its own; the client is told by its library
            self._end("DecodingError")

    def _take(self, data: bytes) -> None:
        if self.has_ended:
            return
        self._received += len(data)
        decoded = self._decoded(data)
        if decoded:
            self._pieces.append(decoded)
        if decoded and self._keeps_pieces:
            arrival = Chunk(len(decoded), self._now())
            self._arrivals.append(self._arrivals[-1] if self._arrivals[-1:] == [arrival] else arrival)

    def _decoded(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data)
        except Exception:
            if not self.is_raw or self._received > len(data):
                raise
            self._decoder, self.is_raw = ChunkDecoder(""), False  # it is not compressed, and nobody tries to undo it
            return data

    def leave(self) -> None:
        """The client reads no further."""
        self._end(CANCELLATION if _is_being_cancelled() else CLIENT)

    def forget(self) -> None:
        """Record nothing of it."""
        with self._lock:
            self.has_ended = True

    def _end(self, by: str | None) -> None:
        with self._lock:  # another thread may read on while this one ends the test
            if self.has_ended:
                return
            self.has_ended = True
            response = self._response(by)
        self._record(response)

    def _response(self, by: str | None) -> RecordedResponse:
        cut = None if by is None else Truncation(self._now(), by)
        if cut is not None and cut.is_leaving and self._is_whole():
            cut = None
        body, self._pieces = b"".join(self._pieces), []
        response = replace(without_encoding(self._head), body=body, arrivals=tuple(self._arrivals), cut=cut)
        encoding = header(self._head.headers, "content-encoding")
        if not (self.is_raw and encoding and body):
            return response
        length = [pair for pair in self._head.headers if pair[0] == "content-length"]
        return replace(response, headers=(*response.headers, *length), encoding=encoding)

    def _is_whole(self) -> bool:
        """Whether nothing was left to come: many clients do not read on to see the end."""
        length = header(self._head.headers, "content-length")
        return length == str(self._received) or is_over(self._head.headers, b"".join(self._pieces[-LAST_EVENT:]))

    def _now(self) -> float:
        return round(seconds() - self._started, _DECIMALS)


def _is_being_cancelled() -> bool:
    """Whether the task that runs here is being cancelled, as by `asyncio.timeout`."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no event loop runs here
        return False
    return task is not None and task.cancelling() > 0


class ResponseCaptures:
    """The responses that are being recorded for one cassette."""

    def __init__(self) -> None:
        self._captures: list[ResponseCapture] = []
        self._lock = Lock()

    def add(self, capture: ResponseCapture) -> None:
        """One more."""
        with self._lock:
            self._captures = [*(other for other in self._captures if not other.has_ended), capture]

    def rest(self) -> None:
        """Let all other threads wait, since the process is about to fork."""
        self._lock.acquire()

    def go_on(self, *, in_child: bool) -> None:
        """Go on after a fork; what the old process is reading, it records."""
        if in_child:
            self._captures = []
        self._lock.release()

    def end(self) -> None:
        """End those that were not read to their end: they are recorded as far as they were read."""
        with ExitStack() as ending:  # all of them, also where a rule of the project fails for one
            for capture in reversed(self._captures):
                ending.callback(capture.leave)


def as_sent(response: RecordedResponse) -> RecordedResponse:
    """A recorded response as it came, where that was compressed; for programs that undo that themselves.

    Raises:
        CassetteError: A package is not installed that compresses in this way.
    """
    if not response.encoding:
        return response
    arrivals = response.arrivals
    if arrivals or response.cut:
        pieces = encoded_pieces(response.pieces, response.encoding, is_whole=response.cut is None)
        arrivals = tuple(Chunk(len(piece), arrival.at) for piece, arrival in zip(pieces, arrivals, strict=False))
        body = b"".join(pieces)
    else:
        body = encoded(response.body, response.encoding)
    length = header(response.headers, "content-length") if response.cut else str(len(body))
    pairs = ((name, length if name == "content-length" else value) for name, value in response.headers)
    headers = (*pairs, ("content-encoding", response.encoding))
    return replace(response, body=body, arrivals=arrivals, headers=headers, encoding="")


def without_encoding(response: RecordedResponse) -> RecordedResponse:
    """A response whose body a client has undone, without the headers that are about the body as it was sent."""
    if not header(response.headers, "content-encoding"):
        return response
    about = {"content-encoding", "content-length"} | CHECKSUMS
    return replace(response, headers=tuple(pair for pair in response.headers if pair[0] not in about))
