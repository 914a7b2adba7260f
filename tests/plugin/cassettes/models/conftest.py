from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from antiphon import Message, Model, ModelSettings, Reply, Session, TextDelta, Usage

USAGE = Usage(input_tokens=4, output_tokens=2)


class Own(Model):
    """A model that runs in the process, and counts how often it is at work.

    Models here are named as doubles of pydantic-ai's are: those may be asked by tests without a marker, as these are.
    """

    recordable = True

    def __init__(self, *pieces: Any, name: str = "test:own", **settings: Any) -> None:
        self.pieces = pieces or ("Par", "is.")
        self.name = name
        self.settings = ModelSettings(**settings)
        self.asked = 0
        self.closed = 0

    def _send(self, session: Session) -> Any:
        self.asked += 1
        if isinstance(self.pieces[0], Exception):
            raise self.pieces[0]
        if not all(isinstance(piece, str) for piece in self.pieces):
            return self.pieces[-1]
        return Reply("".join(self.pieces), usage=USAGE, served_by="own-2", finish_reason="stop")

    def _stream(self, session: Session) -> Generator[Any]:
        self.asked += 1
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
            yield Reply(usage=USAGE, served_by="own-2", finish_reason="stop")
        finally:
            self.closed += 1

    async def _astream(self, session: Session) -> AsyncGenerator[Any]:
        with closing(self._stream(session)) as pieces:
            for piece in pieces:
                await asyncio.sleep(0)
                yield piece


def question(text: str = "What is the capital of France?") -> Session:
    return Session(messages=[Message(role="user", content=text)])


async def _heard(model: Model, session: Session, count: int | None) -> list[Any]:
    heard: list[Any] = []
    stream = model.astream(session)
    async for piece in stream:
        heard.append(piece)
        if len(heard) == count:
            break
    await stream.aclose()
    return heard


def _heard_sync(model: Model, session: Session, count: int | None) -> list[Any]:
    heard: list[Any] = []
    with closing(model.stream(session)) as pieces:
        for piece in pieces:
            heard.append(piece)
            if len(heard) == count:
                break
    return heard


WAYS: dict[str, Callable[[Model, Session], list[Any]]] = {
    "send": lambda model, session: [model.send(session)],
    "asend": lambda model, session: [asyncio.run(model.asend(session))],
    "stream": lambda model, session: _heard_sync(model, session, None),
    "astream": lambda model, session: asyncio.run(_heard(model, session, None)),
}


@pytest.fixture(params=list(WAYS))
def ask(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Asks a model in each of the four ways: texts of the pieces, and at last the message."""

    def asked(model: Model, session: Session | None = None) -> list[Any]:
        heard = WAYS[request.param](model, session or question())
        return [piece.text if isinstance(piece, TextDelta) else piece for piece in heard]

    return asked


@pytest.fixture(params=["stream", "astream"])
def leave(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """Listens to a model, and leaves after some pieces."""

    def left(model: Model, count: int) -> list[str]:
        if request.param == "stream":
            heard = _heard_sync(model, question(), count)
        else:
            heard = asyncio.run(_heard(model, question(), count))
        return [piece.text for piece in heard]

    return left


@pytest.fixture
def own() -> type[Own]:
    return Own


class LineServer:
    """A server that speaks no HTTP: it takes a line of JSON and answers with its text in capitals."""

    def __init__(self, server: socket.socket) -> None:
        self.address = server.getsockname()
        self.reached = 0
        self._server = server

    def serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._server.accept()
                self.reached += 1
                with connection, connection.makefile("rw", encoding="utf-8") as file:
                    file.write(json.loads(file.readline())["text"].upper() + "\n")


@pytest.fixture
def line_server() -> Iterator[LineServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = LineServer(listening)
        serving = threading.Thread(target=server.serve, daemon=True)
        serving.start()
        yield server
        with suppress(OSError):  # of some systems, for a socket that is connected to nobody; it wakes who accepts
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()  # before the number of its socket is that of the next test's
