"""Google's generateContent in front of a server of chat completions, for recording cassettes in Google's wire format.

Speaks what the client library google-genai sends and expects (``models/M:generateContent`` and, streamed,
``models/M:streamGenerateContent?alt=sse``), and asks the model that tools/serve_model.py serves::

    python tools/google_gateway.py

The formats are those of https://ai.google.dev/api/generate-content and of OpenAI's chat completions.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

PORT = 8098
MODEL_PORT = 8099

Json: TypeAlias = dict[str, Any]

_METHOD = re.compile(r"/v1(?:beta)?/models/(?P<model>[^/:]+):(?P<method>generateContent|streamGenerateContent)")
_SETTINGS = {
    "maxOutputTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "seed": "seed",
    "stopSequences": "stop",
}
_TOOL_CHOICES = {"ANY": "required", "NONE": "none"}
_FINISH_REASONS = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 503: "UNAVAILABLE"}


def chat_request(model: str, asked: Json) -> Json:
    """The chat completion that a request for content comes to."""
    config = asked.get("generationConfig", {})
    request: Json = {"model": model, "messages": list(_messages(asked))}
    request |= {theirs: config[name] for name, theirs in _SETTINGS.items() if name in config}
    if "responseJsonSchema" in config:
        schema = {"name": "answer", "schema": config["responseJsonSchema"]}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    functions = [one for tool in asked.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    if functions:
        mode = asked.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode")
        request["tools"] = [{"type": "function", "function": _function(one)} for one in functions]
        request["tool_choice"] = _TOOL_CHOICES.get(mode, "auto")
    return request


def _messages(asked: Json) -> Iterator[Json]:
    if "systemInstruction" in asked:
        yield {"role": "system", "content": _text(asked["systemInstruction"]["parts"])}
    for content in asked["contents"]:
        parts = content["parts"]
        for part in parts:
            if "functionResponse" in part:
                answer = part["functionResponse"]
                result = answer["response"]
                text = str(result["return_value"]) if result.keys() == {"return_value"} else json.dumps(result)
                yield {"role": "tool", "tool_call_id": answer.get("id", answer["name"]), "content": text}
        calls = [_asked_call(part["functionCall"]) for part in parts if "functionCall" in part]
        if calls:
            yield {"role": "assistant", "content": _text(parts) or None, "tool_calls": calls}
        elif any("text" in part for part in parts):
            yield {"role": "assistant" if content.get("role") == "model" else "user", "content": _text(parts)}


def _text(parts: Iterable[Json]) -> str:
    return "".join(part.get("text", "") for part in parts)


def _asked_call(call: Json) -> Json:
    function = {"name": call["name"], "arguments": json.dumps(call.get("args", {}))}
    return {"id": call.get("id", call["name"]), "type": "function", "function": function}


def _function(declared: Json) -> Json:
    schema = declared.get("parametersJsonSchema") or declared.get("parameters_json_schema") or {"type": "object"}
    return {"name": declared["name"], "description": declared.get("description", ""), "parameters": schema}


class Answer:
    """The answer to one request, whole or in the chunks of a stream: all of one ``responseId``.

    Args:
        model: The model that was asked.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._id = uuid4().hex[:22]
        self._calls: dict[int, Json] = {}
        self._reason: str | None = None
        self._usage: Json | None = None

    def whole(self, completion: Json) -> Json:
        """The answer that a chat completion comes to."""
        choice = completion["choices"][0]
        message = choice["message"]
        text = [{"text": message["content"]}] if message.get("content") else []
        calls = [_call(call["function"]) for call in message.get("tool_calls") or ()]
        return self._content([*text, *calls], choice["finish_reason"], completion.get("usage"))

    def chunks(self, events: Iterable[Json]) -> Iterator[Json]:
        """The chunks that those of a streamed chat completion come to; the last brings tool calls, reason and usage."""
        for event in events:
            self._usage = event.get("usage") or self._usage
            for choice in event.get("choices", ()):
                self._reason = choice.get("finish_reason") or self._reason
                self._collect(choice["delta"].get("tool_calls") or ())
                if choice["delta"].get("content"):
                    yield self._content([{"text": choice["delta"]["content"]}])
        yield self._content(
            [_call(call) for call in self._calls.values()] or [{"text": ""}], self._reason or "stop", self._usage
        )

    def _collect(self, deltas: Iterable[Json]) -> None:
        for delta in deltas:
            call = self._calls.setdefault(delta["index"], {"name": "", "arguments": ""})
            for name in call:
                call[name] += delta.get("function", {}).get(name) or ""

    def _content(self, parts: list[Json], reason: str | None = None, usage: Json | None = None) -> Json:
        candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if reason is not None:
            candidate["finishReason"] = _FINISH_REASONS.get(reason, "OTHER")
        content = {"candidates": [candidate], "modelVersion": self._model, "responseId": self._id}
        return content if usage is None else content | {"usageMetadata": _usage(usage)}


def _call(function: Json) -> Json:
    arguments = json.loads(function["arguments"] or "{}")
    return {"functionCall": {"id": uuid4().hex[:16], "name": function["name"], "args": arguments}}


def _usage(usage: Json) -> Json:
    return {
        "promptTokenCount": usage["prompt_tokens"],
        "candidatesTokenCount": usage["completion_tokens"],
        "totalTokenCount": usage["total_tokens"],
    }


class Gateway(BaseHTTPRequestHandler):
    """Answers one request after another."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer a request for content."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        found = _METHOD.fullmatch(urlsplit(self.path).path)
        if found is None:
            self._fail(404, f"there is nothing at {self.path}")
            return
        streamed = found["method"] == "streamGenerateContent"
        request = chat_request(found["model"], body)
        if streamed:
            request |= {"stream": True, "stream_options": {"include_usage": True}}
        response = _ask(request)
        if response.status != 200:
            self._fail(response.status, json.loads(response.read())["error"]["message"])
        elif streamed:
            self._stream(Answer(found["model"]).chunks(_events(response)))
        else:
            self._send(200, Answer(found["model"]).whole(json.loads(response.read())))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log no requests; errors are logged."""

    def _send(self, status: int, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fail(self, status: int, message: str) -> None:
        error = {"code": status, "message": message, "status": _STATUSES.get(status, "INTERNAL")}
        self._send(status, {"error": error})

    def _stream(self, chunks: Iterable[Json]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in chunks:
            self._write(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n")
        self._write(b"")

    def _write(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()


def _ask(request: Json) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", MODEL_PORT)
    connection.request("POST", "/v1/chat/completions", json.dumps(request), {"content-type": "application/json"})
    return connection.getresponse()


def _events(response: HTTPResponse) -> Iterator[Json]:
    for line in response:
        if line.startswith(b"data: {"):
            yield json.loads(line.removeprefix(b"data: "))


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Gateway)
    print(f"serving at http://127.0.0.1:{PORT}, until Ctrl-C", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit()
