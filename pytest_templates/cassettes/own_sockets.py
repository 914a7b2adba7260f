"""Libraries that bring sockets of their own, in C or Rust: their calls are known by name, and closed like gates.

It is the calls that are closed, not what makes clients and channels: those may have been made before the test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeAlias

from pytest_templates.cassettes.destinations import Destination, LeadsTo, of_grpc_target, of_url
from pytest_templates.cassettes.http.seams import Patch, Seam

Check: TypeAlias = Callable[[Destination, str], None]


@dataclass(frozen=True, slots=True)
class OwnCall:
    """A call that reaches other hosts by sockets which Python does not see.

    Attributes:
        seam: The function or method.
        leads_to: Takes the arguments of the call, and says where it leads to; ``None`` for one that was checked before.
    """

    seam: Seam
    leads_to: LeadsTo

    def closed(self, check: Check) -> Patch | None:
        """A patch that checks each call before it is made; ``None`` where the library has no such call.

        Args:
            check: Takes where the call leads to, and the name of the library.
        """
        owner = getattr(sys.modules[self.seam.module], self.seam.owner, None) if self.seam.owner else self.seam.loaded()
        if not hasattr(owner, self.seam.attribute):
            return None  # as in older versions
        return self.seam.patched(lambda real: self._checked(real, check))

    def _checked(self, real: Callable[..., Any], check: Check) -> Callable[..., Any]:
        @wraps(real)
        def call(*arguments: Any, **named: Any) -> Any:
            destination = self.leads_to(*arguments, **named)
            if destination is not None:
                check(destination, self.seam.package)
            return real(*arguments, **named)

        return call


def _of_grpc(callable_: Any, *_: object, **__: object) -> Destination:
    target: Any = callable_._channel.target
    name: Any = target() if callable(target) else target  # a method of synchronous channels
    return of_grpc_target(str(name, "utf-8"))


def _of_curl_request(session: Any, method: object = "", url: object = "", *_: object, **__: object) -> Destination:  # noqa: ARG001  # named as there
    return of_url(url if "://" in str(url) else session.base_url)


def _of_curl_socket(_owner: object, url: object, *_: object, **__: object) -> Destination:
    return of_url(url)


def _of_curl(curl: Any, *_: object, **__: object) -> Destination | None:
    if _is_called_by("curl_cffi.requests"):
        return None  # by a session, whose call was checked
    return _of_handle(curl, sys.modules["curl_cffi"].CurlInfo.EFFECTIVE_URL)


def _of_curl_handle(_multi: object, curl: Any) -> Destination | None:
    return _of_curl(curl)


def _of_handle(curl: Any, effective_url: object) -> Destination:
    url = curl.getinfo(effective_url)
    return of_url(url.decode() if isinstance(url, bytes) else url)


def _is_called_by(package: str) -> bool:
    """Whether code of a package makes the call that is being checked."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"] == __name__:
        frame = frame.f_back
    name: str = frame.f_globals.get("__name__", "")
    return name == package or name.startswith(f"{package}.")


def _of_rust(request: Any, *_: object) -> Destination:
    return of_url(request.url)


def _of_rust_builder(*_: object) -> Destination:
    return Destination("")  # it does not tell


def _of_aws(connection: Any, *_: object, **__: object) -> Destination:
    return Destination(connection.host_name, connection.port)


def _of_aws_socket(*, host: str, port: int | None = None, **_: object) -> Destination:
    return Destination(host, port or 443)


def closed_pycurl(check: Check) -> Iterator[Patch]:
    """Patches for pycurl, once it is loaded: its classes cannot be changed, so that others stand in for them."""
    pycurl: Any = sys.modules["pycurl"]

    class Curl(pycurl.Curl):  # type: ignore[misc]  # pycurl has no types
        def perform(self) -> None:
            check(_of_handle(self, pycurl.EFFECTIVE_URL), "pycurl")
            super().perform()

        def perform_rb(self) -> bytes:
            check(_of_handle(self, pycurl.EFFECTIVE_URL), "pycurl")
            return super().perform_rb()  # type: ignore[no-any-return]  # as above

        def perform_rs(self) -> str:
            check(_of_handle(self, pycurl.EFFECTIVE_URL), "pycurl")
            return super().perform_rs()  # type: ignore[no-any-return]  # as above

    class CurlMulti(pycurl.CurlMulti):  # type: ignore[misc]  # as above
        def add_handle(self, curl: Any) -> None:
            check(_of_handle(curl, pycurl.EFFECTIVE_URL), "pycurl")
            super().add_handle(curl)

    yield Patch(pycurl, "Curl", Curl)
    yield Patch(pycurl, "CurlMulti", CurlMulti)


def _calls() -> Iterator[OwnCall]:
    for owner, methods in {
        "_UnaryUnaryMultiCallable": ("__call__", "with_call", "future"),
        "_SingleThreadedUnaryStreamMultiCallable": ("__call__",),
        "_UnaryStreamMultiCallable": ("__call__",),
        "_StreamUnaryMultiCallable": ("__call__", "with_call", "future"),
        "_StreamStreamMultiCallable": ("__call__",),
    }.items():
        for method in methods:
            yield OwnCall(Seam("grpcio", "grpc._channel", owner, method), _of_grpc)
    for owner in ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream"):
        yield OwnCall(Seam("grpcio", "grpc.aio._channel", f"{owner}MultiCallable", "__call__"), _of_grpc)
    for owner in ("Session", "AsyncSession"):
        yield OwnCall(Seam("curl_cffi", "curl_cffi.requests.session", owner, "request"), _of_curl_request)
        yield OwnCall(Seam("curl_cffi", "curl_cffi.requests.session", owner, "ws_connect"), _of_curl_socket)
    yield OwnCall(Seam("curl_cffi", "curl_cffi.requests.websockets", "WebSocket", "connect"), _of_curl_socket)
    yield OwnCall(Seam("curl_cffi", "curl_cffi.curl", "Curl", "perform"), _of_curl)
    yield OwnCall(Seam("curl_cffi", "curl_cffi.aio", "AsyncCurl", "add_handle"), _of_curl_handle)
    for owner, method in {
        "ConsumedRequest": "send",
        "SyncConsumedRequest": "send",
        "StreamRequest": "__aenter__",
        "SyncStreamRequest": "__enter__",
    }.items():
        yield OwnCall(Seam("pyreqwest", "pyreqwest.request", owner, method), _of_rust)
    for owner in ("OneOffRequestBuilder", "SyncOneOffRequestBuilder"):
        yield OwnCall(Seam("pyreqwest", "pyreqwest.request", owner, "send"), _of_rust_builder)
    for owner in ("HttpClientConnection", "Http2ClientConnection"):
        yield OwnCall(Seam("awscrt", "awscrt.http", owner, "request"), _of_aws)
    for owner in ("AIOHttpClientConnectionUnified", "AIOHttpClientConnection", "AIOHttp2ClientConnection"):
        yield OwnCall(Seam("awscrt", "awscrt.aio.http", owner, "request"), _of_aws)
    yield OwnCall(Seam("awscrt", "awscrt.websocket", "", "connect"), _of_aws_socket)


OWN_CALLS: Final = tuple(_calls())
