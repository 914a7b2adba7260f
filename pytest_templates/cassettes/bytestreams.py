"""The two streams that httpx's clients read a body from: one is recorded on its way, one is replayed.

httpx and httpx2 each ask for streams of their own classes, which are otherwise the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

from pytest_templates.cassettes.takes import CLIENT, Take
from pytest_templates.cassettes.values import RecordedResponse


@cache
def recorded_stream(library: ModuleType) -> Callable[[Any, Take], Any]:
    """Makes streams of a library from its own ones and the takes that listen in."""
    return type("RecordedStream", (_RecordedStream, library.SyncByteStream, library.AsyncByteStream), {})


@cache
def replayed_stream(library: ModuleType) -> Callable[[ModuleType, RecordedResponse, Callable[[], Exception]], Any]:
    """Makes streams of a library from recorded responses."""
    return type("ReplayedStream", (_ReplayedStream, library.SyncByteStream, library.AsyncByteStream), {})


class _RecordedStream:
    """Hands every piece to the client as it comes, and to the recording."""

    def __init__(self, stream: Any, take: Take) -> None:
        self._stream = stream
        self._take = take

    def __iter__(self) -> Iterator[bytes]:
        with self._take.listening():
            for piece in self._stream:
                self._take.piece(piece)
                yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._take.listening():
            async for piece in self._stream:
                self._take.piece(piece)
                yield piece

    def close(self) -> None:
        try:
            self._take.leave()
        finally:
            self._stream.close()

    async def aclose(self) -> None:
        try:
            self._take.leave()
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
