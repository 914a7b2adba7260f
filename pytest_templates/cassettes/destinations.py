"""Where calls lead to, and which of them speak HTTP.

A function whose name begins with ``of_`` takes the arguments of a call, and returns the host that it leads to; ``None``
where it stays on this machine.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from pytest_templates.cassettes.hosts import default_port


class Destination(NamedTuple):
    """A host and a port.

    Attributes:
        host: A name or an address; the path of a Unix socket; ``""`` where it is not known.
        port: ``None`` where there is none, or it is not known.
    """

    host: str
    port: int | None = None

    @property
    def shown(self) -> str:
        """The place, in words."""
        return str(self) or "a host that is not known"

    def __str__(self) -> str:
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


LeadsTo: TypeAlias = Callable[..., Destination | None]


def _of_address(sock: socket.socket, address: object) -> Destination | None:
    if sock.family not in {socket.AF_INET, socket.AF_INET6} or not isinstance(address, tuple) or not address:
        return None
    return None if is_here(address[0]) else _destination(*address[:2])


def _of_datagram(sock: socket.socket, _data: object, *rest: object) -> Destination | None:
    return _of_address(sock, rest[-1]) if rest else None  # flags may stand before the address


def _of_message(
    sock: socket.socket, _buffers: object, _ancillary: object = (), _flags: int = 0, address: object = None
) -> Destination | None:
    return _of_address(sock, address)


def _of_name(host: object, port: object = None, *_: object, **__: object) -> Destination | None:
    return None if is_here(host) or _address(_text(host)) else _destination(host, port)


def _of_reverse(host: object) -> Destination | None:
    return None if is_here(host) else _destination(host)


def _of_name_info(address: tuple[Any, ...], flags: int = 0) -> Destination | None:
    return None if flags & socket.NI_NUMERICHOST else _of_reverse(address[0])


def _of_connection(
    _loop: object, _factory: object, host: object = None, port: object = None, **_: object
) -> Destination | None:
    return None if is_here(host) else _destination(host, port)


def _of_endpoint(
    _loop: object, _factory: object, _local: object = None, remote_addr: tuple[Any, ...] | None = None, **_: object
) -> Destination | None:
    return None if remote_addr is None else _of_connection(_loop, _factory, *remote_addr[:2])


CONNECTIONS: Final[Mapping[str, LeadsTo]] = {"connect": _of_address, "connect_ex": _of_address}
DATAGRAMS: Final[Mapping[str, LeadsTo]] = {"sendto": _of_datagram, "sendmsg": _of_message}
LOOK_UPS: Final[Mapping[str, LeadsTo]] = {
    "getaddrinfo": _of_name,
    "gethostbyname": _of_name,
    "gethostbyname_ex": _of_name,
    "gethostbyaddr": _of_reverse,
    "getnameinfo": _of_name_info,
}
UVLOOP: Final[Mapping[str, LeadsTo]] = {
    "create_connection": _of_connection,
    "create_datagram_endpoint": _of_endpoint,
}
UVLOOP_LOOK_UPS: Final[Mapping[str, LeadsTo]] = {
    "getaddrinfo": lambda _loop, *arguments, **options: _of_name(*arguments, **options),
    "getnameinfo": lambda _loop, *arguments, **options: _of_name_info(*arguments, **options),
}
PROACTOR: Final[Mapping[str, LeadsTo]] = {
    "connect": lambda _proactor, sock, address: _of_address(sock, address),
    "sendto": lambda _proactor, sock, _data, _flags=0, addr=None: _of_address(sock, addr),
}


def of_url(url: object) -> Destination:
    """Where a URL leads to."""
    parts = urlsplit(str(url))
    return Destination(parts.hostname or str(url), parts.port or default_port(parts.scheme))


_GRPC_TARGET: Final = re.compile(r"(?:(?P<kind>dns|ipv4|ipv6|xds|unix|unix-abstract|vsock):)?(?://[^/]*/)?(?P<rest>.*)")


def of_grpc_target(target: str) -> Destination:
    """Where a target of gRPC leads to: ``dns:///api.example.com:443``, ``unix:path``, ``localhost:50051``."""
    found = _GRPC_TARGET.fullmatch(target)
    if found is None or (found["kind"] or "").startswith(("unix", "vsock")):
        return Destination(target)
    host, _, port = found["rest"].partition(",")[0].rpartition(":")
    return _destination(host.strip("[]"), port) if port.isdecimal() else Destination(found["rest"])


def of_peer(sock: socket.socket, *_: object) -> Destination | None:
    """What a socket is connected to; ``None`` for one of a pair, and for one that is not connected."""
    try:
        return to_peer(sock.getpeername())
    except OSError:
        return None


def to_peer(name: Any) -> Destination | None:
    """What a connection leads to whose peer has this name, as sockets tell it."""
    if isinstance(name, tuple) and len(name) > 1:
        return _destination(*name[:2])
    return Destination(_text(name)) if name and isinstance(name, str | bytes) else None


def of_tls(tls: ssl.SSLObject, *_: object) -> Destination | None:
    """The host on this machine that a client speaks to by TLS; another one was judged when it was connected to."""
    name = tls.server_hostname
    return Destination(name) if name and is_here(name) else None


def addresses_in(found: Any) -> set[str]:
    """The addresses in what a look-up of a name has given."""
    if isinstance(found, list):  # of getaddrinfo
        return {str(entry[4][0]) for entry in found}
    return set(found[2]) if isinstance(found, tuple) else {str(found)}


# What speaks HTTP: a request of HTTP/1, which a websocket begins with as well, or the first line of HTTP/2 and gRPC.
_REQUEST: Final = re.compile(rb"[\r\n]*+(?:[A-Z][A-Z-]{1,20}[ \t]+[^ \t\r\n]+[ \t]+HTTP/[0-9]|PRI \* HTTP/2)")
_BEGINNING: Final = re.compile(  # what may become one
    rb"[\r\n]*+(?:[A-Z][A-Z-]{0,20}+(?:[ \t]+(?:[^ \t\r\n]++(?:[ \t]+(?:H|HT|HTT|HTTP|HTTP/)?)?)?)?)?\Z"
)
_LONGEST_BEGINNING: Final = 2**14  # bytes


class SentHttp:
    """Tells when a connection begins a request of HTTP, which may come in several pieces."""

    def __init__(self) -> None:
        self._begun: WeakKeyDictionary[object, bytes] = WeakKeyDictionary()  # by connection

    def begins(self, connection: object, data: Any) -> bool:
        """Whether it begins one with what is sent now, or with that and what was sent before.

        Args:
            connection: The socket, or what stands for it.
            data: The bytes.
        """
        try:
            sent = self._begun.pop(connection, b"") + memoryview(data).cast("B")[:_LONGEST_BEGINNING]
        except (TypeError, ValueError, BufferError):
            return False  # no bytes: it will not be sent
        if len(sent) < _LONGEST_BEGINNING and _BEGINNING.match(sent):
            self._begun[connection] = sent
        return _REQUEST.match(sent) is not None


_LOOPBACK_NAMES: Final = {"", "localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"}


def is_here(host: object) -> bool:
    """Whether this is a name or an address of this machine."""
    name = "" if host is None else _text(host).rstrip(".").lower()
    address = _address(name)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    return name in _LOOPBACK_NAMES or name.endswith(".localhost") or name == socket.gethostname().lower()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _destination(host: object, port: object = None) -> Destination:
    number = _text(port)
    return Destination(_text(host), int(number) if number.isdecimal() else None)


def _text(value: object) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)
