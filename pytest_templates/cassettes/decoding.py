"""Bodies as they were before compression."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Final

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


def _decoder(name: str) -> Callable[[bytes], bytes]:
    if name in {"", "identity"}:
        return bytes
    if name in _WINDOWS:
        return partial(_inflated, windows=_WINDOWS[name])
    if name in _PACKAGES:
        return partial(_undone, _decompress(name))
    raise CassetteError(f"a body in the unknown encoding {name!r} cannot be recorded")


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


def _decompress(name: str) -> Callable[[bytes], bytes]:
    module = next((found for found in map(_imported, _PACKAGES[name]) if found is not None), None)
    if module is None:
        package = _PACKAGES[name][-1]
        raise CassetteError(f"a body compressed with {name!r} cannot be recorded without the package {package}")
    decompress: Callable[[bytes], bytes] = module.decompress
    return decompress


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
