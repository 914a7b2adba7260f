from __future__ import annotations

import gc
import gzip
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import pytest

from antiphon.trace import CURRENT_CALL, CallUnderWay
from pytest_templates.cassettes.cassette import OpenCassette, open_cassette
from pytest_templates.cassettes.recorded import RecordedRequest, RecordedResponse
from pytest_templates.cassettes.settings import Author, CassetteSettings
from pytest_templates.cassettes.storage.store import Store, load_cassette

SECRET_HEADERS = {
    "openai-organization": "org-hidden",
    "set-cookie": "session=hidden",
}


@dataclass
class Answer:
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def chat(body: dict[str, Any]) -> Answer:
    """What a chat endpoint says: the last message in capitals, as JSON or as a stream."""
    content = str(body["messages"][-1]["content"]).upper() if body.get("messages") else ""
    if body.get("stream"):
        return Answer(stream(content.split(" ")), headers={"content-type": "text/event-stream"})
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    reply = {"id": "chat-1", "object": "chat.completion", "created": 1, "model": body.get("model"), "choices": [choice]}
    return Answer(json.dumps(reply).encode(), headers={"content-type": "application/json"})


def stream(words: list[str]) -> bytes:
    deltas = [{"index": 0, "finish_reason": None, "delta": {"content": word}} for word in words]
    head = {"id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [f"data: {json.dumps({**head, 'choices': [delta]})}\n\n" for delta in deltas]
    return ("".join(chunks) + "data: [DONE]\n\n").encode()


class Server:
    """A server on this machine that counts what reaches it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[bytes] = []
        self.answer: Callable[[dict[str, Any]], Answer] = chat
        self.compress = False

    @staticmethod
    def says(body: bytes, content_type: str = "application/json", status: int = 200, **headers: str) -> Answer:
        """An answer, for an `answer` of one's own."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(body, status, {"content-type": content_type, **named})

    def handle(self, body: bytes) -> Answer:
        self.bodies.append(body)
        answer = self.answer(json.loads(body) if body.startswith(b"{") else {})
        if not self.compress:
            return answer
        return Answer(gzip.compress(answer.body), answer.status, {**answer.headers, "content-encoding": "gzip"})


class _HttpServer(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            answer = state.handle(self.rfile.read(int(self.headers["content-length"] or 0)))
            self.send_response(answer.status)
            for name, value in {**SECRET_HEADERS, **answer.headers, "content-length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            pass

    with _HttpServer(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


Opener = Callable[..., AbstractContextManager[OpenCassette]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "test_module" / "test_it.yaml"


@pytest.fixture
def cassette(path: Path) -> Opener:
    """Opens the test's cassette: `with cassette("missing") as opened:`."""

    def opener(mode: Any = "none", environ: dict[str, str] | None = None, **settings: Any) -> Any:
        return open_cassette(CassetteSettings(path, mode, **settings), environ or {})

    return opener


@contextmanager
def asked_by(template_path: str, model: str = "small") -> Iterator[None]:
    token = CURRENT_CALL.set(CallUnderWay(template_path, template_path.rpartition("/")[2], model))
    try:
        yield
    finally:
        CURRENT_CALL.reset(token)


@pytest.fixture
def caller() -> Callable[..., AbstractContextManager[None]]:
    """Says who asks: `with caller("support/answer"):`."""
    return asked_by


class Tester:
    """Stands for one test: opens a cassette, and asks it without any HTTP library."""

    def __init__(self, cassette: OpenCassette) -> None:
        self.cassette = cassette

    def asks(self, content: Any, answer: str = "fine", before_answer: Callable[[], None] = lambda: None) -> str:
        """Ask a question; the answer is what the model says where it is asked."""
        body = json.dumps({"messages": [{"role": "user", "content": content}]}).encode()
        request = RecordedRequest("POST", "https://host/v1", (("content-type", "application/json"),), body)
        decision = self.cassette.decide(request)
        if decision.replay is None:
            before_answer()
            response = RecordedResponse(200, "", (("content-type", "text/plain"),), answer.encode())
            self.cassette.record(decision, response)
            return answer
        return decision.replay.response.body.decode()


@pytest.fixture
def tester(path: Path) -> Iterator[Callable[..., Tester]]:
    """Makes tests that use the same cassette: `tester("test_a", mode="all", run="1", place=2)`."""

    def make(
        test: str = "test_it", mode: Any = "missing", run: str = "", place: int = 0, store: Any = None, **environ: str
    ) -> Tester:
        chosen = store or Store(path.parent.parent)
        file = path if store is None else store.folder / path.name
        settings = CassetteSettings(file, mode, store=chosen, author=Author(test, run, place))
        opened.append(OpenCassette(settings, environ))
        return Tester(opened[-1])

    opened: list[OpenCassette] = []
    yield make
    for cassette in opened:
        cassette.leave()


@pytest.fixture
def workplace(path: Path) -> Path:
    return path.parent.parent / ".journal"


@pytest.fixture
def asked(path: Path) -> Callable[[], list[str]]:
    """What the cassette holds: the questions, each with its answer where it is not the usual one."""

    def read() -> list[str]:
        said = [
            (json.loads(one.request.body)["messages"][0]["content"], one.response.body) for one in load_cassette(path)
        ]
        return [question if answer == b"fine" else f"{question}: {answer.decode()}" for question, answer in said]

    return read


@contextmanager
def frozen(at: float) -> Iterator[None]:
    def clock() -> float:
        return at

    clocks = [time.time, time.monotonic, time.perf_counter]
    with ExitStack() as patches:
        for module in tuple(sys.modules.values()):
            for name, value in tuple(getattr(module, "__dict__", {}).items()):
                if any(value is clock for clock in clocks):
                    patches.enter_context(mock.patch.object(module, name, clock))
        yield


@pytest.fixture
def frozen_time() -> Callable[[float], AbstractContextManager[None]]:
    """Stops every clock of the process, as freezegun does: under each name that stands for one, in each module."""
    return frozen


def counted_calls(deed: Callable[[], object]) -> Counter[str]:
    """How often a deed calls each function of the plugin, by the name of its module and its own."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("pytest_templates."):
            counted[f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"] += 1

    gc.disable()
    sys.setprofile(count)
    try:
        deed()
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


@pytest.fixture
def called_by() -> Callable[[Callable[[], object]], Counter[str]]:
    """Counts what a deed calls of the plugin: `called_by(lambda: ...)["yaml_text.load"]`."""
    return counted_calls
