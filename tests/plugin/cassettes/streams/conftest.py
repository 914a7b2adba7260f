"""A server on this machine that speaks as slowly as a test wants, and programs that listen to it."""

from __future__ import annotations

import asyncio
import json
import select
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anthropic
import anyio
import httpx
import httpx2
import openai
import pytest
from google import genai

from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, TextDelta, UserTemplate, connect
from pytest_templates.cassettes.cassette import OpenCassette, open_cassette
from pytest_templates.cassettes.settings import CassetteSettings

PATIENCE = 10.0  # seconds after which something that should have happened has not
EVENTS = "text/event-stream"
Hear = Callable[[str], bool]  # told every word; says whether to listen on


@dataclass
class Speaker:
    """Says what it was told to, piece by piece, to everyone who asks.

    Attributes:
        script: Bytes to say, events to wait for, ``"drop"`` to break off, ``"wait"`` to say no more until the client
            leaves.
        headers: Of its answer.
        asked: How often it was asked.
        left: Set when a client closed the connection before the end.
    """

    url: str
    script: list[bytes | threading.Event | str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": EVENTS})
    asked: int = 0
    left: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    speaker: Speaker

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.speaker.asked += 1
        self.send_response(200)
        for name, value in {**self.speaker.headers, "transfer-encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()
        for step in self.speaker.script:
            if not self.take(step):
                self.close_connection = True
                return
        self.say(b"")

    def take(self, step: bytes | threading.Event | str) -> bool:
        if isinstance(step, bytes):
            self.say(step)
        elif isinstance(step, threading.Event):
            step.wait(PATIENCE)
        elif step == "wait":
            self.wait_until_left()
        return not isinstance(step, str)

    def say(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def wait_until_left(self) -> None:
        readable, _, _ = select.select([self.connection], [], [], PATIENCE)
        with suppress(ConnectionResetError):  # who leaves with an answer unread resets the connection
            if not readable or self.connection.recv(1):
                return
        self.speaker.left.set()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def speaker(serving: Any) -> Iterator[Speaker]:
    class Speaking(Handler):
        pass

    with serving(Speaking) as url:
        Speaking.speaker = Speaker(url)
        yield Speaking.speaker


Opener = Callable[..., AbstractContextManager[OpenCassette]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "test_it.yaml"


@pytest.fixture
def cassette(path: Path) -> Opener:
    """Opens the test's cassette: `with cassette("missing") as opened:`."""

    def opener(mode: Any = "none", environ: dict[str, str] | None = None) -> Any:
        return open_cassette(CassetteSettings(path, mode), environ or {})

    return opener


@dataclass(frozen=True)
class Program:
    """A program that streams.

    Attributes:
        listen: Asks the server at an address and tells every word that it hears.
        word: The bytes of a word on the wire.
        end: What the server says last.
    """

    name: str
    listen: Callable[[str, Hear], None]
    word: Callable[[str], bytes]
    end: bytes = b""

    def __str__(self) -> str:
        return self.name


def event(data: dict[str, Any], kind: str = "") -> bytes:
    return f"{f'event: {kind}' + chr(10) if kind else ''}data: {json.dumps(data)}\n\n".encode()


def openai_word(word: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "finish_reason": finish_reason, "delta": {"role": "assistant", "content": word}}
    return event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def anthropic_word(word: str) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
    return event(delta, "content_block_delta")


def google_word(word: str) -> bytes:
    return event({"candidates": [{"content": {"role": "model", "parts": [{"text": word}]}}]})


def plain_word(word: str) -> bytes:
    return event({"word": word})


def plain_words(lines: Any) -> Any:
    return (json.loads(line.removeprefix("data: "))["word"] for line in lines if line)


MESSAGES: Any = [{"role": "user", "content": "Count."}]


def heard(words: Any, hear: Hear) -> None:
    for word in words:
        if not hear(word):
            break


async def aheard(words: Any, hear: Hear) -> None:
    async for word in words:
        if not hear(word):
            break


def openai_sync(url: str, hear: Hear) -> None:
    with (
        openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client,
        client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as chunks,
    ):
        heard((chunk.choices[0].delta.content for chunk in chunks), hear)


async def openai_async(url: str, hear: Hear) -> None:
    async with (
        openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client,
        await client.chat.completions.create(model="m", messages=MESSAGES, stream=True) as chunks,
    ):
        await aheard((chunk.choices[0].delta.content async for chunk in chunks), hear)


def anthropic_sync(url: str, hear: Hear) -> None:
    with (
        anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client,
        client.messages.create(model="m", messages=MESSAGES, max_tokens=9, stream=True) as events,
    ):
        heard((one.delta.text for one in events if one.type == "content_block_delta"), hear)  # type: ignore[union-attr]


async def anthropic_async(url: str, hear: Hear) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client,
        await client.messages.create(model="m", messages=MESSAGES, max_tokens=9, stream=True) as events,
    ):
        await aheard((one.delta.text async for one in events), hear)  # type: ignore[union-attr]


def google_sync(url: str, hear: Hear) -> None:
    with genai.Client(api_key="k", http_options={"base_url": url}) as client:
        chunks = client.models.generate_content_stream(model="m", contents="Count.")
        heard((chunk.text for chunk in chunks), hear)


async def google_async(url: str, hear: Hear) -> None:
    async with httpx2.AsyncClient() as http:  # by itself it takes aiohttp where that is installed
        client = genai.Client(api_key="k", http_options={"base_url": url, "httpx_async_client": http}).aio
        chunks = await client.models.generate_content_stream(model="m", contents="Count.")
        await aheard((chunk.text async for chunk in chunks), hear)


def session_and_runner(url: str) -> tuple[Session, Runner]:
    tree = LinearTemplate([UserTemplate("Count."), AssistantTemplate(template_id="count")])
    return Session(), Runner(connect("openai:m", base_url=url, api_key="k", max_retries=0), template=tree)


def engine_sync(url: str, hear: Hear) -> None:
    session, runner = session_and_runner(url)
    heard((step.text for step in runner.stream(session) if isinstance(step, TextDelta)), hear)


async def engine_async(url: str, hear: Hear) -> None:
    session, runner = session_and_runner(url)
    await aheard((step.text async for step in runner.astream(session) if isinstance(step, TextDelta)), hear)


def plain_sync(library: Any) -> Callable[[str, Hear], None]:
    def listen(url: str, hear: Hear) -> None:
        with library.Client() as client, client.stream("POST", url, json={}) as answer:
            heard(plain_words(answer.iter_lines()), hear)

    return listen


def plain_async(library: Any) -> Callable[[str, Hear], Awaitable[None]]:
    async def listen(url: str, hear: Hear) -> None:
        async with library.AsyncClient() as client, client.stream("POST", url, json={}) as answer:
            await aheard((word async for line in answer.aiter_lines() for word in plain_words([line])), hear)

    return listen


def in_loop(listen: Callable[[str, Hear], Awaitable[None]]) -> Callable[[str, Hear], None]:
    return lambda url, hear: asyncio.run(listen(url, hear))  # type: ignore[arg-type]


def in_trio(listen: Callable[[str, Hear], Awaitable[None]]) -> Callable[[str, Hear], None]:
    return lambda url, hear: anyio.run(listen, url, hear, backend="trio")


DONE = openai_word("", "stop") + b"data: [DONE]\n\n"
PROGRAMS = [
    Program("openai", openai_sync, openai_word, DONE),
    Program("openai-async", in_loop(openai_async), openai_word, DONE),
    Program("openai-trio", in_trio(openai_async), openai_word, DONE),
    Program("anthropic", anthropic_sync, anthropic_word),
    Program("anthropic-async", in_loop(anthropic_async), anthropic_word),
    Program("google", google_sync, google_word),
    Program("google-async", in_loop(google_async), google_word),
    Program("engine", engine_sync, openai_word, DONE),
    Program("engine-async", in_loop(engine_async), openai_word, DONE),
    Program("httpx", plain_sync(httpx), plain_word),
    Program("httpx-async", in_loop(plain_async(httpx)), plain_word),
    Program("httpx2", plain_sync(httpx2), plain_word),
    Program("httpx2-async", in_loop(plain_async(httpx2)), plain_word),
    Program("httpx2-trio", in_trio(plain_async(httpx2)), plain_word),
]


@pytest.fixture(params=PROGRAMS, ids=str)
def program(request: pytest.FixtureRequest) -> Program:
    """A program that streams, with each SDK, with and without an event loop."""
    found: Program = request.param
    return found
