"""The secrets of one cassette: those of the environment, of the requests it holds, and those that answers give.

A server may repeat a credential in its answer, so it is looked for wherever it may stand. Headers have no common form:
a scheme may come first, and then a key alone, in quotes, behind the name of an account, or among parameters (RFC 9110,
section 11.4, and many others), so each part that may be the key is taken for one. Not what servers give out for all
(realms, nonces), names and numbers of versions, and words: to replace these would spoil prompts and answers.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from pytest_templates.cassettes.format.bodies import LONGEST
from pytest_templates.cassettes.format.decompression import decoded
from pytest_templates.cassettes.format.forms import parts_of
from pytest_templates.cassettes.recorded import RecordedRequest, RecordedResponse, header
from pytest_templates.cassettes.scrubbing.members import member_spans
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.policy import (
    has_letter_and_digit,
    is_credential_header,
    is_secret_header,
    is_secret_pair,
    looks_random,
)
from pytest_templates.redaction.secrets import Secrets, Source, is_distinctive, secrets_for, values_of

_MAX_SIGNATURES: Final = 64  # each is good for one request: a server can repeat it in its answer to that one only
_MAX_GIVEN: Final = 256  # secrets that answers gave last: every body is searched for each of them


class Credentials:
    """Every secret that was seen while a cassette was open; of signatures and of what answers give, the last ones.

    A test may set a variable and take it back, and give a client a key that stands in no variable: what a request
    carries as its key is a secret of the whole cassette. What an answer gives under a secret name (a token for uploads)
    the next request may carry anywhere, also in the path of its address, where no name says what it is.

    Args:
        environ: The environment whose secret values are kept out of the file.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._read: Mapping[Any, Any] = {}  # the environment when it was read last
        self._values: dict[str, Source] = {}
        self._signatures: OrderedDict[str, Source] = OrderedDict()
        self._given: OrderedDict[str, Source] = OrderedDict()

    def secrets(self) -> Secrets:
        """What is secret now."""
        # that of the process keeps bytes, and makes texts of all of them whenever it is compared or copied
        environ = dict(getattr(self._environ, "_data", self._environ))
        if environ != self._read:
            self._values.update(values_of(self._environ))
            self._read = environ
        return secrets_for({**self._signatures, **self._given, **self._values})

    def learn(self, request: RecordedRequest) -> None:
        """Take in the credentials that a request, as it is sent, carries in its headers, its address and its body."""
        self.learn_from_head(request)
        self._take((("", value, source) for value, source in _in_body(request)))

    def learn_from_head(self, request: RecordedRequest) -> None:
        """As `learn`, of a request that gives none in its body."""
        self._take(_in_head(request))

    def _take(self, found: Iterable[tuple[str, str, Source]]) -> None:
        for name, value, source in found:
            if not is_distinctive(value):
                continue
            if not _is_signature(name):
                self._values.setdefault(value, source)
            else:
                _remember(self._signatures, value, source, _MAX_SIGNATURES)

    def learn_from_answer(self, response: RecordedResponse) -> None:
        """Take in the secrets that an answer gives: the program may ask with them next."""
        for value, source in _given(response):
            if is_distinctive(value):
                _remember(self._given, value, source, _MAX_GIVEN)


def _remember(known: OrderedDict[str, Source], value: str, source: Source, most: int) -> None:
    if value not in known:
        known[value] = source
        if len(known) > most:
            known.popitem(last=False)


_SIGNATURE: Final = re.compile(r"(?:.*[-_])?(?:sig|signature|h?mac|response)", re.IGNORECASE)


def _is_signature(name: str) -> bool:
    return bool(_SIGNATURE.fullmatch(name))


def _in_head(request: RecordedRequest) -> Iterator[tuple[str, str, Source]]:
    """The credentials in the headers and the address, each with the name it stands under and what it is."""
    for name, text in request.headers:
        if is_credential_header(name):
            yield from _in_credential(name, text)
        elif '"' in text:  # JSON, as gateways take their configuration
            yield from (("", value, source) for value, source in _members(text) if _is_mixed(value))
    yield from _in_address(request.uri)


@lru_cache(maxsize=64)  # clients ask again and again with the same
def _in_credential(name: str, text: str) -> tuple[tuple[str, str, Source], ...]:
    source = Source(f"the value of the header {name}")
    parts = _in_cookies(text) if name.startswith("cookie") else _in_header(text)
    return tuple((parameter or name, value, source) for parameter, value in parts)


@lru_cache(maxsize=64)
def _in_address(address: str) -> tuple[tuple[str, str, Source], ...]:
    uri = urlsplit(address)
    in_values = (found for _, value in parse_qsl(uri.query) for found in _members(value))
    user = Source("the user or password of an address")
    return (
        *(("", unquote(part), user) for part in _secret_parts(uri.netloc.rpartition("@")[0])),
        *((name, value, Source(f"the value of the parameter {name}")) for name, value in _secret_parameters(address)),
        *(("", value, source) for value, source in in_values if _is_mixed(value)),
    )


_MOST_NESTED: Final = 3  # addresses, each a parameter of the one before it


def _secret_parameters(address: str, nested: int = 0) -> Iterator[tuple[str, str]]:
    """The parameters of an address that are secret, of its path's parts and of addresses that are parameters too.

    What is a parameter may be anything, so it is taken apart at its marks, and need be no address.
    """
    path, _, query = address.partition("#")[0].partition("?")
    for name, value in (*parse_qsl(query), *parse_qsl("&".join(_in_path(path)))):
        if is_secret_pair(name, value) and _is_mixed(value):
            yield name, value
        elif "?" in value and nested < _MOST_NESTED:
            yield from _secret_parameters(value, nested + 1)


def _in_path(path: str) -> Iterator[str]:
    """The parameters of the parts of a path; where one is all of a part, its value has to look random."""
    for part in path.split("/"):
        name, *parameters = part.split(";")
        yield from (pair for pair in name.split("&") if looks_random(pair.partition("=")[2]))
        yield from parameters


_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_.-]*)\s+(?=\S)")
_PARAMETER: Final = re.compile(
    r"(?:(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,60}+)=(?!=*(?:[\s,;]|\Z)))?(?:\"(?P<quoted>[^\"\\]*+(?:\\.[^\"\\]*+)*+)(?:\"|\\?\Z)|(?P<bare>[^\s,;\"]++))"
)
# parameters that servers give out, and those that say who asks and how
_NO_CREDENTIALS: Final = frozenset(
    [
        *("realm", "nonce", "opaque", "qop", "nc", "cnonce", "uri", "algorithm", "charset", "username", "userhash"),
        *("credential", "signedheaders", "oauth_nonce", "oauth_timestamp", "oauth_version", "oauth_signature_method"),
        *("oauth_consumer_key", "keyid", "id", "ts", "ext", "headers", "created", "expires", "client", "device"),
        *("deviceid", "version", "username_hash", "account", "user", "scope", "type"),
    ]
)


def _in_header(text: str) -> Iterator[tuple[str, str]]:
    """What may be the key in a header, each with the name of its parameter."""
    scheme = _SCHEME.match(text)
    rest = text[scheme.end() :].strip() if scheme else text.strip()
    if scheme and scheme[1].lower() == "basic":
        yield "", rest
        yield from (("", part) for part in _secret_parts(_decoded(rest)))
        return
    for found in _PARAMETER.finditer(rest):
        name, value = found["name"] or "", found["bare"] or found["quoted"] or ""
        if name.lower() not in _NO_CREDENTIALS:
            yield from ((name, part) for part in _parts(value))
            if name and found["bare"] and not _is_parameter(found, rest):
                yield "", found[0]


def _is_parameter(found: re.Match[str], text: str) -> bool:
    """Whether it is one among others, and not a key with ``=`` in it."""
    return found[0] != text or found["bare"] is None


def _parts(value: str) -> Iterator[str]:
    """A value, and what stands in it behind the name of an account; a key has other characters than a word."""
    account, colon, key = value.partition(":")
    if not _is_word(value):
        yield value
        yield value.rstrip("=")  # servers leave out the padding of base64
    if colon and account and not _is_word(key):
        yield key.lstrip(":")


def _in_cookies(text: str) -> Iterator[tuple[str, str]]:
    """The values of cookies that are no settings, such as a language, a day or a theme."""
    for pair in text.split(";"):
        value = pair.partition("=")[2].strip().strip('"')
        for written in {value, unquote(value)}:
            if len(written) >= _LEAST_COOKIE and _is_mixed(written):
                yield from (("", part) for part in _parts(written))


_LEAST_COOKIE: Final = 12  # characters; settings are shorter
_WORD: Final = re.compile(r"[A-Z]?[a-z]{0,15}|[A-Z]{0,15}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?")


def _is_word(value: str) -> bool:
    return bool(_WORD.fullmatch(value))


def _is_mixed(value: str) -> bool:
    """Whether a value is no word, number or time."""
    return has_letter_and_digit(value) and not _DATE.fullmatch(value)


_MOST_MEMBERS: Final = 100  # of one body


def _in_body(request: RecordedRequest) -> Iterator[tuple[str, Source]]:
    """What stands under secret names in the body: the client secret of a form, the password of a login."""
    if header(request.headers, "content-encoding"):
        try:
            request = replace(request, body=decoded(request.body, header(request.headers, "content-encoding")))
        except CassetteError:  # nobody can read it; it may be one that is not recorded, and recording refuses it
            return
    text = request.body.decode("utf-8", "replace")
    if header(request.headers, "content-type").lower().startswith("application/x-www-form-urlencoded"):
        yield from _in_fields(parse_qsl(text))
        return
    yield from _in_fields(_fields(request))
    yield from ((value, source) for value, source in _members(text) if _is_mixed(value))


def _members(text: str) -> Iterator[tuple[str, Source]]:
    """The values in a text that stand under secret names, but for sentences and what has escapes."""
    for start, end, source in islice(member_spans(text), _MOST_MEMBERS):
        value = text[start:end]
        if "\\" not in value and not any(map(str.isspace, value)):
            yield value, source


def _given(response: RecordedResponse) -> Iterator[tuple[str, Source]]:
    """The secrets in an answer: in its headers, in the cookies that it sets, and under secret names in its body."""
    for name, text in response.headers:
        if name == "set-cookie":
            values: Iterable[str] = (value for _, value in _in_cookies(text.partition(";")[0]))
        else:
            values = [text.strip()] if is_secret_header(name) and _is_key(text.strip()) else []
        yield from ((value, Source(f"the value of the header {name} of an answer")) for value in values)
    if len(response.body) <= LONGEST:
        body = decoded(response.body, header(response.headers, "content-encoding"))
        yield from ((value, source) for value, source in _members(body.decode("utf-8", "replace")) if _is_key(value))


def _is_key(value: str) -> bool:
    """Whether a value is no word and no number, but for very long ones."""
    is_long = len(value) >= _LEAST_LONG and value.isalnum() and not value.islower() and not value.isupper()
    return not any(map(str.isspace, value)) and (_is_mixed(value) or is_long)


_LEAST_LONG: Final = 16  # characters of a key of letters alone, or of digits alone


def _fields(request: RecordedRequest) -> Iterator[tuple[str, str]]:
    """The fields of a form in parts, by their names."""
    for part in parts_of(request.headers, request.body):
        if part.name is not None:
            yield part.name, request.body[part.content : part.end].decode("utf-8", "replace")


def _in_fields(fields: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Source]]:
    for name, value in fields:
        if is_secret_pair(name, value) and _is_mixed(value) and not any(map(str.isspace, value)):
            yield value, Source(f"the value of the parameter {name}")


def _secret_parts(user: str) -> Iterator[str]:
    """The password; the user where there is no password, as some services take their key."""
    name, _, password = user.partition(":")
    yield password or name


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
