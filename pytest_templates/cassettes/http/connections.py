"""Connections of http.client, and of urllib3 and botocore, which build on it: what is sent, and what comes back.

vcrpy puts its own connections in the place of theirs. What a program asks of one is kept as it was asked, and asked of
the real connection when the response is wanted: a body in pieces goes out in pieces, and in the same framing. A body
that can be read once is read for the recording, and given to the real connection as one of its kind.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from http.client import HTTPMessage
from typing import Any, Final

from vcr import patch as vcr_patch
from vcr import stubs
from vcr.stubs import VCRConnection, VCRHTTPResponse

from pytest_templates.cassettes.http.routing import goes_its_own_way
from pytest_templates.cassettes.http.seams import Patch, passing
from pytest_templates.cassettes.http.vcr import handled, recorded_response, vcr_response
from pytest_templates.cassettes.recorded import USUAL_VERSION, unusual_version

_CALLS: Final = "antiphon_calls"  # on vcrpy's request: how it was made
_SENT: Final = "antiphon_sent"  # on a connection whose request went its own way
_FRAMING: Final = ("chunked", "encode_chunked")  # what urllib3 and http.client call it
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
    yield Patch(VCRHTTPResponse, "close", _close(VCRHTTPResponse.close))
    yield Patch(stubs, "parse_headers", _message)
    of_urllib3 = sys.modules.get("vcr.stubs.urllib3_stubs")
    if of_urllib3 is not None:
        mixin = of_urllib3._VCRRequestsConnectionMixin
        yield Patch(mixin, "getresponse", _own_response(mixin.getresponse))


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
        framing = {name: value for name, value in settings.items() if name in _FRAMING}
        _calls(connection).append(_Call("request", (method, url, body, headers or {}), framing))

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


def _close(real: Function) -> Function:
    """Returns nothing: `io` leaves a ``with`` block by it, and what is true would swallow the errors of the block."""

    @wraps(real)
    def close(response: VCRHTTPResponse) -> None:
        real(response)

    return close


def _own_response(real: Function) -> Function:
    """Gives the real response to a request that went its own way."""

    @wraps(real)
    def getresponse(connection: Any, *arguments: Any, **settings: Any) -> Any:
        if vars(connection).pop(_SENT, False):
            return connection.real_connection.getresponse(*arguments, **settings)
        return real(connection, *arguments, **settings)

    return getresponse


def _get_response(real: Function) -> Function:
    @wraps(real)
    def getresponse(connection: Any, *_: Any, **__: Any) -> Any:
        request = connection._vcr_request
        if goes_its_own_way(request.uri):
            with passing():
                return _sent(connection)
        asked = handled(request)
        replay = asked.replayed()
        if replay is not None:
            return _shown(vcr_response(replay), replay.http_version, request.uri)
        with passing():
            response = _sent(connection)
        body = response.data if hasattr(response, "data") else response.read()
        version = unusual_version(_VERSIONS.get(response.version, USUAL_VERSION))
        answer = {
            "status": {"code": response.status, "message": response.reason},
            "headers": stubs.serialize_headers(response),
            "body": {"string": body},
        }
        asked.record(recorded_response(answer, version))
        return _shown(answer, version, request.uri)

    return _own_response(getresponse)


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


def _shown(answer: dict[str, Any], version: str, uri: str) -> Any:
    """The response as the program sees it."""
    response: Any = VCRHTTPResponse(answer, uri)
    response.version_string = version or USUAL_VERSION
    response.version = _NUMBERS.get(response.version_string)
    return response


def _message(headers: dict[str, list[str]]) -> HTTPMessage:
    """Headers as http.client has them: vcrpy would write them out in UTF-8, and read them in Latin-1."""
    message = HTTPMessage()
    for name, values in headers.items():
        for value in values:
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
        content = body.read()
        return io.StringIO(content) if isinstance(content, str) else io.BytesIO(content)
    return list(body) if _is_iterable(body) else body


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
