"""Connections of real models end in order: with the model that opened them, and with the process."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from textwrap import dedent
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from antiphon import Message, Session, connect
from antiphon.model import ModelSettings
from antiphon.providers.connection import Connection


@pytest.fixture(scope="module", autouse=True)
def _left_by_other_tests() -> None:
    """What is there already is not looked at by each `gc.collect` of these tests: that took seconds."""
    gc.collect()
    gc.freeze()


# In a process of its own: here the plugin's trace holds the models that a test asks.
PROGRAM = dedent(
    """
    import asyncio, gc, sys, time
    from antiphon import Message, Session, connect

    def ask(name, url):
        model = connect(name, base_url=url, api_key="dummy-key", max_retries=0, max_tokens=100)
        session = Session(messages=[Message(role="user", content="Where is my parcel?")])

        async def asend():
            return await model.asend(session)

        async def send_in_a_loop():
            return model.send(session)

        async def astream(leave=False):
            async for piece in (pieces := model.astream(session)):
                if leave:
                    return await pieces.aclose()

        async def forget():
            pieces = model.astream(session)
            return await anext(pieces)

        list(model.stream(session)), asyncio.run(astream())
        left = model.stream(session)
        next(left), left.close(), asyncio.run(astream(leave=True))
        forgotten = model.stream(session)
        next(forgotten), asyncio.run(forget())
        for _ in range(2):
            model.send(session), asyncio.run(asend()), asyncio.run(send_in_a_loop())
        return model, session, left, forgotten

    kept = []
    for line in sys.stdin:
        what, name, url = line.split()
        connect(name, base_url=url, api_key="dummy-key")
        gc.freeze()  # what the imports left need not be looked at each time
        kept.append(ask(name, url))
        if what == "forget":
            kept.clear()  # a session's trace knows whom it asked
            for _ in range(20):
                gc.collect(), time.sleep(0.02)
        print("asked", flush=True)
    """
)
QUESTION = Session(messages=[Message(role="user", content="Where is my parcel?")])
ONE_ANSWER = ModelSettings(max_tokens=100, max_retries=0)  # type: ignore[call-arg]  # of pydantic-ai's


@contextmanager
def program(provider: Any) -> Iterator[Callable[[str, Any], subprocess.Popen[str]]]:
    """A program that asks a model in every way there is when it is told to, and then ``forget``s or ``keep``s it."""
    provider.keeps_open = True
    pipe = subprocess.PIPE
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as running:

        def tell(what: str, wire: Any) -> subprocess.Popen[str]:
            assert running.stdin is not None
            assert running.stdout is not None
            provider.plays(*[wire.answers["stream"]] * 6, wire.answers["text"])
            running.stdin.write(f"{what} {wire.played} {provider.url}{wire.root}\n")
            running.stdin.flush()
            assert running.stdout.readline() == "asked\n", running.communicate()[1]
            return running

        yield tell


def closed(provider: Any) -> bool:
    """Whether no connection is open any more, soon enough."""
    until = time.monotonic() + 5
    while provider.connections and time.monotonic() < until:
        time.sleep(0.01)
    return not provider.connections


def test_connections_end_with_the_model_and_without_a_word_with_the_process(provider: Any, wires: Any) -> None:
    with program(provider) as tell:
        for wire in wires.values():
            running = tell("forget", wire)
            assert closed(provider), wire.played
            assert running.poll() is None

        for wire in wires.values():
            before = len(provider.connections)
            running = tell("keep", wire)
            assert len(provider.connections) > before, wire.played
        said = running.communicate(timeout=30)

    assert (said, running.returncode) == (("", ""), 0)
    assert closed(provider)


def in_a_thread(drop: Callable[[], None]) -> None:
    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()


def in_trio(drop: Callable[[], None]) -> None:
    async def drop_in_trio() -> None:
        await anyio.lowlevel.checkpoint()
        drop()

    anyio.run(drop_in_trio, backend="trio")


@pytest.mark.parametrize("where", [lambda drop: drop(), in_a_thread, in_trio], ids=["here", "in a thread", "in trio"])
def test_it_does_not_matter_where_a_connection_is_collected(provider: Any, wire: Any, where: Any) -> None:
    provider.keeps_open = True
    provider.plays(wire.answers["text"])
    connections = [Connection(wire.played, provider.url + wire.root, "dummy-key")]
    connections[0].ask(QUESTION, ONE_ANSWER)
    assert len(provider.connections) == 1

    where(connections.clear)

    assert closed(provider)


def test_a_stream_that_is_being_heard_keeps_its_connection(provider: Any, wire: Any) -> None:
    provider.keeps_open = True
    provider.plays(wire.answers["stream"])

    with closing(Connection(wire.played, provider.url + wire.root, "dummy-key").stream(QUESTION, ONE_ANSWER)) as pieces:
        gc.collect()
        assert [piece for piece in pieces if isinstance(piece, str)] == ["The parcel", " is late."]

    del pieces
    gc.collect()
    assert closed(provider)


def test_a_fork_keeps_the_connections_open(provider: Any, wire: Any) -> None:
    provider.keeps_open = True
    provider.plays(wire.answers["text"])
    models = [provider.connect(wire)]
    models[0].send(QUESTION)

    models.append(models.pop().__deepcopy__({}))
    gc.collect()

    assert models[0].send(QUESTION).content == "The parcel is late."
    assert len(provider.connections) == 1


def test_a_model_object_is_left_when_nobody_asks_it_and_can_be_connected_again(provider: Any, wires: Any) -> None:
    provider.keeps_open = True
    provider.plays(wires["openai"].answers["text"])
    theirs = OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(base_url=provider.url + "/v1", api_key="dummy-key"))

    Connection("openai:gpt-4o-mini", model=theirs).ask(QUESTION, ONE_ANSWER)
    assert closed(provider)

    assert connect(theirs).send(QUESTION).content == "The parcel is late."
