"""Responses captured while a client reads them, and decompressed for the file."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, reduce
from importlib import import_module
from threading import Lock
from time import perf_counter
from types import ModuleType
from typing import Any, Final

from pytest_templates.cassettes.format.bodies import is_over, is_stream
from pytest_templates.cassettes.recorded import Chunk, Headers, RecordedResponse, Truncation, header
from pytest_templates.errors import CassetteError

_GZIP: Final = (zlib.MAX_WBITS | 16,)
_DEFLATE: Final = (zlib.MAX_WBITS, -zlib.MAX_WBITS)  # by RFC 9110 with zlib's header, in practice also without
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _DEFLATE}
_PACKAGES: Final = {"br": ("brotli", "brotlicffi"), "zstd": ("compression.zstd", "backports.zstd")}


def decoded(body: bytes, encoding: str) -> bytes:
    """A body without its content encodings; as it is where a client has already undone them.

    Args:
        body: The bytes.
        encoding: The value of ``content-encoding``, such as ``gzip`` or ``br, gzip``.

    Raises:
        CassetteError: An encoding is unknown, or needs a package that is not installed.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        body = _decoder(name)(body) if body else body
    return body


def piecewise(encoding: str) -> Callable[[bytes], bytes]:
    """What undoes the content encodings of a body that comes in pieces: give it one piece after another.

    Raises:
        CassetteError: An encoding is unknown, or needs a package that is not installed.
    """
    steps = [_piecewise(name) for name in reversed([part.strip().lower() for part in encoding.split(",")])]
    return lambda piece: reduce(lambda data, step: step(data), steps, piece)


def _piecewise(name: str) -> Callable[[bytes], bytes]:
    if name in {"", "identity"}:
        return bytes
    if name == "deflate":
        return _Deflated()
    if name in _WINDOWS:
        return _Members(partial(zlib.decompressobj, *_GZIP))
    if name == "zstd":
        return _Members(_module(name).ZstdDecompressor)
    if name == "br":
        decompressor = _module(name).Decompressor()
        decompress: Callable[[bytes], bytes] = getattr(decompressor, "process", None) or decompressor.decompress
        return decompress
    raise _unknown(name)


class _Members:
    """Undoes an encoding whose bodies may be several compressed ones in a row."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._member = make()

    def __call__(self, piece: bytes) -> bytes:
        whole = b""
        while piece:
            if self._member.eof:
                self._member = self._make()
            whole += self._member.decompress(piece)
            piece = self._member.unused_data
        return whole


class _Deflated:
    """Undoes deflate, whose header its first piece has or lacks."""

    def __init__(self) -> None:
        self._inflater: Any = None

    def __call__(self, piece: bytes) -> bytes:
        if not piece:
            return piece
        if self._inflater is None:
            self._inflater = zlib.decompressobj(_DEFLATE[0] if _has_zlib_header(piece) else _DEFLATE[1])
        whole: bytes = self._inflater.decompress(piece)
        return whole


def _has_zlib_header(piece: bytes) -> bool:
    """Whether a body begins with zlib's header (RFC 1950, section 2.2) or, as sent by some, without one."""
    return piece[0] & 0x0F == zlib.DEFLATED and (len(piece) < 2 or int.from_bytes(piece[:2], "big") % 31 == 0)


def _decoder(name: str) -> Callable[[bytes], bytes]:
    if name in {"", "identity"}:
        return bytes
    if name in _WINDOWS:
        return partial(_inflated, windows=_WINDOWS[name])
    if name in _PACKAGES:
        return partial(_undone, _module(name).decompress)
    raise _unknown(name)


def _unknown(name: str) -> CassetteError:
    return CassetteError(f"a body in the unknown encoding {name!r} cannot be recorded")


def _inflated(body: bytes, windows: tuple[int, ...]) -> bytes:
    for window in windows:
        with suppress(zlib.error):
            return _members(body, window)
    return body


def _members(body: bytes, window: int) -> bytes:
    """All gzip members of a body, one after the other (RFC 1952, section 2.2)."""
    whole = b""
    while body:
        inflater = zlib.decompressobj(window)
        whole += inflater.decompress(body) + inflater.flush()
        if not inflater.eof:
            raise zlib.error("cut off")
        body = inflater.unused_data
    return whole


def _module(name: str) -> Any:
    module = next((found for found in map(_imported, _PACKAGES[name]) if found is not None), None)
    if module is None:
        package = _PACKAGES[name][-1]
        raise CassetteError(f"a body compressed with {name!r} cannot be recorded without the package {package}")
    return module


def _undone(decompress: Callable[[bytes], bytes], body: bytes) -> bytes:
    try:
        return decompress(body)
    except Exception:  # noqa: BLE001 - each package has an error of its own; all of them say "not compressed"
        return body


def _imported(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None


CLIENT: Final = "client"  # who cut a response short
_DECIMALS: Final = 3  # of seconds


class ResponseCapture:
    """One response that is being recorded.

    Args:
        head: The response without its body.
        streamed: Whether the client asked to get the body in pieces.
        started: When the request was sent, by `time.perf_counter`.
        record: Takes the whole response; called once.

    Attributes:
        has_ended: Whether the whole response was recorded.

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
        self._head = head
        self._keeps_pieces = streamed or is_stream(head.headers)
        self._started = started
        self._record = record
        self._decode = piecewise(header(head.headers, "content-encoding"))
        self._body = bytearray()
        self._arrivals: list[Chunk] = []
        self._received = 0  # bytes, as they were sent
        self._lock = Lock()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear how the reading of the body ends."""
        try:
            yield
        except Exception as error:
            self._end(type(error).__name__)
            raise
        except BaseException:  # it was cancelled, or its iterator was dropped
            self.leave()
            raise
        self._end(None)

    def piece(self, data: bytes) -> None:
        """Take the next bytes of the body, as they were sent."""
        self._received += len(data)
        try:
            decoded = self._decode(data)
        except Exception:  # noqa: BLE001 - each package has an error of its own; the client is told by its library
            self._end("DecodingError")
            return
        if decoded and not self.has_ended:
            self._arrivals.append(Chunk(len(decoded), self._now()))
            self._body += decoded

    def leave(self) -> None:
        """The client reads no further."""
        self._end(None if self._is_whole() else CLIENT)

    def _end(self, by: str | None) -> None:
        with self._lock:
            ended, self.has_ended = self.has_ended, True
        if not ended:
            self._record(self._response(None if by is None else Truncation(self._now(), by)))

    def _response(self, cut: Truncation | None) -> RecordedResponse:
        return RecordedResponse(
            status=self._head.status,
            reason=self._head.reason,
            headers=_decoded_headers(self._head.headers),
            body=bytes(self._body),
            arrivals=tuple(self._arrivals) if self._keeps_pieces else (),
            cut=cut,
        )

    def _is_whole(self) -> bool:
        """Whether nothing was left to come: many clients do not read on to see the end."""
        length = header(self._head.headers, "content-length")
        return length == str(self._received) or is_over(self._head.headers, bytes(self._body))

    def _now(self) -> float:
        return round(perf_counter() - self._started, _DECIMALS)


class ResponseCaptures:
    """The responses that are being recorded for one cassette."""

    def __init__(self) -> None:
        self._captures: list[ResponseCapture] = []
        self._lock = Lock()

    def add(self, capture: ResponseCapture) -> None:
        """One more."""
        with self._lock:
            self._captures = [*(other for other in self._captures if not other.has_ended), capture]

    def end(self) -> None:
        """End those that nobody read to their end: they were left where they stand."""
        with ExitStack() as ending:  # all of them, also where a rule of the project fails for one
            for capture in reversed(self._captures):
                ending.callback(capture.leave)


def _decoded_headers(headers: Headers) -> Headers:
    return tuple((name, value) for name, value in headers if name != "content-encoding")
