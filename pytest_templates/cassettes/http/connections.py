"""Connections of http.client, and of urllib3 and botocore, which build on it: what is sent, and what comes back.

vcrpy puts its own connections in the place of theirs. What a program asks of one is kept as it was asked, and asked of
the real connection when the response is wanted: a body in pieces goes out in pieces, and in the same framing. A body
that can be read once is read for the recording, and given to the real connection as one of its kind.

The response that a program gets is of the kind that its library makes, over the bytes that came: what is compressed is
undone by the library, where the program wants that, in replay as well.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial, wraps
from http.client import HTTPMessage, HTTPResponse
from types import SimpleNamespace
from typing import Any, Final

from vcr import patch as vcr_patch
from vcr import stubs
from vcr.stubs import VCRConnection

from pytest_templates.cassettes.http.capture import as_sent
from pytest_templates.cassettes.http.routing import goes_its_own_way, noting
from pytest_templates.cassettes.http.seams import Patch, passing
from pytest_templates.cassettes.http.vcr import handled, recorded_response, vcr_response
from pytest_templates.cassettes.recorded import USUAL_VERSION, unusual_version

_CALLS: Final = "antiphon_calls"  # on vcrpy's request: how it was made
_SENT: Final = "antiphon_sent"  # on a connection whose request went its own way
_OPTIONS: Final = "antiphon_options"  # on a connection of urllib3: how its program wants to read
_BLOCK: Final = 2**14  # bytes
_NOT_READ_YET: Final = {"preload_content": False}
_VERSIONS: Final = {9: "HTTP/0.9", 10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2", 30: "HTTP/3"}
_NUMBERS: Final = {version: number for number, version in _VERSIONS.items()}

Function = Callable[..., Any]


def connection_patches() -> Iterator[Patch]:
    """What vcrpy's connections do in another way."""
    for name, wrapper in (
        ("connect", _connect),
        ("request", _request),
        ("putrequest", _put_request),
        ("putheader", _put_header),
        ("endheaders", _end_headers),
        ("send", _send),
        ("getresponse", _get_response),
    ):
        yield Patch(VCRConnection, name, wrapper(getattr(VCRConnection, name)))
    of_urllib3 = sys.modules.get("vcr.stubs.urllib3_stubs")
    if of_urllib3 is not None:
        mixin = of_urllib3._VCRRequestsConnectionMixin
        yield Patch(mixin, "getresponse", _get_response(mixin.getresponse))


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a method of a connection."""

    method: str
    arguments: tuple[Any, ...]
    settings: dict[str, Any]

    def make(self, connection: Any) -> None:
        getattr(connection, self.method)(*self.arguments, **self.settings)


def _connect(real: Function) -> Function:
    @wraps(real)
    def connect(*arguments: Any, **settings: Any) -> Any:
        with passing():
            return real(*arguments, **settings)

    return connect


def _request(real: Function) -> Function:
    @wraps(real)
    def request(
        connection: Any, method: str, url: str, body: Any = None, headers: Any = None, *_: Any, **settings: Any
    ) -> None:
        if goes_its_own_way(connection._uri(url)):
            with passing(), vcr_patch.force_reset():  # at once, as it is asked, and not when its response is wanted
                connection.real_connection.request(method, url, body, headers or {}, **settings)
            vars(connection)[_SENT] = True
            return
        body = _readable_again(body)
        real(connection, method, url, _bytes(body, connection), headers)
        if _has_responses_of_its_own(connection):
            vars(connection)[_OPTIONS] = {**settings, "request_method": method, "request_url": url}
            settings = {**settings, **_NOT_READ_YET}
        _calls(connection).append(_Call("request", (method, url, body, headers or {}), settings))

    return request


def _put_request(real: Function) -> Function:
    @wraps(real)
    def putrequest(connection: Any, *arguments: Any, **settings: Any) -> None:
        real(connection, *arguments, **settings)
        _calls(connection).append(_Call("putrequest", arguments, settings))

    return putrequest


def _put_header(real: Function) -> Function:
    @wraps(real)
    def putheader(connection: Any, name: Any, *values: Any) -> None:
        real(connection, name, *values)
        _calls(connection).append(_Call("putheader", (name, *values), {}))

    return putheader


def _end_headers(real: Function) -> Function:
    @wraps(real)
    def endheaders(connection: Any, message_body: Any = None, **settings: Any) -> None:
        message_body = _readable_again(message_body)
        real(connection, _bytes(message_body, connection))
        _calls(connection).append(_Call("endheaders", (message_body,), settings))

    return endheaders


def _send(real: Function) -> Function:
    @wraps(real)
    def send(connection: Any, data: Any) -> None:
        data = _readable_again(data)
        real(connection, _bytes(data, connection) or b"")
        _calls(connection).append(_Call("send", (data,), {}))

    return send


def _get_response(real: Function) -> Function:
    @wraps(real)
    def getresponse(connection: Any, *arguments: Any, **settings: Any) -> Any:
        if vars(connection).pop(_SENT, False):
            return connection.real_connection.getresponse(*arguments, **settings)
        request = connection._vcr_request
        if goes_its_own_way(request.uri):
            with passing():
                return _sent(connection)
        asked = handled(request)
        replay = asked.replayed()
        if replay is not None:
            with noting(asked.recorder):
                answer = vcr_response(as_sent(replay))
            return _shown(connection, answer, replay.http_version)
        with passing():
            response = _sent(connection)
        body = response.read(decode_content=False) if _has_responses_of_its_own(connection) else response.read()
        version = unusual_version(_VERSIONS.get(response.version, USUAL_VERSION))
        answer = {
            "status": {"code": response.status, "message": response.reason},
            "headers": stubs.serialize_headers(response),
            "body": {"string": body},
        }
        asked.record(recorded_response(answer, version))
        return _shown(connection, answer, version)

    return getresponse


def _sent(connection: Any) -> Any:
    """The response to what is sent now."""
    wire = connection.real_connection
    with vcr_patch.force_reset():
        deferred = connection.__dict__.get("_deferred_connect")
        if deferred:
            connection._deferred_connect = None
            arguments, settings = deferred
            wire.connect(*arguments, **settings)
        for call in _calls(connection):
            call.make(wire)
    return wire.getresponse()


def _shown(connection: Any, answer: dict[str, Any], version: str) -> Any:
    """The response as the program sees it."""
    received = _Received(answer, version or USUAL_VERSION, connection._vcr_request.method)
    if not _has_responses_of_its_own(connection):
        return received
    from urllib3 import HTTPHeaderDict

    options = vars(connection).pop(_OPTIONS, {})
    return _response_of_urllib3()(
        body=received,
        headers=HTTPHeaderDict(received.headers.items()),
        status=received.status,
        version=received.version,
        version_string=version or USUAL_VERSION,
        reason=received.reason,
        original_response=received,
        **{name: value for name, value in options.items() if name not in _OF_REQUEST},
    )


_OF_REQUEST: Final = ("chunked",)  # what says how a request is sent, not how its response is read


class _Received(HTTPResponse):
    """A response of http.client's that has come in whole."""

    def __init__(self, answer: dict[str, Any], version: str, method: str) -> None:
        body: bytes = answer["body"]["string"]
        file = io.BufferedReader(io.BytesIO(body))
        super().__init__(SimpleNamespace(makefile=lambda _: file), method=method)  # type: ignore[arg-type]  # all it asks of a socket
        self.code = self.status = answer["status"]["code"]
        self.reason = answer["status"]["message"]
        self.version = _NUMBERS.get(version, 11)
        self.headers = self.msg = _message(answer["headers"])
        self.chunked = self.will_close = False
        self.length = len(body)


@cache
def _response_of_urllib3() -> Any:
    from urllib3 import HTTPResponse as Response

    class ReceivedResponse(Response):
        """A response of urllib3's that leaves no connection of a cassette which is closed to its pool."""

        def release_conn(self) -> None:
            if getattr(self._connection, "_vcr_cassette_exited", False):
                self._connection = None
                if self._pool is not None:
                    self._pool._put_conn(None)
            super().release_conn()

    return ReceivedResponse


def _has_responses_of_its_own(connection: Any) -> bool:
    """Whether it is one of urllib3, from version 2 on, which does not leave responses to http.client."""
    return hasattr(connection.real_connection, "_response_options")


def _message(headers: dict[str, list[str]]) -> HTTPMessage:
    """Headers as http.client has them; a body that has come is not in chunks any more."""
    message = HTTPMessage()
    for name, values in headers.items():
        for value in values if name.lower() != "transfer-encoding" else ():
            message[name] = value
    return message


def _calls(connection: Any) -> list[_Call]:
    calls: list[_Call] | None = getattr(connection._vcr_request, _CALLS, None)
    if calls is None:
        calls = []
        setattr(connection._vcr_request, _CALLS, calls)
    return calls


def _readable_again(body: Any) -> Any:
    """The same body, or what stands for one that can be read once."""
    if hasattr(body, "read"):
        blocks = list(iter(partial(_block, body), None))
        is_text = any(isinstance(block, str) for block in blocks)
        return io.StringIO("".join(blocks)) if is_text else io.BytesIO(b"".join(blocks))
    return list(body) if _is_iterable(body) else body


def _block(body: Any) -> Any:
    """What a file gives next, asked for as http.client does it: it may be less; ``None`` at the end."""
    return body.read(_BLOCK) or None


def _is_iterable(body: Any) -> bool:
    """Whether a body comes in pieces; bytes in whatever form are one."""
    if body is None or isinstance(body, str):
        return False
    try:
        memoryview(body)
    except TypeError:
        return isinstance(body, Iterable)
    return False


def _bytes(body: Any, connection: Any) -> bytes | None:
    """What is sent of a body."""
    if isinstance(body, (io.StringIO, io.BytesIO)):
        body = body.getvalue()
    if isinstance(body, list):
        return b"".join(_bytes(piece, connection) or b"" for piece in body)
    if isinstance(body, str):
        return body.encode("utf-8" if _is_of_urllib3(connection) else "latin-1")  # http.client's default
    return None if body is None else bytes(body)


def _is_of_urllib3(connection: Any) -> bool:
    return any(kind.__module__.startswith("urllib3.") for kind in type(connection.real_connection).__mro__)
