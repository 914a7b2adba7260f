"""In a replay nothing leaves this machine: sockets to other hosts are refused, and look-ups of their names as well.

For the length of a block the methods of ``socket.socket`` and the look-ups of the module ``socket`` are replaced:
asyncio, trio, threads and blocking clients all go through these. uvloop does not, nor does asyncio's loop on Windows:
their own methods are replaced, too. A process that is forked inherits all of it. Out of reach are programs that are
started anew, libraries in C with sockets of their own, and uvloop's datagrams from sockets without a peer.

A host that is left alone is reached as ever: by its name, and by the addresses that its name was found to have.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from typing import Any, Final, TypeAlias
from unittest import mock

from pytest_templates.cassettes.hosts import LEAVE_ALONE, serves_models
from pytest_templates.cassettes.http.routing import is_late, is_left_alone, note_late
from pytest_templates.errors import NetworkRefused
from pytest_templates.support.client_errors import as_client_error
from pytest_templates.support.engine import WhenLoaded

Where: TypeAlias = tuple[str, int | None]  # a host and its port, where it is known
Refuse: TypeAlias = Callable[[Where], Exception]
Elsewhere: TypeAlias = Callable[..., Where | None]


@contextmanager
def guarded(test: str, complain: Callable[[Exception], None]) -> Iterator[None]:
    """Refuse sockets to other hosts in this process. Loopback, Unix sockets and other families stay open.

    Args:
        test: The test's node id, for the text of the error.
        complain: Called once for every host that was tried.
    """
    reported: set[str] = set()
    gate = _Gate()

    def refuse(where: Where) -> Exception:
        host = where[0] if where[1] is None else f"{where[0]}:{where[1]}"
        error = _refusal(test, host, "" if serves_models(where[0]) else f"{LEAVE_ALONE}\n")
        if is_late():
            note_late(str(error))
        elif host not in reported:
            reported.add(host)
            complain(error)
        return as_client_error(error)

    with ExitStack() as patches:
        patch = partial(_patch, patches, refuse, gate)
        patch(socket.socket, _METHODS)
        patch(socket, _LOOK_UPS)
        waiting = WhenLoaded("uvloop", lambda: patch(sys.modules["uvloop"].Loop, _UVLOOP))
        patches.callback(waiting.forget)
        if sys.platform == "win32":
            from asyncio import windows_events

            patch(windows_events.IocpProactor, _PROACTOR)
        yield


class _Gate:
    """Knows which hosts may be reached, also by the addresses that were looked up for their names."""

    def __init__(self) -> None:
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # by address

    def is_open(self, where: Where) -> bool:
        host, port = where
        return any(is_left_alone(name, port) for name in (host, *self._names.get(host, ())))

    def note(self, where: Where, found: Any) -> None:
        """Take what a look-up of a name has found: `socket` has three forms of it."""
        match found:
            case str():
                addresses = [found]
            case (str(), list(), list(addresses)):
                pass
            case list():
                addresses = [entry[4][0] for entry in found]
            case _:
                return
        for address in addresses:
            self._names[address].add(where[0])


def _patch(patches: ExitStack, refuse: Refuse, gate: _Gate, owner: Any, calls: Mapping[str, Elsewhere]) -> None:
    for name, host_of in calls.items():
        replacement = _refusing(getattr(owner, name), host_of, refuse, gate)
        patches.enter_context(mock.patch.object(owner, name, replacement))


def _refusing(real: Callable[..., Any], elsewhere: Elsewhere, refuse: Refuse, gate: _Gate) -> Callable[..., Any]:
    @wraps(real)
    def call(*arguments: Any, **options: Any) -> Any:
        where = elsewhere(*arguments, **options)
        if where is None:
            return real(*arguments, **options)
        if not gate.is_open(where):
            if elsewhere is _of_connect:
                arguments[0].close()  # what clients do themselves after an OSError; the refusal is none
            raise refuse(where)
        found = real(*arguments, **options)
        gate.note(where, found)
        return found

    return call


def _refusal(test: str, host: str, remedy: str) -> NetworkRefused:
    return NetworkRefused(
        f"{test} reaches for {host}, and while its cassette is replayed nothing may leave this machine\n"
        "\n"
        "Keep what asks for it out of the test, or serve it on this machine: loopback and Unix sockets stay open.\n"
        f"{remedy}"
        "A call of a model that comes as far as this is sent by no library that can be recorded; it needs a test of\n"
        'its own, marked @pytest.mark.llm_live(reason="…").',
        host=host,
    )


# Where a call leads to: each function takes a method's arguments, and returns the other host, or None.


def _of_address(sock: socket.socket, address: object) -> Where | None:
    if sock.family not in {socket.AF_INET, socket.AF_INET6} or not isinstance(address, tuple) or not address:
        return None
    host, port = address[:2]
    return None if _is_here(host) else (_text(host), port)


def _of_connect(sock: socket.socket, address: object) -> Where | None:
    return _of_address(sock, address)


def _of_datagram(sock: socket.socket, _data: object, *rest: object) -> Where | None:
    return _of_address(sock, rest[-1]) if rest else None  # flags may stand before the address


def _of_message(
    sock: socket.socket, _buffers: object, _ancillary: object = (), _flags: int = 0, address: object = None
) -> Where | None:
    return _of_address(sock, address)


def _of_name(host: object, port: object = None, *_: object, **__: object) -> Where | None:
    return None if _is_here(host) or _address(_text(host)) else (_text(host), _number(port))


def _of_reverse(host: object) -> Where | None:
    return None if _is_here(host) else (_text(host), None)


def _of_name_info(address: tuple[Any, ...], flags: int = 0) -> Where | None:
    return None if flags & socket.NI_NUMERICHOST else _of_reverse(address[0])


def _of_connection(
    _loop: object, _factory: object, host: object = None, port: object = None, **_: object
) -> Where | None:
    return None if _is_here(host) else (_text(host), _number(port))


def _of_endpoint(
    _loop: object, _factory: object, _local: object = None, remote_addr: tuple[Any, ...] | None = None, **_: object
) -> Where | None:
    return None if remote_addr is None else _of_connection(_loop, _factory, *remote_addr[:2])


_METHODS: Final[Mapping[str, Elsewhere]] = {
    "connect": _of_connect,
    "connect_ex": _of_connect,
    "sendto": _of_datagram,
    "sendmsg": _of_message,
}
_LOOK_UPS: Final[Mapping[str, Elsewhere]] = {
    "getaddrinfo": _of_name,
    "gethostbyname": _of_name,
    "gethostbyname_ex": _of_name,
    "gethostbyaddr": _of_reverse,
    "getnameinfo": _of_name_info,
}
_UVLOOP: Final[Mapping[str, Elsewhere]] = {
    "create_connection": _of_connection,
    "create_datagram_endpoint": _of_endpoint,
    "getaddrinfo": lambda _loop, *arguments, **options: _of_name(*arguments, **options),
    "getnameinfo": lambda _loop, *arguments, **options: _of_name_info(*arguments, **options),
}
_PROACTOR: Final[Mapping[str, Elsewhere]] = {
    "connect": lambda _proactor, sock, address: _of_address(sock, address),
    "sendto": lambda _proactor, sock, _data, _flags=0, addr=None: _of_address(sock, addr),
}

_LOOPBACK_NAMES: Final = {"", "localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback"}


def _is_here(host: object) -> bool:
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


def _number(port: object) -> int | None:
    """A port; ``None`` for none, and for one that is given by the name of its service."""
    return int(port) if isinstance(port, int) or (isinstance(port, str) and port.isdecimal()) else None


def _text(host: object) -> str:
    return bytes(host).decode("latin-1") if isinstance(host, bytes | bytearray) else str(host)
