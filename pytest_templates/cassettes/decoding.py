"""Bodies as they were before compression."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial, reduce
from importlib import import_module
from types import ModuleType
from typing import Any, Final

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
