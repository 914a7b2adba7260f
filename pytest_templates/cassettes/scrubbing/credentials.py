"""The secrets of one cassette: those of the environment, and the credentials that its requests carry."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_templates.cassettes.recorded import RecordedRequest
from pytest_templates.redaction.policy import CREDENTIAL_HEADERS, SECRET_FIELDS
from pytest_templates.redaction.secrets import Secrets, Source, is_distinctive, secrets_for, values_of

_KEY_PARAMETERS: Final = SECRET_FIELDS | {"key"}
_DIGIT: Final = re.compile(r"\d")


class Credentials:
    """Every secret that was seen while a cassette was open; none is forgotten before it closes.

    A test may set a variable and take it back, and give a client a key that stands in no variable: what a request
    carries as its key is a secret of the whole cassette.

    Args:
        environ: The environment whose secret values are kept out of the file.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._values: dict[str, Source] = {}

    def secrets(self) -> Secrets:
        """What is secret now."""
        self._values.update(values_of(self._environ))
        return secrets_for(self._values.copy())

    def learn(self, request: RecordedRequest) -> None:
        """Take in the keys that a request, as it is sent, carries in its headers and its address."""
        for value, source in _credentials(request):
            if is_distinctive(value):
                self._values.setdefault(value, source)


def _credentials(request: RecordedRequest) -> Iterator[tuple[str, Source]]:
    """The keys of a request, each with what it is."""
    for name, value in request.headers:
        if name in CREDENTIAL_HEADERS and "Signature=" not in value:  # a signature is good for one request
            yield from ((credential, Source(f"the value of the header {name}")) for credential in _in_header(value))
    uri = urlsplit(request.uri)
    yield from ((unquote(part), Source("the user or password of an address")) for part in _user(uri.netloc))
    for name, value in parse_qsl(uri.query):
        if name.lower() in _KEY_PARAMETERS and _DIGIT.search(value):
            yield value, Source(f"the value of the parameter {name}")


def _in_header(value: str) -> Iterator[str]:
    scheme, _, rest = value.strip().rpartition(" ")
    yield rest
    if scheme.lower() == "basic":
        yield from _secret_parts(_decoded(rest))


def _user(netloc: str) -> Iterator[str]:
    return _secret_parts(netloc.rpartition("@")[0])


def _secret_parts(user: str) -> Iterator[str]:
    """The password; the user where there is no password, as some services take their key."""
    name, _, password = user.partition(":")
    yield password or name


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
