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

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from pytest_templates.cassettes.recorded import Headers, Interaction

_BYTES: Final = 6
_SHORT: Final = 2**10  # bytes that may be copied


def checksum_of(interaction: Interaction) -> str:
    """The checksum of an interaction as a reader gets it: twelve hexadecimal digits."""
    digest = blake2b(digest_size=_BYTES)
    for part in _parts(interaction):
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        if len(data) < _SHORT:
            digest.update(b"%d:%b" % (len(data), data))
        else:
            digest.update(b"%d:" % len(data))
            digest.update(data)
    return digest.hexdigest()


def _parts(interaction: Interaction) -> Iterator[str | bytes]:
    request, response = interaction.request, interaction.response
    yield request.method
    yield request.uri
    yield from _headers(request.headers)
    yield request.body
    yield from (str(response.status), response.reason, response.http_version, response.encoding)
    yield from _headers(response.headers)
    yield response.body
    yield str(len(response.arrivals))
    for arrival in response.arrivals:
        yield from (str(arrival.size), repr(float(arrival.at)))
    if response.cut is not None:
        yield from (repr(float(response.cut.at)), response.cut.by)


def _headers(headers: Headers) -> Iterator[str]:
    """Sorted by name; the values of one name keep their order."""
    yield str(len(headers))
    for name, value in sorted(headers, key=lambda pair: pair[0]):
        yield from (name, value)
