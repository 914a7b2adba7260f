"""Connections of uvloop, which writes to sockets by itself: what is sent is looked at before uvloop has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeAlias

from pytest_templates.cassettes.destinations import Destination, speaks_http, to_peer
from pytest_templates.cassettes.http.seams import passes

Call: TypeAlias = Callable[..., Any]
Check: TypeAlias = Callable[["Destination | None"], None]


class WatchedTransport:
    """Stands in for a transport.

    Args:
        transport: Of uvloop.
        check: Raises where no request of HTTP may be sent to a place.
    """

    def __init__(self, transport: Any, check: Check) -> None:
        self.transport = transport
        self._check = check

    def write(self, data: Any) -> None:
        """Write, unless it is a request of HTTP that may not be sent."""
        if speaks_http(data):
            try:
                self._check(to_peer(self.transport.get_extra_info("peername")))
            except BaseException:
                self.transport.abort()  # as asyncio does where it cannot write
                raise
        self.transport.write(data)

    def writelines(self, parts: Iterable[Any]) -> None:
        """Write all parts at once."""
        self.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


def watching(real: Call, check: Check) -> Call:
    """A method of uvloop's loop that opens a connection, and gives a watched one where no cassette knows of it."""

    @wraps(real)
    async def create(loop: Any, factory: Call, *arguments: Any, **options: Any) -> Any:
        if passes():
            return await real(loop, factory, *arguments, **options)
        transport, protocol = await real(loop, _watched(factory, check), *arguments, **options)
        return WatchedTransport(transport, check), protocol

    return create


def _watched(factory: Call, check: Check) -> Call:
    def make() -> Any:
        protocol = factory()
        made = protocol.connection_made
        with suppress(AttributeError):  # a protocol with slots: then what the program is given is watched
            protocol.connection_made = lambda transport: made(WatchedTransport(transport, check))
        return protocol

    return make


def unwatched(real: Call) -> Call:
    """A method of uvloop's loop that takes a transport, which has to be its own."""

    @wraps(real)
    def call(loop: Any, transport: Any, *arguments: Any, **options: Any) -> Any:
        own = transport.transport if isinstance(transport, WatchedTransport) else transport
        return real(loop, own, *arguments, **options)

    return call
