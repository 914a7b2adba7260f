"""When two requests count as the same: matchers, ignored paths, and the rules of a project.

JSON bodies are compared as values. The order of names does not count, ``1`` and ``1.0`` are one number, and ``1``,
``true`` and ``"1"`` are three different things. Every other body is compared by its bytes. What is compared is the
scrubbed request, so a recording is found without the key it was made with.

Instead of the body, the model or the conversation in it may be compared. That loosens calls of models only: a request
that names no model, or holds no conversation, is compared by its whole body. Whether the answer is to be a stream
counts in any case, since a client cannot read the one for the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from pytest_templates.cassettes.format.canonical_json import Json, JsonError, canonical, may_be_json
from pytest_templates.cassettes.format.forms import without_fields
from pytest_templates.cassettes.format.media import digested
from pytest_templates.cassettes.hosts import default_port
from pytest_templates.cassettes.reading.llm import conversation_of, model_named
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest
from pytest_templates.errors import CassetteError

Path: TypeAlias = tuple[str, ...]
_DOTTED: Final = re.compile(r"(?!\$$|/)[^.\[\]]+(\.[^.\[\]]+)*")  # JSONPath has brackets, a JSON Pointer a / first
DEFAULT_MATCH_ON: Final = ("method", "uri", "body")


@dataclass(frozen=True)
class Ignored:
    """What is left out of the comparison.

    Attributes:
        members: Paths in a JSON body; ``*`` stands for every item or name.
        parameters: Names of parameters in the query; ``*`` stands for all.
        fields: Names of fields in a form; ``*`` stands for all.
    """

    members: tuple[Path, ...] = ()
    parameters: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Matcher:
    """Tells equal requests by their fingerprint.

    Attributes:
        match_on: What has to be equal: names of `PARTS`, called as vcrpy's matchers are.
        ignore: What is left out: dotted paths from the root of a JSON body, such as ``metadata.id``, where ``*`` stands
            for every item or name; ``query.NAME``, a parameter of the address; ``form.NAME``, a field of a form. As
            paths, the last two mean members of a JSON body as well; ``$.query.NAME`` means nothing else.

    Raises:
        CassetteError: A name is not one of `PARTS`, names exclude each other, or a path is none.
    """

    match_on: tuple[str, ...] = DEFAULT_MATCH_ON
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [name for name in self.match_on if name not in PARTS]
        if unknown or not self.match_on:
            given = ", ".join(map(repr, unknown)) or "nothing"
            raise CassetteError(f"match_on= cannot be {given}; the valid names are {', '.join(PARTS)}")
        whole, parts = (next((name for name in names if name in self.match_on), None) for names in (_WHOLE, _LOOSE))
        if whole and parts:
            raise CassetteError(
                f"match_on= cannot be {whole!r} and {parts!r} at once: {whole!r} compares all of the body, {parts!r} "
                "only that part of it; leave one out"
            )
        _ = self.ignored  # refuses what is none now, not at the first request

    @cached_property
    def ignored(self) -> Ignored:
        """What is left out, taken apart."""
        members = [path for text in self.ignore if (path := _path(text)) is not None]
        parameters, fields = (frozenset(_names(self.ignore, place)) for place in (_QUERY, _FORM))
        return Ignored(tuple(members), parameters, fields)

    def part(self, name: str, request: RecordedRequest) -> bytes:
        """What is compared of a request by one of the names in `match_on`."""
        return PARTS[name](request, self.ignored)

    def fingerprint(self, request: RecordedRequest) -> bytes:
        """Sixteen bytes that are equal for equal requests, and for no others."""
        digest = blake2b(digest_size=16)
        for name in self.match_on:
            part = self.part(name, request)
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()

    def key(self, interaction: Interaction, fingerprint: bytes | None = None) -> bytes:
        """Bytes that are equal for interactions of one sample whose requests are equal, and for no others.

        Args:
            interaction: The interaction.
            fingerprint: That of its request, where it is known.
        """
        fingerprint = fingerprint or self.fingerprint(interaction.request)
        return fingerprint if interaction.sample == 1 else fingerprint + interaction.sample.to_bytes(8, "big")


def split_uri(request: RecordedRequest) -> SplitResult:
    """The request's address in its parts."""
    return urlsplit(request.uri)


def uri_without(uri: str, ignored: Ignored) -> str:
    """An address without the parameters that are ignored."""
    if not ignored.parameters:
        return uri
    parts = urlsplit(uri)
    return parts._replace(query=urlencode(_parameters(parts, ignored))).geturl()


def json_of(request: RecordedRequest, ignored: Ignored) -> Json:
    """The JSON body of a request without what is ignored.

    Raises:
        JsonError: It has none.
    """
    if not may_be_json(request.headers, request.body):
        raise JsonError("the body is no JSON")
    return without(canonical(digested(request)), ignored.members)


def bytes_of(request: RecordedRequest, ignored: Ignored) -> bytes:
    """A body that is no JSON, without what is ignored."""
    return without_fields(request.headers, request.body, ignored.fields)


def conversation_in(request: RecordedRequest, ignored: Ignored) -> dict[str, Json] | None:
    """The parts of a request that are the conversation with a model, without what is ignored; ``None`` for none."""
    body = _json_or_none(request, ignored)
    return conversation_of(body, model=model_named(request.uri, body))


def _method(request: RecordedRequest, _: Ignored) -> bytes:
    return request.method.upper().encode()


def _uri(request: RecordedRequest, ignored: Ignored) -> bytes:
    return _address(request.uri, ignored)


@lru_cache(maxsize=256)  # most requests go to a few addresses
def _address(uri: str, ignored: Ignored) -> bytes:
    request = RecordedRequest("", uri, (), b"")
    parts = (_scheme, _user, _host, _port, _path_part, _query)
    return json.dumps([part(request, ignored).decode("latin-1") for part in parts]).encode()


def _scheme(request: RecordedRequest, _: Ignored) -> bytes:
    return split_uri(request).scheme.lower().encode()


def _user(request: RecordedRequest, _: Ignored) -> bytes:
    return split_uri(request).netloc.rpartition("@")[0].encode()


def _host(request: RecordedRequest, _: Ignored) -> bytes:
    return (split_uri(request).hostname or "").encode()


def _port(request: RecordedRequest, _: Ignored) -> bytes:
    uri = split_uri(request)
    port = default_port(uri.scheme) if uri.port is None else uri.port
    return b"" if port is None else str(port).encode()


def _path_part(request: RecordedRequest, _: Ignored) -> bytes:
    return (split_uri(request).path or "/").encode()  # RFC 3986, section 6.2.3


def _query(request: RecordedRequest, ignored: Ignored) -> bytes:
    return json.dumps(sorted(_parameters(split_uri(request), ignored))).encode()


def _parameters(uri: SplitResult, ignored: Ignored) -> list[tuple[str, str]]:
    pairs = parse_qsl(uri.query, keep_blank_values=True)
    return [(name, value) for name, value in pairs if not ignored.parameters & {name, _ANY}]


def _headers(request: RecordedRequest, _: Ignored) -> bytes:
    return json.dumps(sorted(request.headers)).encode()


def _raw_body(request: RecordedRequest, _: Ignored) -> bytes:
    return request.body


def _body(request: RecordedRequest, ignored: Ignored) -> bytes:
    try:
        return b"json:" + _canonical_text(json_of(request, ignored))
    except JsonError:
        return b"bytes:" + bytes_of(request, ignored)


def _model(request: RecordedRequest, ignored: Ignored) -> bytes:
    body = _json_or_none(request, ignored)
    name = model_named(request.uri, body)
    return _canonical_text([name, *_streamed(body)] if _streamed(body) else name) if name else _body(request, ignored)


def _messages(request: RecordedRequest, ignored: Ignored) -> bytes:
    conversation = conversation_in(request, ignored)
    if conversation is None:
        return _body(request, ignored)
    return _canonical_text([conversation, *_streamed(_json_or_none(request, ignored))])


def _streamed(body: Json) -> list[str]:
    return ["streamed"] if isinstance(body, dict) and body.get("stream") else []


def _json_or_none(request: RecordedRequest, ignored: Ignored) -> Json:
    try:
        return json_of(request, ignored)
    except JsonError:
        return None


_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def _canonical_text(value: Json) -> bytes:
    return _CANONICAL.encode(value).encode()


PARTS: Final[Mapping[str, Callable[[RecordedRequest, Ignored], bytes]]] = MappingProxyType(
    {
        "method": _method,
        "uri": _uri,
        "scheme": _scheme,
        "host": _host,
        "port": _port,
        "path": _path_part,
        "query": _query,
        "headers": _headers,
        "body": _body,
        "raw_body": _raw_body,
        "model": _model,
        "messages": _messages,
    }
)
_WHOLE: Final = ("body", "raw_body")
_LOOSE: Final = ("model", "messages")

_QUERY: Final = "query."
_FORM: Final = "form."
_ANY: Final = "*"


def _names(ignore: Iterable[str], place: str) -> Iterator[str]:
    """The parameters or fields that are ignored; their names may hold dots."""
    for text in map(str.strip, ignore):
        if text.startswith(place):
            name = text.removeprefix(place)
            if not name or (_ANY in name and name != _ANY):
                raise CassetteError(f"ignore= cannot be {text!r}: it takes {place}NAME, or {place}* for all of them")
            yield name


def _path(text: str) -> Path | None:
    """A path in a JSON body; ``None`` for a name that can only be one of a parameter or a field."""
    path = text.strip().removeprefix("$.")
    if _DOTTED.fullmatch(path):
        return tuple(path.split("."))
    if path.startswith((_QUERY, _FORM)):
        return None
    raise CassetteError(
        f"ignore= cannot be {text!r}: it takes dotted paths from the root of the JSON body, such as 'metadata.id' or "
        "'messages.*.id', and names of parameters and of fields of forms, such as 'query.page' and 'form.id'"
    )


def without(value: Json, paths: tuple[Path, ...]) -> Json:
    """A JSON value without what lies at these paths."""
    if not paths:
        return value
    if isinstance(value, dict):
        return {key: without(inner, rest) for key, inner, rest in _kept(value.items(), paths)}
    if isinstance(value, list):
        return [without(inner, rest) for _, inner, rest in _kept(((str(i), v) for i, v in enumerate(value)), paths)]
    return value


def _kept(items: Iterable[tuple[str, Json]], paths: tuple[Path, ...]) -> Iterator[tuple[str, Json, tuple[Path, ...]]]:
    """The entries that no path ends at, each with what remains of the paths that lead through it."""
    for name, value in items:
        rests = tuple(path[1:] for path in paths if path[0] in {name, "*"})
        if () not in rests:
            yield name, value, rests
