"""Recording anew what means the same changes no byte of the file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_templates.cassettes.recorded import Chunk, RecordedRequest, RecordedResponse

JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)


def request(text: str) -> RecordedRequest:
    return RecordedRequest("POST", "http://model.test/v1", JSON, json.dumps({"messages": [text]}).encode())


def whole(number: int, text: str, **changes: Any) -> RecordedResponse:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": number}}
    body = {
        "id": f"chatcmpl-{number}",
        "created": 1000 + number,
        "model": "m",
        "system_fingerprint": f"fp_{number}",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": usage,
        **changes,
    }
    return RecordedResponse(200, "", (*JSON, ("x-request-id", f"req_{number}")), json.dumps(body).encode())


def streamed(number: int, *pieces: str) -> RecordedResponse:
    chunk = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": number}
    said = [{**chunk, "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    units = [f"data: {json.dumps(one)}\n\n".encode() for one in said]
    arrivals = tuple(Chunk(len(unit), 0.1 * number + 0.01 * n) for n, unit in enumerate(units))
    return RecordedResponse(200, "", EVENTS, b"".join(units), arrivals)


def events(*units: Any) -> RecordedResponse:
    said = [unit if isinstance(unit, str) else json.dumps(unit) for unit in units]
    return RecordedResponse(200, "", EVENTS, "".join(f"data: {one}\n\n" for one in said).encode())


def thinking(*pieces: str) -> RecordedResponse:
    deltas = [{"role": "assistant", "reasoning_content": piece} for piece in pieces]
    return events(*({"choices": [{"index": 0, "delta": delta}]} for delta in deltas), "[DONE]")


def blocks(*pieces: tuple[int, str]) -> RecordedResponse:
    deltas = [(index, {"type": "text_delta", "text": piece}) for index, piece in pieces]
    return events(*({"type": "content_block_delta", "index": index, "delta": delta} for index, delta in deltas))


def ordered(arguments: dict[str, str]) -> RecordedResponse:
    call = {"type": "tool_use", "id": "toolu_1", "name": "order", "input": arguments}
    return RecordedResponse(200, "", JSON, json.dumps({"role": "assistant", "content": [call]}).encode())


def plain(kind: str, text: str) -> RecordedResponse:
    return RecordedResponse(200, "", (("content-type", kind),), text.encode())


def recorded(cassette: Any, answers: dict[str, RecordedResponse]) -> None:
    with cassette("all") as opened:
        for text, answer in answers.items():
            opened.record(opened.decide(request(text)), answer)
        opened.save()


SAME = {
    "ids and times": (whole(1, "Oslo."), whole(2, "Oslo.")),
    "pieces": (streamed(1, "It ", "is ", "Oslo."), streamed(2, "It is ", "Os", "", "lo.")),
    "pieces of a thought": (thinking("no ", "no "), thinking("no no ")),
    "pieces of blocks": (blocks((0, "a"), (0, "b"), (1, "c")), blocks((0, "ab"), (1, "c"))),
}
DIFFERENT = {
    "a word": (whole(1, "Oslo."), whole(2, "Bergen.")),
    "a finish reason": (whole(1, "Oslo."), whole(1, "Oslo.", choices=[{"message": {"content": "Oslo."}}])),
    "a model": (whole(1, "Oslo."), whole(1, "Oslo.", model="n")),
    "tokens": (whole(1, "Oslo."), whole(1, "Oslo.", usage={"prompt_tokens": 9, "completion_tokens": 3})),
    "a status": (whole(1, "Oslo."), replace(whole(2, "Oslo."), status=201)),
    "a word of a stream": (streamed(1, "It ", "is ", "Oslo."), streamed(1, "It ", "is ", "Oslo!")),
    "a word of a thought twice": (thinking("no ", "no "), thinking("no ")),
    "the block of a word": (blocks((0, "ab"), (1, "c")), blocks((0, "a"), (1, "bc"))),
    "an id that the model gives a tool": (ordered({"order_id": "A1"}), ordered({"order_id": "B2"})),
    "the end of a stream": (events({"a": 1}, "[DONE]"), events({"a": 1})),
    "an event that is no JSON": (events({"a": 1}, "fine"), events({"a": 1}, "bad")),
    "a value beside an object": (plain("application/json", '[{"a":1},2]'), plain("application/json", '[{"a":1},3]')),
    "a line beside an object": (plain("text/plain", 'Warm\n{"a":1}'), plain("text/plain", 'Cold\n{"a":1}')),
    "a document that was found": (
        plain("application/json", '{"data":[{"id":"doc1"}]}'),
        plain("application/json", '{"data":[{"id":"doc2"}]}'),
    ),
    "bytes": (plain("text/plain", "Warm"), plain("text/plain", "Cold")),
    "streamed": (whole(1, "Oslo."), streamed(1, "Oslo.")),
}


@pytest.mark.parametrize("case", SAME)
def test_an_answer_that_means_the_same_keeps_its_bytes(case: str, cassette: Any, path: Path) -> None:
    old, new = SAME[case]
    recorded(cassette, {"Where?": old})
    before = path.read_bytes()
    recorded(cassette, {"Where?": new})
    assert path.read_bytes() == before


@pytest.mark.parametrize("case", DIFFERENT)
def test_an_answer_that_means_something_else_is_written(case: str, cassette: Any, path: Path) -> None:
    old, new = DIFFERENT[case]
    recorded(cassette, {"Where?": old})
    before = path.read_bytes()
    recorded(cassette, {"Where?": new})
    assert path.read_bytes() != before


def test_only_the_answer_that_changed_is_written_anew(cassette: Any, path: Path) -> None:
    recorded(cassette, {"A?": whole(1, "a"), "B?": whole(2, "b")})
    before = path.read_text("utf-8")
    recorded(cassette, {"A?": whole(3, "a"), "B?": whole(4, "other")})
    after = path.read_text("utf-8")
    assert after[: after.index("- template", 40)] == before[: before.index("- template", 40)]
    assert "chatcmpl-4" in after


def test_an_answer_whose_new_id_is_sent_back_is_written(cassette: Any, path: Path) -> None:
    recorded(cassette, {"A?": whole(1, "a"), "after chatcmpl-1": whole(2, "b")})
    recorded(cassette, {"A?": whole(3, "a"), "after chatcmpl-3": whole(4, "b")})
    text = path.read_text("utf-8")
    assert "id: chatcmpl-3" in text
    assert "chatcmpl-1" not in text
