"""The checksum of an interaction: it tells whether a request and a response are those that were recorded together.

It is made of the values that a reader gets, never of the layout of the file: a file may be formatted anew, and a later
version of the format keeps the checksums of an earlier one. Who asked (``template``, ``model`` and ``sample``) does not
count, so templates may be renamed.

Each part goes into BLAKE2b (RFC 7693) with its length in bytes in front, as ``4:POST``: the method, the address, the
headers, the body; then the status, the reason, the version of HTTP, the encoding, the headers, the body, the pieces
with their sizes and times, and where the body was broken off. A list has its number of entries in front. Headers are
sorted by name, and texts are written in UTF-8.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from operator import itemgetter
from typing import Final

from pytest_templates.cassettes.recorded import Headers, Interaction

_BYTES: Final = 6
_NO_PIECES: Final = b"1:0"


def checksum_of(interaction: Interaction) -> str:
    """The checksum of an interaction as a reader gets it: twelve hexadecimal digits."""
    request, response = interaction.request, interaction.response
    digest = blake2b(_request_head(request.method, request.uri, request.headers), digest_size=_BYTES)
    _add(digest, request.body)
    digest.update(
        _response_head(response.status, response.reason, response.http_version, response.encoding, response.headers)
    )
    _add(digest, response.body)
    digest.update(_texts(str(len(response.arrivals))) if response.arrivals else _NO_PIECES)
    for arrival in response.arrivals:
        digest.update(_texts(str(arrival.size), repr(float(arrival.at))))
    if response.cut is not None:
        digest.update(_texts(repr(float(response.cut.at)), response.cut.by))
    return digest.hexdigest()


@lru_cache(maxsize=256)  # most requests of a cassette have the same one
def _request_head(method: str, uri: str, headers: Headers) -> bytes:
    return _texts(method, uri) + _headers(headers)


@lru_cache(maxsize=256)
def _response_head(status: int, reason: str, http_version: str, encoding: str, headers: Headers) -> bytes:
    return _texts(str(status), reason, http_version, encoding) + _headers(headers)


def _add(digest: blake2b, body: bytes) -> None:
    """Add a body, which may be too long to be copied."""
    digest.update(b"%d:" % len(body))
    digest.update(body)


def _texts(*texts: str) -> bytes:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return b"".join([b"%d:%b" % (len(data), data) for data in encoded])


def _headers(headers: Headers) -> bytes:
    """Sorted by name; the values of one name keep their order."""
    by_name = sorted(headers, key=itemgetter(0))
    return _texts(str(len(headers)), *chain.from_iterable(by_name))
