"""Undoing the content encodings of bodies: chunk by chunk, or at once where all of a body is there; and doing them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any, Final, Protocol

from pytest_templates.errors import CassetteError

_GZIP: Final = zlib.MAX_WBITS | 16
_GZIP_NAMES: Final = ("gzip", "x-gzip")
_WINDOWS: Final = {**dict.fromkeys(_GZIP_NAMES, _GZIP), "deflate": zlib.MAX_WBITS}
_RAW_DEFLATE: Final = -zlib.MAX_WBITS
_PACKAGES: Final = {"br": ("brotli", "brotlicffi"), "zstd": ("compression.zstd", "backports.zstd", "zstandard")}


class _Decompressor(Protocol):
    """Undoes one encoding of one body."""

    def decompress(self, chunk: bytes) -> bytes:
        """The next part of the body; raises an error of its library's where it is not in this encoding."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether the body has come to its end, and nothing follows."""
        ...


class ChunkDecoder:
    """Undoes the content encodings of a body that comes in chunks.

    Args:
        encoding: The value of ``content-encoding``, such as ``gzip`` or ``br, gzip``; ``""`` for none.

    Raises:
        CassetteError: An encoding is unknown, or needs a package that is not installed.
    """

    def __init__(self, encoding: str) -> None:
        self._decompressors = _decompressors(encoding)

    def decode(self, chunk: bytes) -> bytes:
        """The next part of the body; raises an error of a library's where it is not in this encoding."""
        return reduce(lambda data, decompressor: decompressor.decompress(data), self._decompressors, chunk)


def decoded(body: bytes, encoding: str) -> bytes:
    """A whole body without its content encodings; as it is where a client has already undone them.

    Args:
        body: The bytes.
        encoding: As for `ChunkDecoder`.

    Raises:
        CassetteError: An encoding is unknown, or needs a package that is not installed.
    """
    return reduce(_decompressed, _decompressors(encoding), body) if body else body


def encoded(body: bytes, encoding: str) -> bytes:
    """A whole body in the content encodings that `decoded` undoes; raises as that does."""
    return reduce(_compressed, _names(encoding), body)


def encoded_pieces(pieces: list[bytes], encoding: str, *, is_whole: bool) -> list[bytes]:
    """The pieces of a body in the content encodings that `decoded` undoes; raises as that does.

    What is undone of each of them is the piece that it was. In encodings other than gzip and deflate, the first one
    holds all of the body.

    Args:
        pieces: The body.
        encoding: As for `ChunkDecoder`.
        is_whole: Whether the body comes to its end.
    """
    names = _names(encoding)
    if len(names) > 1 or names[0] not in _WINDOWS:
        return [encoded(b"".join(pieces), encoding)]
    compressor = zlib.compressobj(wbits=_WINDOWS[names[0]])
    *parts, last = [compressor.compress(piece) + compressor.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [*parts, last + compressor.flush() if is_whole else last]


def is_known(encoding: str) -> bool:
    """Whether all of the content encodings are such as can be undone, where their packages are installed."""
    return set(_names(encoding)) <= {*_GZIP_NAMES, "deflate", *_PACKAGES}


def _compressed(body: bytes, name: str) -> bytes:
    if name in _GZIP_NAMES:
        return gzip.compress(body, mtime=0)
    if name == "deflate":
        return zlib.compress(body)
    compressed: bytes = _package(name).compress(body)
    return compressed


def _names(encoding: str) -> list[str]:
    """The encodings, in the order in which they were made."""
    names = [part.strip().lower() for part in encoding.split(",")]
    return [name for name in names if name not in {"", "identity"}]


def _decompressed(body: bytes, decompressor: _Decompressor) -> bytes:
    try:
        whole = decompressor.decompress(body)
    except Exception:  # noqa: BLE001 - each package has an error of its own; all of them say "not compressed"
        return body
    return whole if decompressor.is_complete else body


def _decompressors(encoding: str) -> list[_Decompressor]:
    """What undoes the encodings, the last one first."""
    return [_decompressor(name) for name in reversed(_names(encoding))]


def _decompressor(name: str) -> _Decompressor:
    if name in _GZIP_NAMES:
        return _Gzip()
    if name == "deflate":
        return _Deflate()
    if name == "zstd":
        return _Members(_zstd_maker(_package(name).ZstdDecompressor))
    if name == "br":
        return _Brotli(_package(name).Decompressor())
    raise CassetteError(f"a body in the unknown encoding {name!r} cannot be recorded")


def _zstd_maker(decompressor: Any) -> Callable[[], Any]:
    """Makes what undoes one frame: in the package zstandard that is not the decompressor itself, but made by it."""
    frame: Callable[[], Any] = decompressor().decompressobj if hasattr(decompressor, "decompressobj") else decompressor
    return frame


class _Gzip:
    """One or several members in a row (RFC 1952, section 2.2); what else follows is passed over, as clients do."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._is_first = True
        self._is_over = False

    def decompress(self, chunk: bytes) -> bytes:
        whole = b""
        while chunk and not self._is_over:
            if self._member.eof:
                self._member, self._is_first = zlib.decompressobj(_GZIP), False
            try:
                whole += self._member.decompress(chunk)
            except zlib.error:
                if self._is_first:
                    raise
                self._is_over = True
            chunk = self._member.unused_data
        return whole

    @property
    def is_complete(self) -> bool:
        return self._member.eof or not self._is_first


class _Members:
    """An encoding whose bodies may be several compressed ones in a row."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._member = make()

    def decompress(self, chunk: bytes) -> bytes:
        whole = b""
        while chunk:
            if self._member.eof:
                self._member = self._make()
            whole += self._member.decompress(chunk)
            chunk = self._member.unused_data
        return whole

    @property
    def is_complete(self) -> bool:
        return bool(self._member.eof)


class _Deflate:
    """zlib's format by RFC 9110; in practice also without its header, which the first chunk has or lacks."""

    def __init__(self) -> None:
        self._inflater: Any = None

    def decompress(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._inflater is None:
            self._inflater = zlib.decompressobj(zlib.MAX_WBITS if _has_zlib_header(chunk) else _RAW_DEFLATE)
        whole: bytes = self._inflater.decompress(chunk)
        return whole

    @property
    def is_complete(self) -> bool:
        return self._inflater is not None and self._inflater.eof and not self._inflater.unused_data


def _has_zlib_header(chunk: bytes) -> bool:
    """Whether a body begins with zlib's header (RFC 1950, section 2.2)."""
    return chunk[0] & 0x0F == zlib.DEFLATED and (len(chunk) < 2 or int.from_bytes(chunk[:2], "big") % 31 == 0)


class _Brotli:
    """Brotli, by the package of Google's or by the one for cffi."""

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor

    def decompress(self, chunk: bytes) -> bytes:
        part: bytes = self._decompressor.process(chunk)
        return part

    @property
    def is_complete(self) -> bool:
        return bool(self._decompressor.is_finished())


def _package(name: str) -> Any:
    """The first of the packages for an encoding that is installed."""
    for package in _PACKAGES[name]:
        try:
            return import_module(package)
        except ImportError:
            continue
    needed = " or ".join(_PACKAGES[name])
    raise CassetteError(f"a body compressed with {name!r} cannot be recorded without one of the packages {needed}")
