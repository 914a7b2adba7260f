from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import anthropic  # noqa: F401 - slow to import, and needed in inner runs
import pytest


def openai_answer(streamed: bool) -> tuple[str, str]:
    head = {"id": "chat-1", "created": 1, "model": "m"}
    if not streamed:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}
        return "application/json", json.dumps({**head, "object": "chat.completion", "choices": [choice]})
    choice = {"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "Hello."}}
    chunk = json.dumps({**head, "object": "chat.completion.chunk", "choices": [choice]})
    return "text/event-stream", f"data: {chunk}\n\ndata: [DONE]\n\n"


def anthropic_answer(streamed: bool) -> tuple[str, str]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_sequence": None,
        "usage": usage,
    }
    text = {"type": "text", "text": "Hello."}
    if not streamed:
        return "application/json", json.dumps({**message, "content": [text], "stop_reason": "end_turn"})
    events = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return "text/event-stream", "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch, serving: Any) -> Iterator[list[bytes]]:
    """A server of both kinds that says "too many requests" to every other request; gives what reached it."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            bodies.append(body)
            limit = bodies.count(body) % 2 == 1
            answer = anthropic_answer if "messages" in self.path.split("/")[-1] else openai_answer
            kind, text = answer(bool(json.loads(body).get("stream")))
            said = (
                '{"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}' if limit else text
            ).encode()
            self.send_response(429 if limit else 200)
            self.send_header("content-type", "application/json" if limit else kind)
            self.send_header("content-length", str(len(said)))
            if limit:
                self.send_header("retry-after-ms", "10")
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        monkeypatch.setenv("LIMITED_URL", url)
        yield bodies
