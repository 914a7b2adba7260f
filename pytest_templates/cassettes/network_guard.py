"""While a cassette is open nothing passes it by: a connection that belongs to no intercepted request is refused.

- To other hosts no socket is opened, whatever it speaks; in replay their names are not looked up either.
- On this machine, and through Unix sockets, no request of HTTP is sent, websockets and gRPC included, since models are
  served here, too. Whatever speaks another protocol stays open: databases, debuggers, workers.
- Libraries with sockets of their own (`own_sockets`) are stopped at their calls, wherever these lead to.

For the length of a block the methods of ``socket.socket`` and of TLS, and the look-ups of the module ``socket``, are
replaced: asyncio, trio, threads and blocking clients all go through these. uvloop does not, nor does asyncio's loop on
Windows: their own methods are replaced, too. A process that is forked inherits all of it. Out of reach are datagrams
that uvloop sends from sockets without a peer, what ``os.write`` and its like send to this machine by the number of a
socket, and other libraries in C than those that are known.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, wraps
from pathlib import Path
from traceback import walk_stack
from typing import Any, Final, TypeAlias
from unittest import mock

from pytest_templates.cassettes import destinations
from pytest_templates.cassettes.destinations import Destination, LeadsTo, SentHttp, is_here, to_peer
from pytest_templates.cassettes.hosts import LEAVE_ALONE, serves_models
from pytest_templates.cassettes.http.routing import is_late, is_left_alone, note_late
from pytest_templates.cassettes.http.seams import Patch, passes
from pytest_templates.cassettes.own_sockets import OWN_CALLS, OwnCall, closed_pycurl
from pytest_templates.errors import NetworkRefused
from pytest_templates.support.client_errors import as_client_error
from pytest_templates.support.engine import WhenLoaded
from pytest_templates.support.environment import is_users

Call: TypeAlias = Callable[..., Any]
Check: TypeAlias = Callable[["Destination | None"], None]
LeftAlone: TypeAlias = Callable[[str, "int | None"], bool]


_REMEDY: Final = (
    "send it by a client that can be recorded, such as httpx, requests or aiohttp, have its\n"
    'Model recorded (recordable = True), or give it a test of its own, marked @pytest.mark.llm_live(reason="…").'
)


@contextmanager
def guarded(
    test: str,
    complain: Callable[[Exception], None],
    *,
    replays: bool = True,
    left_alone: LeftAlone = is_left_alone,
    why: str = "which its cassette can neither record nor replay",
    remedy: str = _REMEDY,
) -> Iterator[None]:
    """Refuse in this process what belongs to no intercepted request.

    Args:
        test: The test's node id, for the text of the error.
        complain: Called once for every host that was tried.
        replays: Whether nothing is recorded, so that names of other hosts are not looked up.
        left_alone: Takes a host and its port (``None`` where that is not known), and says whether it is let through.
        why: Why it may not, for the text of the error.
        remedy: What is to be done with the call of a model, likewise.
    """
    with ExitStack() as patches:
        _Guard(test, complain, patches, left_alone, why, remedy).put_in_place(replays=replays)
        yield


class _Guard:
    """What is replaced for a test, and how it judges.

    Args:
        test: The test's node id.
        complain: Called once for every host that was tried.
        patches: Where what was replaced is put back.
        left_alone: Whether a host is let through.
        why: Why others are not.
        remedy: What is to be done with the call of a model.
    """

    def __init__(
        self,
        test: str,
        complain: Callable[[Exception], None],
        patches: ExitStack,
        left_alone: LeftAlone,
        why: str,
        remedy: str,
    ) -> None:
        self._test = test
        self._left_alone = left_alone
        self._why = why
        self._remedy = remedy
        self._complain = complain
        self._patches = patches
        self._reported: set[Destination] = set()
        self._sent = SentHttp()
        self._names: defaultdict[str, set[str]] = defaultdict(set)  # by address

    def put_in_place(self, *, replays: bool) -> None:
        """Replace everything.

        Args:
            replays: Whether names are not looked up.
        """
        self._replace(socket.socket, destinations.CONNECTIONS, self._connecting)
        self._replace(socket.socket, destinations.DATAGRAMS, self._judged)
        self._replace(socket, destinations.LOOK_UPS, partial(self._looking_up, replays=replays))
        self._replace(socket.socket, dict.fromkeys(("send", "sendall"), destinations.of_peer), self._sending)
        self._replace(socket.socket, {"sendmsg": destinations.of_peer}, self._sending_parts)
        self._replace(ssl.SSLSocket, dict.fromkeys(("send", "write"), destinations.of_peer), self._sending)
        self._replace(ssl.SSLObject, {"write": destinations.of_tls}, self._sending)
        self._when_loaded("trio._socket", self._close_trio)
        self._when_loaded("uvloop", partial(self._close_uvloop, replays=replays))
        if sys.platform == "win32":
            self._close_proactor()
        for call in OWN_CALLS:
            self._when_loaded(call.seam.module, partial(self._close_library, call))
        self._when_loaded("pycurl", lambda: self._apply(closed_pycurl(self._check)))

    def _close_trio(self) -> None:
        # trio has kept the method of the socket that was there when it was loaded
        self._replace(sys.modules["trio._socket"]._SocketType, {"send": destinations.of_peer}, self._sending)

    def _close_uvloop(self, *, replays: bool) -> None:
        loop = sys.modules["uvloop"].Loop
        self._replace(loop, destinations.UVLOOP, self._judged)
        if replays:
            self._replace(loop, destinations.UVLOOP_LOOK_UPS, self._judged)
        for name in ("create_connection", "create_unix_connection"):
            self._patches.enter_context(mock.patch.object(loop, name, _watching(getattr(loop, name), self._check)))
        self._patches.enter_context(mock.patch.object(loop, "start_tls", _unwatched(loop.start_tls)))

    def _close_proactor(self) -> None:
        if sys.platform == "win32":
            from asyncio.windows_events import IocpProactor

            self._replace(IocpProactor, destinations.PROACTOR, self._judged)
            self._replace(IocpProactor, {"send": destinations.of_peer}, self._sending_by_proactor)

    def _close_library(self, call: OwnCall) -> None:
        self._apply(filter(None, [call.closed(self._check)]))

    def _apply(self, patches: Iterable[Patch]) -> None:
        for patch in patches:
            self._patches.callback(patch.apply())

    def _when_loaded(self, module: str, then: Callable[[], None]) -> None:
        self._patches.callback(WhenLoaded(module, then).forget)

    def _replace(self, owner: Any, calls: Mapping[str, LeadsTo], wrapper: Callable[[Call, LeadsTo], Call]) -> None:
        for name, leads_to in calls.items():
            real = getattr(owner, name)
            self._patches.enter_context(mock.patch.object(owner, name, wraps(real)(wrapper(real, leads_to))))

    # What stands in for a call: each takes the real one, and what says where it leads to.

    def _judged(self, real: Call, leads_to: LeadsTo) -> Call:
        def call(*arguments: Any, **options: Any) -> Any:
            self._check(leads_to(*arguments, **options))
            return real(*arguments, **options)

        return call

    def _connecting(self, real: Call, leads_to: LeadsTo) -> Call:
        def connect(sock: socket.socket, address: Any) -> Any:
            try:
                self._check(leads_to(sock, address))
            except BaseException:
                sock.close()  # what clients do themselves after an OSError; the refusal is none
                raise
            return real(sock, address)

        return connect

    def _looking_up(self, real: Call, leads_to: LeadsTo, *, replays: bool) -> Call:
        def look_up(*arguments: Any, **options: Any) -> Any:
            name = leads_to(*arguments, **options)
            if replays:
                self._check(name)
            found = real(*arguments, **options)
            if name is not None:
                for address in destinations.addresses_in(found):
                    self._names[address].add(name.host)
            return found

        return look_up

    def _sending(self, real: Call, leads_to: LeadsTo) -> Call:
        def send(connection: Any, data: Any, *more: Any, **options: Any) -> Any:
            if self._sent.begins(connection, data):
                with _shut_where_refused(connection):
                    self._check(leads_to(connection))
            return real(connection, data, *more, **options)

        return send

    def _sending_by_proactor(self, real: Call, leads_to: LeadsTo) -> Call:
        def send(proactor: Any, sock: socket.socket, data: Any, *more: Any) -> Any:
            if self._sent.begins(sock, data):
                self._check(leads_to(sock))
            return real(proactor, sock, data, *more)

        return send

    def _sending_parts(self, real: Call, leads_to: LeadsTo) -> Call:
        def send(sock: socket.socket, parts: Iterable[Any], *more: Any) -> int:
            parts = list(parts)  # asyncio gives an iterator
            if self._sent.begins(sock, b"".join(parts)):
                self._check(leads_to(sock))
            sent: int = real(sock, parts, *more)
            return sent

        return send

    def _check(self, destination: Destination | None, library: str = "") -> None:
        """Raise where a call leads to a place that it may not lead to.

        Args:
            destination: The place; ``None`` for this machine.
            library: Who makes the call; ``""`` where the stack has to tell.
        """
        if destination is None or passes() or self._is_left_alone(destination):
            return
        title = f"{self._test} reaches for {destination.shown}{_asker(library)}, {self._why}"
        error = self._refusal(destination, title)
        if is_late():
            note_late(title)
        elif destination not in self._reported:
            self._reported.add(destination)
            self._complain(error)
        raise as_client_error(error)

    def _is_left_alone(self, destination: Destination) -> bool:
        """Whether a host is let through, by any of its names."""
        host, port = destination
        names = {host, *self._names.get(host, ()), *({"localhost"} if host and is_here(host) else ())}
        return any(self._left_alone(name, port) for name in names)

    def _refusal(self, destination: Destination, title: str) -> NetworkRefused:
        lines = [title, "", f"A call of a model: {self._remedy}"]
        if not serves_models(destination.host):
            lines.append(f"{LEAVE_ALONE} On this machine all but HTTP is let through anyway.")
        return NetworkRefused("\n".join(lines), host=str(destination))


@contextmanager
def _shut_where_refused(connection: Any) -> Iterator[None]:
    """Let nothing more be sent where a block raises: a buffer would send it when it is closed, behind the test."""
    try:
        yield
    except BaseException:
        if isinstance(connection, socket.socket):
            with suppress(OSError):  # it is not connected any more
                connection.shutdown(socket.SHUT_RDWR)
        raise


_OURS: Final = frozenset({"antiphon", "pytest_templates"})
_OUR_FOLDER: Final = f"{Path(__file__).parent}{os.sep}"


def _asker(library: str) -> str:
    """Who makes the call that is refused, as far as the stack tells: the library, and the line of the program."""
    for frame, line in walk_stack(None):
        name, file = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
        package = name.partition(".")[0]
        if file.startswith(("<", _OUR_FOLDER)):
            continue
        if is_users(name, file):
            return f" (by {', '.join(filter(None, [library, f'{_shown(file)}:{line}']))})"
        if not library and package not in sys.stdlib_module_names | _OURS:
            library = package
    return f" (by {library})" if library else ""


def _shown(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else file


class _WatchedTransport:
    """Stands in for a transport of uvloop, which writes to sockets by itself: what is sent is looked at before that.

    Args:
        transport: The one of uvloop.
        check: Raises where no request of HTTP may be sent to a place.
    """

    def __init__(self, transport: Any, check: Check) -> None:
        self.transport = transport
        self._check = check
        self._sent = SentHttp()

    def write(self, data: Any) -> None:
        """Write, unless it is a request of HTTP that may not be sent."""
        if self._sent.begins(self, data):
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


def _watching(real: Call, check: Check) -> Call:
    """A method of uvloop's loop that opens a connection, and gives a watched one where no cassette knows of it."""

    @wraps(real)
    async def create(loop: Any, factory: Call, *arguments: Any, **options: Any) -> Any:
        if passes():
            return await real(loop, factory, *arguments, **options)
        transport, protocol = await real(loop, _watched(factory, check), *arguments, **options)
        return _WatchedTransport(transport, check), protocol

    return create


def _watched(factory: Call, check: Check) -> Call:
    def make() -> Any:
        protocol = factory()
        made = protocol.connection_made
        with suppress(AttributeError):  # a protocol with slots: then what the program is given is watched
            protocol.connection_made = lambda transport: made(_WatchedTransport(transport, check))
        return protocol

    return make


def _unwatched(real: Call) -> Call:
    """A method of uvloop's loop that takes a transport, which has to be its own."""

    @wraps(real)
    def call(loop: Any, transport: Any, *arguments: Any, **options: Any) -> Any:
        own = transport.transport if isinstance(transport, _WatchedTransport) else transport
        return real(loop, own, *arguments, **options)

    return call
