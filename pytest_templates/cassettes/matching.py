"""When two requests count as the same: matchers, ignored paths, and the rules of a project.

JSON bodies are compared as values. The order of names does not count, ``1`` and ``1.0`` are one number, and ``1``,
``true`` and ``"1"`` are three different things. Every other body is compared by its bytes. What is compared is the
scrubbed request, so a recording is found without the key it was made with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pytest_templates.cassettes.format.canonical_json import Json, JsonError, canonical, may_be_json
from pytest_templates.cassettes.recorded import RecordedRequest
from pytest_templates.errors import CassetteError

Path: TypeAlias = tuple[str, ...]
_DOTTED: Final = re.compile(r"(?!\$$|/)[^.\[\]]+(\.[^.\[\]]+)*")  # JSONPath has brackets, a JSON Pointer a / first
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Matcher:
    """Tells equal requests by their fingerprint.

    Attributes:
        match_on: What has to be equal: names of `PARTS`, called as vcrpy's matchers are.
        ignore: Dotted paths from the root of a JSON body that are left out; ``*`` stands for every item or name.

    Raises:
        CassetteError: A name is not one of `PARTS`, or a path is none.
    """

    match_on: tuple[str, ...] = ("method", "uri", "body")
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [name for name in self.match_on if name not in PARTS]
        if unknown or not self.match_on:
            given = ", ".join(map(repr, unknown)) or "nothing"
            raise CassetteError(f"match_on= cannot be {given}; the valid names are {', '.join(PARTS)}")
        _ = self.paths  # refuses what is none now, not at the first request

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """The ignored paths, taken apart."""
        return tuple(_path(path) for path in self.ignore)

    def fingerprint(self, request: RecordedRequest) -> bytes:
        """Sixteen bytes that are equal for equal requests, and for no others."""
        digest = blake2b(digest_size=16)
        for name in self.match_on:
            part = PARTS[name](request, self.paths)
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()


def split_uri(request: RecordedRequest) -> SplitResult:
    """The request's address in its parts."""
    return urlsplit(request.uri)


def _method(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return request.method.upper().encode()


def _uri(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    parts = (_scheme, _user, _host, _port, _path_part, _query)
    return json.dumps([part(request, ()).decode("latin-1") for part in parts]).encode()


def _scheme(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return split_uri(request).scheme.lower().encode()


def _user(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return split_uri(request).netloc.rpartition("@")[0].encode()


def _host(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return (split_uri(request).hostname or "").encode()


def _port(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    uri = split_uri(request)
    port = uri.port if uri.port is not None else _DEFAULT_PORTS.get(uri.scheme.lower(), "")
    return str(port).encode()


def _path_part(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return (split_uri(request).path or "/").encode()  # RFC 3986, section 6.2.3


def _query(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return json.dumps(sorted(parse_qsl(split_uri(request).query, keep_blank_values=True))).encode()


def _headers(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return json.dumps(sorted(request.headers)).encode()


def _raw_body(request: RecordedRequest, _: tuple[Path, ...]) -> bytes:
    return request.body


def _body(request: RecordedRequest, ignored: tuple[Path, ...]) -> bytes:
    if may_be_json(request.headers, request.body):
        try:
            value = without(canonical(request.body), ignored)
        except JsonError:
            return b"bytes:" + request.body
        return b"json:" + json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return b"bytes:" + request.body


PARTS: Final[Mapping[str, Callable[[RecordedRequest, tuple[Path, ...]], bytes]]] = MappingProxyType(
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
    }
)


def _path(dotted: str) -> Path:
    path = dotted.strip().removeprefix("$.")
    if not _DOTTED.fullmatch(path):
        raise CassetteError(
            f"ignore= cannot be {dotted!r}: it takes dotted paths from the root of the JSON body, such as "
            "'metadata.id' or 'messages.*.id'"
        )
    return tuple(path.split("."))


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
