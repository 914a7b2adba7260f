from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_templates.cassettes.format.bodies import aligned
from pytest_templates.cassettes.format.document import FormatError, from_text, to_text
from pytest_templates.cassettes.recorded import (
    Chunk,
    Headers,
    Interaction,
    RecordedRequest,
    RecordedResponse,
    Truncation,
)

JSON_TYPE: Headers = (("content-type", "application/json"),)
TEXT_TYPE: Headers = (("content-type", "text/plain; charset=utf-8"),)
STREAM_TYPE: Headers = (("content-type", "text/event-stream"),)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=140), inner, max_size=4),
    max_leaves=12,
)
styles = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ":"), (", ", ": ")]),
        "indent": st.sampled_from([None, None, 2]),
        "sort_keys": st.booleans(),
    }
)
pieces = st.sampled_from(
    [
        "data: ",
        "data:",
        "event: x",
        '{"a": 1}',
        '{"a":1.50}',
        "[DONE]",
        "\n",
        "\n\n",
        "\r\n",
        "\r\n\r\n",
        ": ping",
        "é",
        "id: 1",
        " ",
    ]
)


def interaction(body: bytes, headers: Headers, sent: bytes = b"", **changes: Any) -> Interaction:
    request = RecordedRequest("POST", "https://host/v1?a=1", changes.get("request_headers", headers), sent)
    return Interaction("support/answer", "small", request, RecordedResponse(200, "", headers, body))


def reloaded(one: Interaction) -> Interaction:
    (found,) = from_text(to_text([one]))
    return found


def body_after(body: bytes, headers: Headers) -> bytes:
    return reloaded(interaction(body, headers)).response.body


@given(json_values, styles)
def test_a_json_body_survives_value_for_value(value: Any, style: dict[str, Any]) -> None:
    body = json.dumps(value, **style).encode()
    assert repr(json.loads(body_after(body, JSON_TYPE))) == repr(json.loads(body))


@given(json_values, styles)
def test_a_json_request_survives_byte_for_byte(value: Any, style: dict[str, Any]) -> None:
    sent = json.dumps(value, **style).encode()
    assert reloaded(interaction(b"", JSON_TYPE, sent)).request.body == sent


@given(st.binary() | st.text().map(str.encode) | st.builds(json.dumps, json_values, indent=st.just(1)).map(str.encode))
@example(b"{ }")
@example(b"\r\n \x85")
@example(b"\xef\xbb\xbf{}")
def test_any_other_body_survives_byte_for_byte(body: bytes) -> None:
    assert body_after(body, TEXT_TYPE) == body


@given(st.lists(pieces).map("".join) | st.text())
@example('event: a\ndata: {"x": "é"}\n\ndata: [DONE]\n\n')
@example('data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\n')
@example("data: cut off")
@example("data: one\ndata: two\n\n")
@example(": ping\n\ndata: x\n: note\n\n")
@example("data: a\nevent: x\ndata: b\n\n")
@example('data:{"a":1}\n\ndata: {"a":1} \n\n')
def test_a_stream_survives_byte_for_byte(text: str) -> None:
    assert body_after(text.encode(), STREAM_TYPE) == text.encode()


LINES_TYPE: Headers = (("content-type", "application/x-ndjson"),)
times = st.floats(0, 1000).map(lambda seconds: round(seconds, 3))


@given(
    st.lists(st.tuples(pieces.map(str.encode) | st.binary(min_size=1, max_size=9), times), min_size=1),
    st.sampled_from([STREAM_TYPE, LINES_TYPE, TEXT_TYPE, JSON_TYPE]),
    st.none() | st.builds(Truncation, times, st.sampled_from(["client", "ReadError"])),
)
@example([(b"data: one\n\nda", 0.1), (b"ta: two\n\n", 0.2)], STREAM_TYPE, None)
@example([(b'{"a":1}\n{"a"', 0.1), (b":2}\n", 0.2)], LINES_TYPE, None)
def test_the_pieces_of_a_stream_survive(
    said: list[tuple[bytes, float]], headers: Headers, cut: Truncation | None
) -> None:
    arrivals = tuple(Chunk(len(piece), at) for piece, at in said)
    body = b"".join(piece for piece, _ in said)
    one = interaction(b"", headers)
    one = replace(one, response=replace(one.response, body=body, arrivals=arrivals, cut=cut))
    again = reloaded(one)
    if headers != JSON_TYPE or len(said) > 1:
        assert again.response.body == body
    assert b"".join(again.response.pieces) == again.response.body
    assert {arrival.at for arrival in again.response.arrivals} <= {at for _, at in said}
    assert again.response.cut == cut
    assert reloaded(again) == again
    assert to_text([again]) == to_text([one])
    if headers == TEXT_TYPE and len(said) > 1:
        assert again.response.arrivals == arrivals


@given(st.lists(st.tuples(st.lists(pieces).map("".join).map(str.encode), times), min_size=1))
def test_a_stream_is_cut_where_events_end(said: list[tuple[bytes, float]]) -> None:
    arrivals = tuple(Chunk(len(piece), at) for piece, at in said)
    body = b"".join(piece for piece, _ in said)
    for headers, ends in ((STREAM_TYPE, (b"\n\n", b"\r\n\r\n")), (LINES_TYPE, (b"\n",))):
        found = aligned(headers, body, arrivals)
        assert sum(arrival.size for arrival in found) == len(body)
        assert aligned(headers, body, found) == found
        *whole, _ = RecordedResponse(200, "", headers, body, found).pieces
        assert all(piece.endswith(ends) for piece in whole)


@pytest.mark.parametrize("at", ["-1", "soon", "true", ".inf", ".nan"])
def test_a_time_that_is_none_is_refused_with_its_line(at: str) -> None:
    one = interaction(b"data: x\n\n", STREAM_TYPE)
    text = to_text([one]).replace("- data: x", f"- at: {at}\n        data: x")
    with pytest.raises(FormatError, match="no time in seconds") as caught:
        from_text(text)
    assert caught.value.line == text[: text.index("events:")].count("\n") + 1


def test_a_damaged_json_body_survives_byte_for_byte() -> None:
    for body in (b'{"a":', b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1e400}', b'{"a":"\\ud800"}', b"[" * 60 + b"]" * 60):
        assert body_after(body, JSON_TYPE) == body


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_every_other_field_survives(text: str) -> None:
    headers: Headers = (("content-type", text), ("retry-after", "1"), ("retry-after", text))
    request = RecordedRequest("POST", text, headers[:1], b"")
    one = Interaction(text, None, request, RecordedResponse(429, text, headers, b""))
    assert reloaded(one) == one


def test_a_cassette_reads_like_a_conversation() -> None:
    prompt = {
        "model": "small",
        "messages": [{"role": "user", "content": "Hello 😀,\nhow are you?"}],
        "temperature": 0.5,
    }
    one = interaction(
        b'data: {"a":[1]}\n\ndata: [DONE]\n\n', STREAM_TYPE, json.dumps(prompt).encode(), request_headers=JSON_TYPE
    )
    assert to_text([one]) == (
        "version: 2\n"
        "interactions:\n"
        "- template: support/answer\n"
        "  model: small\n"
        "  request:\n"
        "    method: POST\n"
        "    uri: https://host/v1?a=1\n"
        "    headers:\n"
        "      content-type: application/json\n"
        "    body:\n"
        "      json:\n"
        "        model: small\n"
        "        messages:\n"
        "        - role: user\n"
        "          content: |-\n"
        "            Hello 😀,\n"
        "            how are you?\n"
        "        temperature: 0.5\n"
        "      style: spaced-ascii\n"
        "  response:\n"
        "    status: 200\n"
        "    headers:\n"
        "      content-type: text/event-stream\n"
        "    body:\n"
        "      events:\n"
        "      - data:\n"
        "          a:\n"
        "          - 1\n"
        '      - data: "[DONE]"\n'
        "  checksum: c730b044bc19\n"
        "end: true\n"
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_interactions_keep_their_number_and_order(count: int) -> None:
    interactions = [interaction(f'{{"n":{number}}}'.encode(), JSON_TYPE) for number in range(count)]
    assert from_text(to_text(interactions)) == interactions
