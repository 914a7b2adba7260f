"""Pictures, sound and documents in requests: a cassette keeps their digests, as pages of base64 say nothing to people.

A request is found by the digest as surely as by the content. The content stands as base64 in JSON: in an address
(``data:image/png;base64,…``), or as the whole value of a member that is called as the providers call it. What is short
stays as it is, and so do answers: the program needs their bytes.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from binascii import Error
from dataclasses import replace
from hashlib import sha256
from typing import Final

from pytest_templates.cassettes.format.canonical_json import may_be_json
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest

LEAST: Final = 256  # characters of base64
_BASE64: Final = rb"([A-Za-z0-9+/_-]{%d,}={0,2})" % LEAST
_MEMBER: Final = re.compile(rb'("(?:data|bytes|file_data)"\s*:\s*")' + _BASE64 + rb'(?=")')
_ADDRESS: Final = re.compile(rb"(data:[\w.+-]+/[\w.+-]+(?:;[\w-]+=[\w.+-]+)*;base64,)" + _BASE64 + rb"(?![\w+/=-])")
_DIGEST: Final = re.compile(r"(?<=sha256 )([0-9a-f]{12})[0-9a-f]{52}(?=, [0-9]+ bytes)")


def with_digests(interaction: Interaction) -> Interaction:
    """The interaction as it is kept; the same one where its request holds no content."""
    request = interaction.request
    body = digested(request)
    return interaction if body is request.body else replace(interaction, request=replace(request, body=body))


def digested(request: RecordedRequest) -> bytes:
    """The body of a request, with ``sha256 …, 1024 bytes`` in place of content; the same object where it holds none."""
    body = request.body
    if len(body) < LEAST or not may_be_json(request.headers, body):
        return body
    for pattern in (_MEMBER, _ADDRESS):
        if pattern.search(body):
            body = pattern.sub(lambda found: found[1] + _digest(found[2]), body)
    return body


def _digest(base64: bytes) -> bytes:
    try:
        content = urlsafe_b64decode(base64.translate(bytes.maketrans(b"+/", b"-_")))
    except Error:
        return base64
    return f"sha256 {sha256(content).hexdigest()}, {len(content)} bytes".encode()


def with_short_digests(text: str) -> str:
    """A text with the first twelve digits of such digests, as attachments show them."""
    return _DIGEST.sub(r"\1", text)
