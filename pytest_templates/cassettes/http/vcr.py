"""http.client, urllib3, botocore and tornado, caught by way of vcrpy.

vcrpy's own data, its file handling and its matchers are not used.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial, wraps
from http import client
from importlib.util import find_spec
from types import FunctionType
from typing import Any, Final
from unittest import mock

from vcr import patch as vcr_patch
from vcr.cassette import Cassette
from vcr.patch import CassettePatcherBuilder, ConnectionRemover
from vcr.request import Request as VcrRequest
from vcr.stubs import VCRHTTPSConnection
from vcr.util import read_body

from pytest_templates.cassettes.http.routing import Decision, Recorder, goes_its_own_way, noted, recorder_for
from pytest_templates.cassettes.http.seams import BOTOCORE, Patch, hiding, passing
from pytest_templates.cassettes.recorded import Headers, RecordedRequest, RecordedResponse, usual_reason
from pytest_templates.errors import CassetteError

_NEEDS_RESET: Final = "httplib2"  # its connections look up patched names of http.client themselves


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Let vcrpy log nothing below a warning, for the length of a block; a handler or level cannot change that."""
    known = list(logging.root.manager.loggerDict.items())
    loggers = [one for name, one in known if name.startswith("vcr.") and isinstance(one, logging.Logger)]
    for logger in loggers:
        logger.addFilter(_is_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_warning)


def reset_patches() -> list[Patch]:
    """What lets vcrpy's patches stand also while connections are made.

    Where httplib2 is installed, vcrpy keeps its own way: one thread at a time.
    """
    if _NEEDS_RESET in sys.modules:
        return []
    return [Patch(VCRHTTPSConnection, "_baseclass", _steady_class()), Patch(vcr_patch, "force_reset", _no_reset)]


def _no_reset() -> AbstractContextManager[None]:
    return nullcontext()


def _steady_class() -> type[client.HTTPSConnection]:
    """`http.client.HTTPSConnection`, working also while that name stands for something else."""
    real: Any = vcr_patch._HTTPSConnection
    return type("HTTPSConnection", (real,), {"__init__": _with_own_names(real.__init__)})


def _with_own_names(function: Any) -> Callable[..., None]:
    """The function with the names of its module as they are when nothing is patched."""
    real = {"HTTPConnection": vcr_patch._HTTPConnection, "HTTPSConnection": vcr_patch._HTTPSConnection}
    names = {**function.__globals__, **real}
    steady = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    steady.__kwdefaults__ = function.__kwdefaults__
    return steady


_HANDLED: Final = "antiphon_asked"
# requests sends by urllib3, botocore may come late, the others have seams of our own.
_OTHERWISE: Final = ("requests", "boto3", "httpx", "httpx2", "aiohttp")


@dataclass(frozen=True, slots=True)
class Handled:
    """A request with its recorder, and what that has decided.

    Attributes:
        recorder: Of the cassette that it belongs to.
        decision: What is to happen with it.
    """

    recorder: Recorder
    decision: Decision

    def replayed(self) -> RecordedResponse | None:
        """The recorded response, whole; ``None`` where the request is to be sent.

        Raises:
            CassetteMiss: It is not whole.
        """
        if self.decision.replay is None:
            return None
        response = self.decision.replay.response
        if response.cut is not None:
            raise self.recorder.read_past(self.decision)
        return response

    def record(self, response: RecordedResponse) -> None:
        """Take the response to the request that was sent."""
        self.recorder.record(self.decision, response)


class RoutingCassette(Cassette):  # type: ignore[misc]  # vcrpy has no types
    """Answers vcrpy's questions by the recorder that a request belongs to.

    A request is decided about once: vcrpy asks several times about the same request, and from several threads, so the
    answer is kept on the request.
    """

    def __init__(self) -> None:
        super().__init__(path="", skip_patchers=_OTHERWISE)

    def can_play_response_for(self, request: VcrRequest) -> bool:
        """Whether to replay; raises `CassetteMiss` where the request may not be sent either."""
        if goes_its_own_way(request.uri):
            return False
        return handled(request).decision.replay is not None

    def play_response(self, request: VcrRequest) -> dict[str, Any]:
        """The recorded response, in vcrpy's form."""
        response = handled(request).replayed()
        if response is None:
            raise CassetteError(f"{request.method} {request.uri.partition('?')[0]} has no recording")
        return vcr_response(response)

    def append(self, request: VcrRequest, response: dict[str, Any]) -> None:
        """Take the response to a request that was sent."""
        if not goes_its_own_way(request.uri):
            handled(request).record(recorded_response(response))

    @property
    def write_protected(self) -> bool:
        """Never: a request that may not be sent is refused before."""
        return False

    def __bool__(self) -> bool:
        return True


# What vcrpy sends requests of tornado by; there where that is installed.
_SENT_BY_TORNADO: Final = frozenset({"_SimpleAsyncHTTPClient_fetch_impl", "_CurlAsyncHTTPClient_fetch_impl"})


class _PoolCleaner:
    """As vcrpy's `ConnectionRemover`, which keeps the pools that it has cleaned: forgets them with each block.

    Args:
        kind: The class of connections that it takes out of pools.
    """

    def __init__(self, kind: type) -> None:
        self._make = partial(ConnectionRemover, kind)
        self._block = self._make()

    def add_connection_to_pool_entry(self, pool: Any, connection: Any) -> None:
        """Take note of a connection that a pool has made."""
        self._block.add_connection_to_pool_entry(pool, connection)

    def __enter__(self) -> None:
        """Begin a block."""

    def __exit__(self, *_: object) -> None:
        block, self._block = self._block, self._make()
        block.__exit__()


def vcr_patches() -> tuple[list[Patch], list[AbstractContextManager[Any]]]:
    """What vcrpy puts in place, and what it does at the end as context managers, which serve again and again."""
    patches: list[Patch] = []
    cleaners: list[AbstractContextManager[Any]] = []
    with ExitStack() as changed, hiding(_not_installed()):
        changed.enter_context(mock.patch.object(vcr_patch, "ConnectionRemover", _PoolCleaner))
        for name in _SENT_BY_TORNADO & vars(vcr_patch).keys():
            changed.enter_context(mock.patch.object(vcr_patch, name, _passing(getattr(vcr_patch, name))))
        for patcher in _builder().build():
            if hasattr(patcher, "getter"):
                patches.append(Patch(patcher.getter(), patcher.attribute, patcher.new))
            else:
                cleaners.append(patcher)
    return patches, cleaners


@cache
def _not_installed() -> tuple[str, ...]:
    """What vcrpy looks for at every opening: to find that it is not there takes as long as all else."""
    return tuple(name for name in ("httplib2", "tornado") if name not in sys.modules and find_spec(name) is None)


def botocore_patches() -> list[Patch]:
    """What vcrpy puts in place of botocore, where the program has loaded it."""
    if BOTOCORE not in sys.modules:
        return []
    return [Patch(patcher.getter(), patcher.attribute, patcher.new) for patcher in _builder()._boto3()]


@contextmanager
def urllib3_as_it_is() -> Iterator[None]:
    """Let urllib3 have its own connections for the length of a block, for those that are built on them."""
    from urllib3 import connection

    own = {"HTTPConnection": vcr_patch._connHTTPConnection, "HTTPSConnection": vcr_patch._connHTTPSConnection}
    with mock.patch.multiple(connection, **own, VerifiedHTTPSConnection=vcr_patch._VerifiedHTTPSConnection):
        yield


@cache
def routing_cassette() -> RoutingCassette:
    """The one that vcrpy knows."""
    return RoutingCassette()


@cache
def _builder() -> Any:
    return CassettePatcherBuilder(routing_cassette())


def _passing(real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def sent(*arguments: Any, **named: Any) -> Any:
        with passing():
            return real(*arguments, **named)

    return sent


def handled(request: VcrRequest) -> Handled:
    """The request with what was decided about it when it was first asked for."""
    found: Handled | None = getattr(request, _HANDLED, None)
    if found is None:
        recorded = _recorded_request(request)
        recorder = recorder_for(recorded.method, recorded.uri)
        found = Handled(recorder, recorder.decide(recorded))
        setattr(request, _HANDLED, found)
    return found


def _recorded_request(request: VcrRequest) -> RecordedRequest:
    return RecordedRequest(
        method=_text(request.method).upper(),
        uri=str(request.uri),
        headers=_headers(request.headers.items()),
        body=_bytes(read_body(request)),
    )


def recorded_response(response: dict[str, Any], http_version: str = "") -> RecordedResponse:
    """A response of vcrpy's as it is recorded."""
    headers = response["headers"]
    return RecordedResponse(
        status=response["status"]["code"],
        reason=response["status"]["message"] or "",
        headers=_headers(headers.items() if isinstance(headers, dict) else headers),
        body=_bytes(response["body"].get("string")),
        http_version=http_version,
    )


def vcr_response(response: RecordedResponse) -> dict[str, Any]:
    """A recorded response in vcrpy's form."""
    headers: dict[str, list[str]] = {}
    for name, value in response.headers:
        headers.setdefault(name, []).append(value)
    message = response.reason or usual_reason(response.status)
    return {
        "status": {"code": response.status, "message": message},
        "headers": headers,
        "body": {"string": response.body},
    }


def _headers(items: Iterable[tuple[Any, Any]]) -> Headers:
    """Pairs of vcrpy's headers, whose values may be texts, bytes or lists of these."""
    return tuple((_text(name).lower(), _text(value)) for name, values in items for value in _listed(values))


def _listed(values: Any) -> Iterable[Any]:
    return values if isinstance(values, (list, tuple)) else [values]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    """A body as vcrpy passes it on."""
    if body is None or isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body or b"")
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape")
    raise noted(CassetteError(f"a request body of the type {type(body).__name__} cannot be recorded"))
