"""A web server on this machine, and programs that are recorded with it and replayed without it."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest


@dataclass(frozen=True)
class Reply:
    """What the server says; headers are pairs, since some come twice.

    Attributes:
        stalls: Whether the body has no end, and nothing follows it until the client leaves.
    """

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    stalls: bool = False


@dataclass(frozen=True)
class Request:
    """What reached the server.

    Attributes:
        framing: The headers that say where the body ends.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    framing: dict[str, str]

    @staticmethod
    def says(body: bytes = b"", status: int = 200, *headers: tuple[str, str], stalls: bool = False) -> Reply:
        """An answer."""
        return Reply(body, status, headers, stalls)


@dataclass
class Web:
    """The server.

    Attributes:
        answer: Says what it says; by default what it was told.
        asked: What has reached it.
        protocol: Its version of HTTP.
    """

    url: str
    answer: Callable[[Request], Reply] = lambda request: request.says(request.body)
    asked: list[Request] = field(default_factory=list)
    protocol: str = "HTTP/1.1"


class Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    web: Web

    def parse_request(self) -> bool:
        self.protocol_version = self.web.protocol
        return super().parse_request()

    def handle_any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        framing = {name: value for name, value in headers.items() if name in {"content-length", "transfer-encoding"}}
        request = Request(self.command, self.path, headers, self.body(framing), framing)
        self.web.asked.append(request)
        reply = self.web.answer(request)
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if self.command != "HEAD" and not reply.stalls:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        if reply.stalls:
            self.close_connection = True
            select.select([self.connection], [], [], 10)

    def body(self, framing: dict[str, str]) -> bytes:
        if "chunked" not in framing.get("transfer-encoding", ""):
            return self.rfile.read(int(framing.get("content-length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    do_GET = do_POST = do_HEAD = handle_any  # noqa: N815 - names of the base class

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web(serving: Any) -> Iterator[Web]:
    class Serving(Handler):
        pass

    with serving(Serving) as url:
        Serving.web = Web(url)
        yield Serving.web


Program = Callable[[str], Any]


@pytest.fixture
def recorded_and_replayed(cassette: Any, web: Web) -> Callable[[Program], tuple[Any, Any]]:
    """What a program, which is told the server's address, makes of the answers, live and in replay."""

    def both(program: Program) -> tuple[Any, Any]:
        with cassette("missing") as opened:
            live = program(web.url)
            opened.save()
        asked = len(web.asked)
        with cassette() as opened:
            replayed = program(web.url)
            assert opened.unused == 0
        assert len(web.asked) == asked  # nothing was sent
        return live, replayed

    return both
