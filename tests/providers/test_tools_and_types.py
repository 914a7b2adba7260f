"""Tools that are called together, typed answers after them, and calls that broke off: on the wire of each provider.

The server refuses what the real ones refuse. An answer of a type is asked for by the provider's own means where the
model has some ("native"), or by an instruction ("prompted").
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from antiphon import LinearTemplate, Runner, Session, ToolingTemplate, UserTemplate, tool
from antiphon.errors import OutputError, TruncatedAnswer

RAN: list[str] = []
MODE = SimpleNamespace(streams=False)  # of a run that is asked for as a whole


@tool
async def price(title: str) -> str:
    """Tells the price of a book.

    Args:
        title: What it is called.
    """
    RAN.append(title)
    return f"{title} is {len(title)} euros"


class Bill(BaseModel):
    """What is to be paid."""

    euros: int


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@dataclass(frozen=True)
class Case:
    """A model, and how it is asked for an answer of a type.

    Attributes:
        wire: The name of its wire format.
        model: Its name.
        is_native: Whether by the provider's own means.
        wanted: The type.
    """

    wire: str
    model: str
    is_native: bool
    wanted: Any = Bill

    def __str__(self) -> str:
        return f"{self.model}-{'native' if self.is_native else 'prompted'}"


CASES = [
    Case("openai", "openai-chat:gpt-4o-mini", is_native=True),
    Case("openai", "openai-chat:gpt-4o-mini", is_native=False, wanted=list[int]),
    Case("openai-responses", "openai-responses:gpt-4o-mini", is_native=True),
    Case("openai-responses", "openai-responses:gpt-4o-mini", is_native=False, wanted=list[int]),
    Case("anthropic", "anthropic:claude-sonnet-4-6", is_native=True),
    Case("anthropic", "anthropic:claude-opus-4-0", is_native=False),
    Case("google", "google:gemini-3.6-flash", is_native=True),
    Case("google", "google:gemini-2.5-flash-lite", is_native=False),
]


def native_schema(body: dict[str, Any]) -> Any:
    """The schema that a request asks an answer to fit, by the provider's own means."""
    generation = body.get("generationConfig", {})
    return (
        (body.get("response_format") or {}).get("json_schema")
        or (body.get("text") or {}).get("format", {}).get("schema")
        or (body.get("output_config") or {}).get("format")
        or generation.get("responseSchema")
        or generation.get("responseJsonSchema")
    )


def saying(answer: Any, first: str, second: str) -> Any:
    """An answer that says this, in two pieces where it is a stream."""
    words = {"The parcel is late.": first + second, "The parcel": first, " is late.": second}
    if isinstance(answer, str):
        return words.get(answer, answer)
    if isinstance(answer, list):
        return [saying(inner, first, second) for inner in answer]
    return (
        {name: saying(inner, first, second) for name, inner in answer.items()} if isinstance(answer, dict) else answer
    )


def results_in(body: dict[str, Any]) -> list[Any]:
    """The results of tools in a request, in their order."""
    if "contents" in body:
        parts = [part for turn in body["contents"] for part in turn["parts"]]
        return [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    if "input" in body:
        return [item["output"] for item in body["input"] if item.get("type") == "function_call_output"]
    if any(message["role"] == "tool" for message in body["messages"]):
        return [message["content"] for message in body["messages"] if message["role"] == "tool"]
    blocks = [
        block for message in body["messages"] if isinstance(message["content"], list) for block in message["content"]
    ]
    return [block["content"] for block in blocks if block["type"] == "tool_result"]


def runner(provider: Any, wire: Any, refusals: Any, case: Case, **options: Any) -> Runner:
    provider.refuses = refusals[case.wire]
    template = ToolingTemplate([price], output_type=case.wanted, template_id="sell", **options)
    tree = LinearTemplate([UserTemplate("What are Emma and Ivanhoe?"), template])
    return Runner(provider.connect(replace(wire, played=case.model)), template=tree)


def played(wire: Any, mode: Any, name: str) -> Any:
    return wire.answers[f"{name} streamed" if mode.streams else name]


def said(wire: Any, mode: Any, *words: str) -> Any:
    return saying(wire.answers["stream" if mode.streams else "text"], *words)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_tools_are_called_together_and_a_typed_answer_follows(
    provider: Any, wires: Any, refusals: Any, mode: Any, case: Case
) -> None:
    wire, session = wires[case.wire], Session()
    right = ('{"euros": ', "11}") if case.wanted is Bill else ("[4, ", "7]")
    provider.plays(played(wire, mode, "two calls"), said(wire, mode, "Eleven", "."), said(wire, mode, *right))

    mode.play(runner(provider, wire, refusals, case, retries=1), session)

    assert RAN == ["Emma", "Ivanhoe"]
    assert [call.arguments for call in session.messages[1].tool_calls] == [{"title": "Emma"}, {"title": "Ivanhoe"}]
    assert session.last.parsed == (Bill(euros=11) if case.wanted is Bill else [4, 7])
    assert [message.role for message in session.messages][1:4] == ["assistant", "tool", "tool"]
    assert len(provider.asked) == 3
    for request in provider.asked:
        assert "Tells the price of a book." in json.dumps(request.body["tools"])
        assert bool(native_schema(request.body)) is case.is_native
        assert '"euros"' in json.dumps(request.body).replace("\\", "") or case.wanted is not Bill
    emma, ivanhoe = map(str, results_in(provider.asked[2].body))
    assert "Emma is 4 euros" in emma
    assert "Ivanhoe is 7 euros" in ivanhoe


BROKEN_OFF = {
    "openai": ('"finish_reason": "tool_calls"', '"finish_reason": "length"'),
    "openai-responses": (
        '"status": "completed", "error": null, "incomplete_details": null',
        '"status": "incomplete", "error": null, "incomplete_details": {"reason": "max_output_tokens"}',
    ),
    "anthropic": ('"stop_reason": "tool_use"', '"stop_reason": "max_tokens"'),
    "google": ('"finishReason": "STOP"', '"finishReason": "MAX_TOKENS"'),
}


def broken_off(wire: Any, mode: Any) -> Any:
    """An answer that calls tools, and reaches its limit."""
    text = json.dumps(played(wire, mode, "two calls"))
    before, after = BROKEN_OFF[str(wire)]
    assert before in text
    return json.loads(text.replace(before, after).replace('"response.completed"', '"response.incomplete"'))


@pytest.mark.parametrize("case", [case for case in CASES if case.is_native], ids=str)
def test_calls_of_an_answer_that_reached_its_limit_are_not_run(
    provider: Any, wires: Any, refusals: Any, mode: Any, case: Case
) -> None:
    wire, session = wires[case.wire], Session()
    provider.plays(broken_off(wire, mode))

    with pytest.raises(TruncatedAnswer, match=r"finish reason 'length'") as caught:
        mode.play(runner(provider, wire, refusals, case), session)

    assert caught.value.template_path == "linear/sell"
    assert [message.role for message in session.messages] == ["user"]
    assert RAN == []


@pytest.mark.parametrize("case", [case for case in CASES if case.is_native], ids=str)
def test_with_retries_the_model_is_told_so_in_a_conversation_that_its_provider_takes(
    provider: Any, wires: Any, refusals: Any, case: Case
) -> None:
    wire, mode = wires[case.wire], MODE
    calls = json.dumps(played(wire, mode, "two calls"))
    again = json.loads(re.sub(r'"(call|toolu)_(\d)"', r'"\1_9\2"', calls))  # no two calls have one id
    provider.plays(broken_off(wire, mode), again, said(wire, mode, '{"euros"', ": 11}"))

    session = runner(provider, wire, refusals, case, retries=1).run()

    assert session.last.parsed == Bill(euros=11)
    assert RAN == ["Emma", "Ivanhoe"]
    assert all("Not run: the answer broke off" in str(one) for one in results_in(provider.asked[1].body))


def test_a_call_that_google_could_not_read_is_no_answer(provider: Any, wires: Any, refusals: Any, mode: Any) -> None:
    wire, session = wires["google"], Session()
    provider.plays(played(wire, mode, "malformed call"))

    with pytest.raises(OutputError, match="the provider failed in the middle of it"):
        mode.play(runner(provider, wire, refusals, CASES[-1], retries=1), session)

    assert RAN == []
    assert session.trace.calls[0].reply.finish_reason == "error"


@pytest.mark.parametrize("given", ["", "call_1"], ids=["no id", "one id for both"])
def test_calls_without_an_id_of_their_own_get_one_that_is_the_same_in_every_run(
    provider: Any, wires: Any, refusals: Any, mode: Any, given: str
) -> None:
    wire = wires["openai"]
    calls = json.loads(re.sub(r'"call_\d"', json.dumps(given), json.dumps(played(wire, mode, "two calls"))))
    asked = []
    for _ in range(2):
        provider.plays(calls, said(wire, mode, '{"euros": ', "11}"))
        session = Session()
        mode.play(runner(provider, wire, refusals, CASES[0]), session)
        asked.append(provider.asked[-1].body)
        first, second = (call.id for call in session.messages[1].tool_calls)

        assert first != second
        assert [message.tool_call_id for message in session.messages[2:4]] == [first, second]
        assert session.last.parsed == Bill(euros=11)
    assert asked[0] == asked[1]


def test_arguments_that_hold_no_number_of_json_are_told_to_the_model(
    provider: Any, wires: Any, refusals: Any, mode: Any
) -> None:
    wire, session = wires["openai"], Session()
    odd = json.dumps(played(wire, mode, "two calls")).replace(r"\"Emma\"", "NaN")
    provider.plays(json.loads(odd), said(wire, mode, '{"euros": ', "11}"))

    mode.play(runner(provider, wire, refusals, CASES[0]), session)

    assert session.messages[1].tool_calls[0].arguments == {"INVALID_JSON": '{"title": NaN}'}
    assert RAN == ["Ivanhoe"]
    assert Session.model_validate_json(session.model_dump_json()) == session


@pytest.mark.parametrize("case", [case for case in CASES if case.is_native], ids=str)
def test_half_a_character_in_arguments_is_replaced(
    provider: Any, wires: Any, refusals: Any, mode: Any, case: Case
) -> None:
    wire, session = wires[case.wire], Session()
    odd = json.dumps(played(wire, mode, "two calls"), ensure_ascii=False).replace("Emma", "Em\ud83dma")
    provider.plays(json.loads(odd), said(wire, mode, '{"euros": ', "11}"))

    mode.play(runner(provider, wire, refusals, case), session)

    assert "Em\ufffdma" in RAN
    assert Session.model_validate_json(session.model_dump_json()) == session
