"""A model on this machine that repeats each question, and keeps a list of them."""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

EVENTS = 10
SECONDS_BETWEEN_EVENTS = 0.05


class Served:
    """The questions so far, and the address."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that were killed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Served

    def do_POST(self) -> None:
        given = self._given()
        path = urlsplit(self.path).path
        if path.startswith("/by/"):
            self.served.asked.append(path)
        if path.startswith("/moved/"):
            self._answer(b"", "text/plain", int(path.split("/")[2]), {"location": "/method"})
        elif path == "/method":
            self._answer(f"{self.command} {len(given)}".encode(), "text/plain")
        elif path == "/credential":  # as APIs do that say which key they refuse
            found = re.findall("k7Qw[0-9A-Za-z]+", f"{self.path} {self.headers} {_basic(self.headers)}")
            self._answer(json.dumps({"note": f"asked with {found[0]}, which ends soon"}).encode(), "application/json")
        elif path.startswith("/large/"):
            self._answer(b"Paris is a city. " * (int(path.split("/")[2]) // 17), "text/plain")
        elif path == "/words":
            self._stream("w")
        elif "chat/completions" in path:
            self._chat(given)
        else:
            self._answer(given or b"{}", self.headers.get("content-type", "application/json"))

    def _chat(self, given: bytes) -> None:
        body = json.loads(given)
        text = body["messages"][-1]["content"]
        self.served.asked.append(text)
        if body.get("stream"):
            self._stream(text)
        else:
            self._answer(json.dumps(_completion(body["model"], text)).encode(), "application/json")

    def _given(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        given = b""
        while size := int(self.rfile.readline(), 16):
            given += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return given

    do_GET = do_PUT = do_HEAD = do_POST  # noqa: N815  # the names that http.server looks for

    def _answer(self, content: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        zipped = "gzip" in self.headers.get("accept-encoding", "") and len(content) < 1_000_000
        content = gzip.compress(content) if zipped else content
        self.send_response(status)
        self.send_header("content-type", kind)
        if zipped:
            self.send_header("content-encoding", "gzip")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        for name, value in self.headers.items():
            if name.lower().startswith("x-echo-"):
                self.send_header(name[7:], value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if self.command != "HEAD" else b"")

    def _stream(self, text: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for number in range(EVENTS):
                chunk = {"index": 0, "delta": {"content": f"{text}{number} "}, "finish_reason": None}
                event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [chunk]}
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                self.wfile.flush()
                time.sleep(SECONDS_BETWEEN_EVENTS)
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            pass  # the client left
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def _basic(headers: Message) -> str:
    kind, _, text = headers.get("authorization", "").partition(" ")
    return base64.b64decode(text).decode() if kind == "Basic" else ""


def _completion(model: str, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"{model} heard {text}"}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


@contextmanager
def serving() -> Iterator[Served]:
    """Serve for the length of a block."""
    served = Served()
    handler = type("Handler", (_Handler,), {"served": served})
    server = _Server(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
