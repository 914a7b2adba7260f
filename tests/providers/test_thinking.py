"""What a model thinks before it answers, and with which words it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from antiphon import AssistantTemplate, LinearTemplate, Model, Runner, Session, ToolingTemplate, UserTemplate, tool
from antiphon.errors import OutputError

THOUGHT = "I have to look it up."


@tool
def weather(city: str) -> str:
    """Says what the weather is like."""
    return f"Rain in {city}."


class Answer(BaseModel):
    degrees: int


ASKING = LinearTemplate([UserTemplate("How is the weather?"), ToolingTemplate([weather])])


def thinker(provider: Any, wire: Any) -> Model:
    """A model that thinks: of OpenAI's own protocol only those give thoughts back."""
    thinks = wire.played.replace("responses:gpt-4o-mini", "responses:o4-mini")
    return provider.connect(replace(wire, played=thinks))


def named(wire: Any, mode: Any, name: str) -> Any:
    return wire.answers[f"{name} streamed" if mode.streams else name]


def played(wire: Any, mode: Any) -> Any:
    return wire.answers["stream" if mode.streams else "text"]


def provider_of(wire: Any) -> str:
    return str(wire.played).partition(":")[0]


def sent_back(wire: Any, body: dict[str, Any]) -> list[dict[str, Any]]:
    """What a provider gets back of its own answer."""
    match provider_of(wire):
        case "anthropic":
            return next(one["content"] for one in body["messages"] if one["role"] == "assistant")
        case "google":
            return next(one["parts"] for one in body["contents"] if one["role"] == "model")
        case "openai":
            return [one for one in body["messages"] if one["role"] == "assistant"]
    return [one for one in body["input"] if one.get("type") != "function_call_output" and one.get("role") != "user"]


BACK = {
    "anthropic": [
        {"type": "thinking", "thinking": THOUGHT, "signature": "EqQBCkYIARgCKkA"},
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
    ],
    "google": [
        {"text": THOUGHT, "thought": True},
        {"text": "I look."},
        {
            "functionCall": {"args": {"city": "Rome"}, "id": "call_1", "name": "weather"},
            "thoughtSignature": "c2lnbmF0dXJl",
        },
    ],
    "openai": [
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": THOUGHT,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
                }
            ],
        }
    ],
    "openai-responses": [
        {
            "type": "reasoning",
            "id": "rs_1",
            "encrypted_content": "gAAAAABo",
            "summary": [{"text": THOUGHT, "type": "summary_text"}],
        },
        {"type": "message", "id": "msg_3"},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1"},
    ],
}


def test_thinking_is_told_and_goes_back_as_it_came(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(named(wire, mode, "thinking"), played(wire, mode))
    session = Session()

    mode.play(Runner(thinker(provider, wire), template=ASKING), session)

    asking = session.messages[1]
    assert (asking.thinking, asking.content) == (THOUGHT, "I look.")
    assert session.last.content == "The parcel is late."
    back = sent_back(wire, provider.asked[1].body)
    expected = BACK[provider_of(wire)]
    assert [{key: got.get(key) for key in wanted} for got, wanted in zip(back, expected, strict=True)] == expected


def test_the_kinds_of_tokens_are_told(provider: Any, wire: Any) -> None:
    provider.plays(wire.answers["thinking"], wire.answers["text"])
    session = Session()

    Runner(thinker(provider, wire), template=ASKING).run(session)

    usage = session.trace.calls[0].usage
    assert usage is not None
    assert usage.cached_input_tokens == 3
    assert usage.reasoning_tokens == (0 if "anthropic" in wire.played else 4)
    assert usage.cache_write_tokens == (2 if "anthropic" in wire.played else 0)
    assert not {"cached_input_tokens", "reasoning_tokens"} & session.trace.calls[1].usage.model_dump().keys()


def test_citations_are_told_with_their_places(provider: Any, wires: Any) -> None:
    wire = wires["anthropic"]
    cited = {
        "type": "char_location",
        "cited_text": "All of it.",
        "document_index": 0,
        "document_title": "Rules",
        "start_char_index": 0,
        "end_char_index": 10,
    }
    content = [{"type": "text", "text": "So: "}, {"type": "text", "text": "all.", "citations": [cited]}]
    provider.plays({"json": {**wire.answers["text"]["json"], "content": content}})

    message = Runner(provider.connect(wire), template=TELLING).run().last

    (citation,) = message.citations
    assert (citation.title, citation.excerpts, citation.url) == ("Rules", ("All of it.",), None)
    assert message.content[citation.start : citation.end] == "all."
    assert Session.model_validate_json(Session(messages=[message]).model_dump_json()).last.citations == (citation,)


TELLING = LinearTemplate([UserTemplate("How?"), AssistantTemplate()])


def test_it_goes_back_from_a_session_that_was_saved(provider: Any, wire: Any) -> None:
    provider.plays(wire.answers["thinking"], wire.answers["text"])
    first, model = Session(), thinker(provider, wire)
    Runner(model, template=ASKING).run(first)
    saved = Session.model_validate_json(first.model_dump_json())
    assert saved.messages == first.messages

    Runner(model, template=LinearTemplate([UserTemplate("And now?"), AssistantTemplate()])).run(saved)

    assert (
        sent_back(wire, provider.asked[2].body)[: len(BACK[wire.played.partition(":")[0]])]
        == sent_back(wire, provider.asked[1].body)[: len(BACK[wire.played.partition(":")[0]])]
    )


def test_another_provider_gets_the_words_alone(provider: Any, wires: Any, wire: Any) -> None:
    other = wires["google" if "google" not in wire.played else "anthropic"]
    provider.plays(wire.answers["thinking"], wire.answers["text"])
    session = Session()
    Runner(provider.connect(wire), template=ASKING).run(session)
    provider.plays(other.answers["text"])

    going_on = LinearTemplate([UserTemplate("And now?"), AssistantTemplate()])
    Runner(provider.connect(other), template=going_on).run(session)

    body = str(provider.asked[2].body)
    assert "I look." in body
    assert "Rain in Rome." in body
    assert THOUGHT not in body


def test_what_was_edited_goes_as_it_is_now(provider: Any, wire: Any) -> None:
    provider.plays(wire.answers["thinking"], wire.answers["text"])
    session, model = Session(), thinker(provider, wire)
    Runner(model, template=ASKING).run(session)
    call = session.messages[1].tool_calls[0].model_copy(update={"arguments": {"city": "Oslo"}})
    session.messages[1] = session.messages[1].model_copy(update={"content": "Let me see.", "tool_calls": (call,)})

    Runner(model, template=LinearTemplate([UserTemplate("And now?"), AssistantTemplate()])).run(session)

    body = str(provider.asked[2].body)
    assert "Let me see." in body
    assert "Oslo" in body
    assert not any(stale in body for stale in ("I look.", "{'city': 'Rome'}", '"Rome"', "msg_3", "fc_1"))


def test_the_words_of_a_refusal_are_kept(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(named(wire, mode, "refusal"))
    session = Session()

    mode.play(Runner(provider.connect(wire), template=TELLING), session)

    words = None if "google" in wire.played else "I cannot help with that."  # Google gives none
    assert (session.last.content, session.last.refusal) == (words or "", words)
    assert session.last.finish_reason == "content_filter"
    assert session.trace.calls[0].reply.refusal == words


def test_a_refused_type_is_an_error_with_the_words(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(named(wire, mode, "refusal"))
    typed = LinearTemplate([UserTemplate("How?"), AssistantTemplate(output_type=Answer, retries=2)])

    why = "the provider filtered its content" if "google" in wire.played else r"it refused: I cannot help with that\."
    with pytest.raises(OutputError, match=why):
        mode.play(Runner(provider.connect(wire), template=typed), Session())

    assert len(provider.asked) == 1
