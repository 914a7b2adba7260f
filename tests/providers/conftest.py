"""Three wire formats, five ways to run a template, and a server on this machine that plays providers' answers."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from antiphon import Message, Model, Runner, Session, connect
from antiphon.events import Event

Steps = list[Message | Event]
PATIENCE = 10.0  # seconds after which something that should have happened has not


@dataclass(frozen=True)
class Wire:
    """A wire format.

    Attributes:
        recorded: The model that cassettes were recorded from.
        served_at: Where that was.
        played: A model that the loopback server plays.
        reported: The name under which that model says that it answers.
        root: The path that a provider's address ends with.
        answers: What the provider sends, by what happened.
    """

    recorded: str
    served_at: str
    played: str
    reported: str
    root: str
    answers: dict[str, Any]

    def __str__(self) -> str:
        return self.recorded.partition(":")[0]


def wire(provider: str, port: int, played: str, reported: str, root: str = "") -> Wire:
    answers = yaml.safe_load(Path(__file__).with_name("answers").joinpath(f"{provider}.yaml").read_text("utf-8"))
    address = f"http://127.0.0.1:{port}{root}"
    return Wire(f"{provider}:smollm2-135m", address, f"{provider}:{played}", reported, root, answers)


# Served by tools/serve_model.py, and for Google by tools/google_gateway.py in front of it.
WIRES = [
    wire("openai", 8099, "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "/v1"),
    wire("anthropic", 8099, "claude-haiku-4-5", "claude-haiku-4-5-20251001"),
    wire("google", 8098, "gemini-2.5-flash-lite", "gemini-2.5-flash-lite"),
]
# What "openai:" speaks with OpenAI itself.
PLAYED = [*WIRES, wire("openai-responses", 8099, "gpt-4o-mini", "gpt-4o-mini-2024-07-18", "/v1")]


@dataclass(frozen=True)
class Mode:
    """A way to run a template; returns what it yielded on the way."""

    name: str
    play: Callable[[Runner, Session], Steps]

    @property
    def streams(self) -> bool:
        return "stream" in self.name

    def __str__(self) -> str:
        return self.name


def run(runner: Runner, session: Session) -> Steps:
    runner.run(session)
    return []


def arun(runner: Runner, session: Session) -> Steps:
    asyncio.run(runner.arun(session))
    return []


def stream(runner: Runner, session: Session) -> Steps:
    return list(runner.stream(session))


def astream(runner: Runner, session: Session) -> Steps:
    async def collect() -> Steps:
        return [step async for step in runner.astream(session)]

    return asyncio.run(collect())


MODES = [Mode(play.__name__, play) for play in (run, arun, stream, astream)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Multiply tests by the wire formats and by the modes, and tests of recorded behaviours by those as well."""
    wanted = set(metafunc.fixturenames)
    if "behaviour" in wanted:
        cases = [
            pytest.param(behaviour, wire, mode, marks=cassette(name, wire, mode), id=f"{name}-{wire}-{mode}")
            for (name, behaviour), wire, mode in product(metafunc.module.BEHAVIOURS.items(), PLAYED, MODES)
            if str(wire) in behaviour.wires
        ]
        metafunc.parametrize(("behaviour", "wire", "mode"), cases)
        return
    if "wire" in wanted:
        metafunc.parametrize("wire", PLAYED, ids=str)
    if "mode" in wanted:
        metafunc.parametrize("mode", MODES, ids=str)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests call the models that the loopback server plays."""
    for item in items:
        if "provider" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.llm_live(reason="a server on this machine plays the model"))


def cassette(name: str, wire: Wire, mode: Mode) -> pytest.MarkDecorator:
    """The cassette of a behaviour: with and without an event loop the same is sent."""
    form = "streamed" if mode.streams else "whole"
    return pytest.mark.llm_cassette(f"providers/{name.replace(' ', '_')}-{wire}-{form}")


@dataclass
class Asked:
    """A request that reached the server."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Provider:
    """Plays a provider's answers, and takes note of what it is asked.

    Attributes:
        url: Where it is reached.
        asked: The requests, in order.
        left: Set when a client closed the connection before it had the whole answer.
        refuses: What it says to a request that it refuses, by its body; ``None`` to one that it takes.
        keeps_open: Whether connections are kept open after an answer, as real providers do.
        connections: Those that are open.
    """

    url: str
    asked: list[Asked] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    answers: list[dict[str, Any]] = field(default_factory=list)
    refuses: Callable[[Any], str | None] = lambda _: None
    keeps_open: bool = False
    connections: set[socket.socket] = field(default_factory=set)

    def plays(self, *answers: dict[str, Any]) -> None:
        """What it answers, one request after another; the last one again and again.

        An answer has a ``status`` (200), ``headers``, a body that is ``json``, ``text`` or a list of ``events``, and
        ``then``: ``"stall"`` to say no more until the client leaves, ``"drop"`` to break off.
        """
        self.answers = list(answers)

    def next_answer(self) -> dict[str, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def connect(self, wire: Wire, **settings: Any) -> Model:
        """A model that this server plays; its client asks once.

        Without ``max_tokens`` Anthropic's client would stream also what is wanted whole: long answers could time out.
        """
        settings = {"max_retries": 0, "max_tokens": 100} | settings
        return connect(wire.played, base_url=self.url + wire.root, api_key="dummy-key", **settings)


class Handler(BaseHTTPRequestHandler):
    provider: Provider
    disable_nagle_algorithm = True

    def setup(self) -> None:
        if self.provider.keeps_open:
            self.protocol_version = "HTTP/1.1"
        self.provider.connections.add(self.request)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.provider.connections.discard(self.request)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.provider.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        refusal = self.provider.refuses(body)
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": refusal}}
        answer = {"status": 400, "json": error} if refusal else self.provider.next_answer()
        self.provider.arrived.set()
        if answer.get("status") != 0:
            self.answer(answer)
        if answer.get("then") == "stall":
            self.wait_until_left()

    def answer(self, answer: dict[str, Any]) -> None:
        data = b"".join(event(one) for one in answer["events"]) if "events" in answer else whole(answer)
        length = str(len(data) + 1000 * ("then" in answer))
        kind = {"events": "text/event-stream", "text": "text/html"}
        content_type = next((kind[name] for name in kind if name in answer), "application/json")
        self.send_response(answer.get("status", 200))
        for name, value in {
            "content-type": content_type,
            "content-length": length,
            **answer.get("headers", {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def wait_until_left(self) -> None:
        readable, _, _ = select.select([self.connection], [], [], PATIENCE)
        if readable and not self.connection.recv(1):
            self.provider.left.set()

    def log_message(self, *args: object) -> None:
        pass


def event(value: Any) -> bytes:
    """A server-sent event."""
    if isinstance(value, str):
        return f"data: {value}\n\n".encode()
    kind = f"event: {value['type']}\n" if "type" in value else ""
    return f"{kind}data: {json.dumps(value)}\n\n".encode()


def whole(answer: dict[str, Any]) -> bytes:
    return (answer["text"] if "text" in answer else json.dumps(answer.get("json", {}))).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the threads: no test leaves one behind
    request_queue_size = 128


@pytest.fixture
def provider() -> Iterator[Provider]:
    class PlayingHandler(Handler):
        pass

    with Server(("127.0.0.1", 0), PlayingHandler) as server:
        PlayingHandler.provider = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield PlayingHandler.provider
        server.shutdown()
        for connection in list(PlayingHandler.provider.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(params=[mode for mode in MODES if mode.streams], ids=str)
def any_stream(request: pytest.FixtureRequest) -> Mode:
    """A way to run a template in which models are listened to while they speak."""
    mode: Mode = request.param
    return mode


@pytest.fixture
def wires() -> dict[str, Wire]:
    """The wire formats by their names."""
    return {str(wire): wire for wire in PLAYED}


Body = Mapping[str, Any]


def twice(ids: list[str]) -> bool:
    return len(set(ids)) < len(ids)


def chat_refuses(body: Body) -> str | None:
    """What chat completions refuse."""
    waiting: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            break
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
        if twice(waiting):
            return "duplicate value for 'id' of tool_calls"
        if not waiting and message["content"] is None:
            return "a message needs content"
    return f"tool_call_ids did not have response messages: {waiting}" if waiting else None


def responses_refuse(body: Body) -> str | None:
    """What Responses refuse."""
    calls = [item["call_id"] for item in body["input"] if item.get("type") == "function_call"]
    results = [item["call_id"] for item in body["input"] if item.get("type") == "function_call_output"]
    if twice(calls) or twice(results):
        return "duplicate call_id"
    if set(calls) - set(results):
        return "no tool output found for function call"
    return "no tool call found for function call output" if set(results) - set(calls) else None


def anthropic_refuses(body: Body) -> str | None:
    """What Anthropic's messages refuse."""
    if not body["messages"]:
        return "messages: at least one message is required"
    system = body.get("system") or "x"
    instructed = [system] if isinstance(system, str) else [block["text"] for block in system]
    if any(not text.strip() for text in (*instructed, *texts(body["messages"]))):
        return "text content blocks must contain non-whitespace text"
    uses: list[str] = []
    for message in (*body["messages"], {"role": "", "content": []}):
        results = [block["tool_use_id"] for block in message["content"] if block["type"] == "tool_result"]
        if sorted(results) != sorted(uses) or twice(uses):
            return "each tool_use must have a single tool_result in the next message, and none stands without"
        uses = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    last = body["messages"][-1]
    if last["role"] == "assistant":
        return "this model does not support assistant message prefill"
    thinks = (body.get("thinking") or {}).get("type") == "enabled"
    answers = any(block["type"] == "tool_result" for block in last["content"])
    if thinks and answers and body["messages"][-2]["content"][0]["type"] != "thinking":
        return "expected thinking, but found tool_use"
    return None


def texts(messages: list[Body]) -> Iterator[str]:
    for message in messages:
        for block in message["content"]:
            nested = block.get("content") or []
            yield from (one["text"] for one in (block, *nested) if one["type"] == "text")


def google_refuses(body: Body) -> str | None:
    """What generateContent refuses. A first turn of the user may be empty, as pydantic-ai sends it."""
    contents, before = body["contents"], "user"
    system = body.get("systemInstruction", {}).get("parts", [])
    if not contents or any(part == {"text": ""} for turn in contents[1:] for part in turn["parts"]):
        return "contents.parts must not be empty"
    if contents[0]["role"] != "user" or any(not part["text"] for part in system):
        return "the first turn is the user's, and a system instruction has a text"
    calls: list[str] = []
    for turn in (*contents, {"role": "", "parts": []}):
        results = [part["functionResponse"]["id"] for part in turn["parts"] if "functionResponse" in part]
        if sorted(results) != sorted(calls) or twice(calls):
            return "the number of function response parts is not equal to that of the function call parts"
        if any(not part["functionResponse"].get("name") for part in turn["parts"] if "functionResponse" in part):
            return "function_response.name: name cannot be empty"
        calls = [part["functionCall"]["id"] for part in turn["parts"] if "functionCall" in part]
        if calls and before == "model":
            return "function call turn comes immediately after a user turn or after a function response turn"
        before = turn["role"]
    return "requests ending with a model turn are not supported" if contents[-1]["role"] == "model" else None


REFUSALS: dict[str, Callable[[Body], str | None]] = {
    "openai": chat_refuses,
    "openai-responses": responses_refuse,
    "anthropic": anthropic_refuses,
    "google": google_refuses,
}


@pytest.fixture
def refusals() -> dict[str, Callable[[Body], str | None]]:
    """What each provider says to a request that it refuses, by the name of its wire format."""
    return REFUSALS
