"""What a model said and what it cost, from the bodies of providers, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_templates.cassettes.reading.llm import Answer, answer_of
from pytest_templates.cassettes.recorded import RecordedResponse

CALL = 'weather {"city": "Rome"}'


def response(body: bytes, kind: str = "application/json") -> RecordedResponse:
    return RecordedResponse(200, "", (("content-type", kind),), body)


def whole(value: Any) -> RecordedResponse:
    return response(json.dumps(value).encode())


def streamed(*values: Any) -> RecordedResponse:
    events = (f"event: {value.get('type', 'message')}\ndata: {json.dumps(value)}\n\n" for value in values)
    return response("".join(events).encode() + b"data: [DONE]\n\n", "text/event-stream")


def chat(key: str, message: Any, **usage: int) -> dict[str, Any]:
    return {"choices": [{"index": 0, key: message}], **({"usage": usage} if usage else {})}


def called(**function: str) -> dict[str, Any]:
    return {"content": None, "tool_calls": [{"index": 0, "function": function}]}


ARGUMENTS = '{"city": "Rome"}'
SPOKEN = {
    "chat": whole(chat("message", {"content": "It is sunny."}, prompt_tokens=7, completion_tokens=3)),
    "chat, streamed": streamed(
        chat("delta", {"role": "assistant", "content": ""}),
        chat("delta", {"content": "It is "}),
        chat("delta", {"content": "sunny."}),
        {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}},
    ),
    "chat, streamed in lines": response(
        b'event: m\ndata: {"choices": [{"index": 0,\ndata: "delta": {"content": "It is sunny."}}]}\n\n'
        b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}\n\n',
        "text/event-stream",
    ),
    "responses": whole(
        {
            "output": [
                {"type": "reasoning", "summary": []},
                {"type": "message", "content": [{"type": "output_text", "text": "It is sunny."}]},
            ],
            "usage": {"input_tokens": 7, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}},
        }
    ),
    "responses, streamed": streamed(
        {"type": "response.created", "response": {"output": [], "usage": None}},
        {"type": "response.output_text.delta", "delta": "It is "},
        {"type": "response.output_text.delta", "delta": "sunny."},
        {"type": "response.output_text.done", "text": "It is sunny."},
        {
            "type": "response.completed",
            "response": {
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "It is sunny."}]}],
                "usage": {"input_tokens": 7, "output_tokens": 3},
            },
        },
    ),
    "anthropic": whole(
        {
            "content": [{"type": "text", "text": "It is sunny."}],
            "usage": {
                "input_tokens": 4,
                "cache_read_input_tokens": 2,
                "cache_creation_input_tokens": 1,
                "output_tokens": 3,
            },
        }
    ),
    "anthropic, streamed": streamed(
        {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "It is "}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "sunny."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    ),
    "google": whole(
        {
            "candidates": [{"content": {"parts": [{"text": "It is "}, {"text": "sunny."}]}}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 1},
        }
    ),
    "google, streamed": streamed(
        {"candidates": [{"content": {"parts": [{"text": "It is "}]}}], "usageMetadata": {"promptTokenCount": 7}},
        {
            "candidates": [{"content": {"parts": [{"text": "sunny."}]}}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3},
        },
    ),
    "ollama, streamed": response(
        b'{"message": {"role": "assistant", "content": "It is "}, "done": false}\n'
        b'{"message": {"content": "sunny."}, "done": true, "prompt_eval_count": 7, "eval_count": 3}\n',
        "application/x-ndjson",
    ),
    "chat, without spaces": response(
        b'data:{"choices":[{"delta":{"content":"It is sunny."}}],"usage":'
        b'{"prompt_tokens":7,"completion_tokens":3}}\n\ndata:[DONE]\n\n',
        "text/event-stream",
    ),
    "google, as a list": whole(
        [
            {"candidates": [{"content": {"parts": [{"text": "It is sunny."}]}}]},
            {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3}},
        ]
    ),
}


@pytest.mark.parametrize("response", SPOKEN.values(), ids=SPOKEN)
def test_words_and_tokens_are_read(response):
    assert answer_of(response) == Answer("It is sunny.", 7, 3)


def test_a_text_in_an_event_of_several_lines_keeps_other_line_separators():
    event = 'data: {"choices": [{"index": 0,\ndata:\ndata: "delta": {"content": "It is\u2028data: sunny."}}]}\n\n'
    assert answer_of(response(event.encode(), "text/event-stream")).text == "It is\u2028data: sunny."


CALLING = {
    "chat": whole(chat("message", called(name="weather", arguments=ARGUMENTS))),
    "chat, streamed": streamed(
        chat("delta", called(name="weather", arguments="")),
        chat("delta", called(arguments=ARGUMENTS[:5])),
        chat("delta", called(arguments=ARGUMENTS[5:])),
    ),
    "responses": whole({"output": [{"type": "function_call", "name": "weather", "arguments": ARGUMENTS}]}),
    "responses, streamed": streamed(
        {"type": "response.output_item.added", "item": {"type": "function_call", "name": "weather", "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "delta": ARGUMENTS},
        {
            "type": "response.output_item.done",
            "item": {"type": "function_call", "name": "weather", "arguments": ARGUMENTS},
        },
    ),
    "anthropic": whole({"content": [{"type": "tool_use", "name": "weather", "input": {"city": "Rome"}}]}),
    "anthropic, streamed": streamed(
        {"type": "content_block_start", "content_block": {"type": "tool_use", "name": "weather", "input": {}}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": ARGUMENTS}},
    ),
    "google": whole(
        {"candidates": [{"content": {"parts": [{"functionCall": {"name": "weather", "args": {"city": "Rome"}}}]}}]}
    ),
}


@pytest.mark.parametrize("response", CALLING.values(), ids=CALLING)
def test_tool_calls_are_read(response):
    assert answer_of(response) == Answer(CALL, None, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[1, null]", b"null", b"\xff", b'{"choices": 3, "usage": [], "content": {"text": 1}}', b"{"],
)
def test_what_is_no_answer_has_no_words(body):
    assert answer_of(response(body)) == Answer("", None, None)
