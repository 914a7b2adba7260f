"""Secret members of JSON that stands in a text: arguments of tools, and what tools return."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.redaction.secrets import Secrets

NOTHING = Secrets({})
JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)


def kept(headers: Any, body: str) -> str:
    """What is kept of a body, as a request's and as a response's; scrubbed once more it is the same."""
    request = RecordedRequest("POST", "http://chat.test/", JSON, b"{}")
    interaction = Interaction(None, None, request, RecordedResponse(200, "", headers, body.encode()))
    once = scrub(interaction, NOTHING)
    assert scrub(once, NOTHING) == once
    return once.response.body.decode()


def call(arguments: Any) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"name": "log_in", "arguments": arguments}}]}


def streamed(*pieces: str) -> str:
    return "".join(f"data: {json.dumps({'choices': [{'delta': call(piece)}]})}\n\n" for piece in pieces)


def joined(stream: str) -> str:
    events = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line]
    return "".join(event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for event in events)


@pytest.mark.parametrize("name", ["password", "api_key", "Access_Token", "client_secret"])
def test_a_secret_argument_of_a_tool_call_is_replaced(name: str) -> None:
    body = json.dumps(call(json.dumps({"user": "ada", name: 'blue "horse"'})))

    assert json.loads(kept(JSON, body)) == call(json.dumps({"user": "ada", name: "REDACTED"}))


def test_a_secret_that_a_tool_returned_is_replaced() -> None:
    body = {"messages": [{"role": "tool", "content": '[{"api_key": "blue-horse", "plan": "gold"}]'}]}

    assert json.loads(kept(JSON, json.dumps(body)))["messages"][0]["content"] == (
        '[{"api_key": "REDACTED", "plan": "gold"}]'
    )


def test_a_member_that_is_no_text_stays() -> None:
    body = json.dumps(call('{"password": null, "api_key": ""}'))

    assert kept(JSON, body) == body


@pytest.mark.parametrize("cut", range(1, 38))
def test_a_secret_argument_that_comes_in_pieces_is_replaced(cut: int) -> None:
    text = '{"user": "ada", "password": "blue-horse"}'

    assert joined(kept(EVENTS, streamed(text[:cut], text[cut:]))) == '{"user": "ada", "password": "REDACTED"}'


def test_a_secret_argument_in_one_of_several_pieces_is_replaced() -> None:
    stream = streamed("", '{"user": "ada", ', '"password": "blue-horse"', "}")

    assert joined(kept(EVENTS, stream)) == '{"user": "ada", "password": "REDACTED"}'


def test_a_secret_in_what_another_tool_returned_is_replaced() -> None:
    """Results that are passed on, as of servers of MCP, are JSON in a text of JSON."""
    result = json.dumps({"type": "text", "text": json.dumps({"user": "ada", "password": "blue-horse"})})
    body = json.dumps({"messages": [{"role": "tool", "content": result}]})

    assert kept(JSON, body) == body.replace("blue-horse", "REDACTED")


@pytest.mark.parametrize("end", ["", "\\", '"', '", "b'])
def test_a_secret_in_an_answer_that_was_cut_short_is_replaced(end: str) -> None:
    text = '{"user": "ada", "password": "blue-horse'

    assert joined(kept(EVENTS, streamed(text[:20], text[20:] + end))).partition("REDACTED")[0] == text[:-10]
    assert "blue-horse" not in kept(JSON, json.dumps(call(text + end)))


secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=12).filter(
    lambda text: text not in "REDACTED"
)


@given(secret=secrets, cuts=st.lists(st.integers(0, 60), max_size=4), ascii_only=st.booleans())
@example('"\\"\\"\\', [20, 30], True)
def test_no_secret_argument_survives_however_it_is_cut(secret: str, cuts: list[int], ascii_only: bool) -> None:
    text = json.dumps({"user": "ada", "password": secret}, ensure_ascii=ascii_only)
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(borders)]

    assert json.loads(joined(kept(EVENTS, streamed(*pieces)))) == {"user": "ada", "password": "REDACTED"}
    assert json.loads(kept(JSON, json.dumps(call(text)))) == call('{"user": "ada", "password": "REDACTED"}')


@given(
    secret=secrets,
    wraps=st.lists(st.sampled_from(["note", "password"]), max_size=3),
    cut=st.integers(0, 200),
    ascii_only=st.booleans(),
)
@example("\\", ["note"], 20, True)
@example("\U0001f40e", ["note", "note"], 60, True)
def test_no_secret_member_survives_however_deep_its_json_stands(
    secret: str, wraps: list[str], cut: int, ascii_only: bool
) -> None:
    def wrapped(value: str) -> str:
        for name in ["password", *wraps]:
            value = json.dumps({"n": 1, name: value}, ensure_ascii=ascii_only)
        return value

    expected = wrapped("REDACTED")
    if "password" in wraps:  # what stands around the secret is one itself
        expected = json.dumps({"n": 1, "password": "REDACTED"})
        for name in wraps[len(wraps) - wraps[::-1].index("password") :]:
            expected = json.dumps({"n": 1, name: expected})
    text = wrapped(secret)

    assert json.loads(kept(JSON, json.dumps(call(text)))) == call(expected)
    assert joined(kept(EVENTS, streamed(text[:cut], text[cut:]))) == expected
