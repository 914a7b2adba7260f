"""What models say beside text: thinking, citations, refusals and pictures; and how it goes back to their providers."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    Image,
    LinearTemplate,
    Message,
    Runner,
    Session,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import ServerError

WHOLE = SimpleNamespace(streams=False, play=lambda runner, session: runner.run(session))
THOUGHT = "I have to look it up."
REFUSAL = "I cannot help with that."
PNG = b"\x89PNG\r\n\x1a\n"


@tool
def price(title: str) -> str:
    """Tells a price."""
    return f"{title} is 9 euros"


def played(wire: Any, mode: Any, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = wire.answers[f"{name} streamed" if mode.streams else name]
    return answer


def last(wire: Any, mode: Any) -> dict[str, Any]:
    answer: dict[str, Any] = wire.answers["stream" if mode.streams else "text"]
    return answer


def asked_for_a_price(provider: Any, wire: Any, mode: Any) -> Session:
    """A conversation in which a model thinks, speaks, uses a tool, and answers."""
    provider.plays(played(wire, mode, "thought before tools"), last(wire, mode))
    session = Session()
    tree = LinearTemplate([UserTemplate("What is Emma?"), ToolingTemplate([price])])
    mode.play(Runner(thinking(provider, wire), template=tree), session)
    return session


def thinking(provider: Any, wire: Any) -> Any:
    """A model that thinks: of OpenAI's own, not all do."""
    return provider.connect(replace(wire, played=wire.played.replace("responses:gpt-4o-mini", "responses:gpt-5-mini")))


# What goes back, by wire: where the conversation stands in a request, and what the model said in it.
BACK: dict[str, Any] = {
    "openai": (
        "messages",
        [
            {
                "role": "assistant",
                "content": "One moment.",
                "reasoning_content": THOUGHT,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": '{"title":"Emma"}'}}
                ],
            }
        ],
    ),
    "openai-responses": (
        "input",
        [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": THOUGHT}],
                "encrypted_content": "c2lnbmVk",
            },
            {
                "type": "message",
                "id": "msg_2",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "One moment.", "annotations": []}],
            },
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_1",
                "name": "price",
                "arguments": '{"title":"Emma"}',
            },
        ],
    ),
    "anthropic": (
        "messages",
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": THOUGHT, "signature": "c2lnbmVk"},
                    {"type": "redacted_thinking", "data": "aGlkZGVu"},
                    {"type": "text", "text": "One moment."},
                    {"type": "tool_use", "id": "toolu_1", "name": "price", "input": {"title": "Emma"}},
                ],
            }
        ],
    ),
    "google": (
        "contents",
        [
            {
                "role": "model",
                "parts": [
                    {"thought": True, "text": THOUGHT},
                    {"text": "One moment."},
                    {
                        "functionCall": {"id": "call_1", "name": "price", "args": {"title": "Emma"}},
                        "thoughtSignature": "c2lnbmVk",
                    },
                ],
            }
        ],
    ),
}


def back(wire: Any, body: Any) -> Any:
    """What a request says that the model said, without what is said to it."""
    said, expected = BACK[str(wire)]
    return body[said][1 : 1 + len(expected)]


def test_thinking_is_heard_and_goes_back_in_its_order(provider: Any, wire: Any, mode: Any) -> None:
    session = asked_for_a_price(provider, wire, mode)

    asking = session.messages[1]
    assert (asking.thinking, asking.content) == (THOUGHT, "One moment.")
    assert [call.name for call in asking.tool_calls] == ["price"]
    assert asking.finish_reason in {"tool_call", "stop"}
    assert back(wire, provider.asked[1].body) == BACK[str(wire)][1]


def test_so_it_does_from_a_session_that_was_saved(provider: Any, wire: Any, mode: Any) -> None:
    session = asked_for_a_price(provider, wire, mode)
    resumed = Session.model_validate_json(session.model_dump_json())
    provider.plays(last(wire, mode))

    tree = LinearTemplate([UserTemplate("And?"), AssistantTemplate()])
    mode.play(Runner(thinking(provider, wire), template=tree), resumed)

    assert back(wire, provider.asked[2].body) == back(wire, provider.asked[1].body) == BACK[str(wire)][1]


def saying(message: Message) -> Session:
    user = Message(role="user", content="What is Emma?")
    told = [
        Message(role="tool", content="9", tool_call_id=one.id, metadata={"tool_name": one.name})
        for one in message.tool_calls
    ]
    return Session(messages=[user, message, *told, Message(role="user", content="And?")])


CHANGES: dict[str, dict[str, Any]] = {
    "text": {"content": "Wait."},
    "no text": {"content": ""},
    "no thinking": {"thinking": None},
    "no calls": {"tool_calls": ()},
    "other arguments": {"tool_calls": ({"title": "Persuasion"},)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_program_has_changed_goes_as_changed_and_without_ids(provider: Any, wire: Any, change: str) -> None:
    asking = asked_for_a_price(provider, wire, WHOLE).messages[1]
    changed = asking.model_copy(
        update={
            field: tuple(asking.tool_calls[0].model_copy(update={"arguments": one}) for one in value)
            if field == "tool_calls"
            else value
            for field, value in CHANGES[change].items()
        }
    )
    provider.plays(wire.answers["text"])

    thinking(provider, wire).send(saying(changed))

    told = str(provider.asked[-1].body)
    assert ("One moment." in told) == (change not in {"text", "no text"})
    assert ("Wait." in told) == (change == "text")
    assert ('Emma"}' in told or "'title': 'Emma'" in told) == (change not in {"no calls", "other arguments"})
    assert ("Persuasion" in told) == (change == "other arguments")
    assert not any(one in told for one in ("rs_1", "msg_2", "fc_1"))
    keeps_thinking = change != "no thinking" and str(wire) != "openai-responses"  # which wants all of it or nothing
    assert (THOUGHT in told) == keeps_thinking


@pytest.mark.parametrize("next_one", ["openai", "anthropic", "google", "openai-responses"])
def test_another_provider_goes_on_where_one_has_begun(provider: Any, wire: Any, wires: Any, next_one: str) -> None:
    session = asked_for_a_price(provider, wire, WHOLE)
    asked = len(provider.asked)
    other = wires[next_one]
    provider.plays(other.answers["text"])

    answer = thinking(provider, other).send(saying(session.messages[1]))

    told = str(provider.asked[asked].body)
    assert answer.content == "The parcel is late."
    assert "One moment." in told
    assert "Emma" in told
    if next_one != str(wire):
        assert THOUGHT not in told
        assert not any(one in told for one in ("rs_1", "msg_2", "fc_1", "c2lnbmVk", "aGlkZGVu", "reasoning_content"))


@pytest.mark.parametrize("name", ["openai", "openai-responses", "anthropic"])
def test_citations_are_read_and_kept(provider: Any, wires: Any, name: str, mode: Any) -> None:
    wire = wires[name]
    provider.plays(played(wire, mode, "cited"))
    session = Session()
    mode.play(
        Runner(thinking(provider, wire), template=LinearTemplate([UserTemplate("Why?"), AssistantTemplate()])), session
    )

    (citation,) = session.last.citations
    assert session.last.content[citation.start : citation.end] == "parcels are late."
    assert citation.title == "Handbook"
    if name == "anthropic":
        assert citation.excerpts == ("Parcels are always late.",)
    else:
        assert citation.url == "https://example.org/handbook"
    assert Message.model_validate_json(session.last.model_dump_json()).citations == (citation,)
    assert session.last.model_copy(update={"content": "No."}).citations[0].start is None


def test_the_words_of_a_refusal_are_the_message(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(played(wire, mode, "blocked" if str(wire) == "google" else "refusal"))
    session = Session()

    mode.play(
        Runner(provider.connect(wire), template=LinearTemplate([UserTemplate("How?"), AssistantTemplate()])), session
    )

    said = session.last
    assert (said.content, said.refusal, said.finish_reason) == (REFUSAL, REFUSAL, "content_filter")
    reply = session.trace.calls[0].reply
    assert reply is not None
    assert reply.refusal == REFUSAL


def test_tokens_are_told_by_their_classes(provider: Any, wire: Any, mode: Any) -> None:
    usage = asked_for_a_price(provider, wire, mode).trace.calls[0].usage
    assert usage is not None
    assert usage.input_tokens == 132
    assert usage.output_tokens == 5
    assert usage.cached_input_tokens == 100
    assert usage.cache_write_tokens == (20 if str(wire) == "anthropic" else 0)
    assert usage.reasoning_tokens == (0 if str(wire) == "anthropic" else 3)
    assert usage.input_audio_tokens == (7 if str(wire) == "openai" else 0)
    assert usage.output_audio_tokens == (1 if str(wire) == "openai" else 0)
    assert usage.cost is not None


@pytest.mark.parametrize("name", ["google", "openai-responses"])
def test_a_picture_that_a_model_makes_is_an_attachment_and_goes_back(
    provider: Any, wires: Any, name: str, mode: Any
) -> None:
    wire = wires[name]
    provider.plays(played(wire, mode, "picture"), last(wire, mode))
    session = Session()
    tree = LinearTemplate([UserTemplate("Paint."), AssistantTemplate(), UserTemplate("Thanks."), AssistantTemplate()])

    mode.play(Runner(thinking(provider, wire), template=tree), session)

    painted = session.messages[1]
    assert (painted.content, painted.attachments) == ("Here: ", (Image.from_bytes(PNG, "image/png"),))
    assert "iVBORw0KGgo" not in str(painted.provider_data)
    if name == "google":
        said, picture = provider.asked[1].body["contents"][1]["parts"]
        assert said == {"text": "Here: "}
        assert picture["thoughtSignature"] == "c2lnbmVk"
        assert picture["inlineData"]["data"] == "iVBORw0KGgo="
    else:
        assert provider.asked[1].body["input"][1] == {"type": "image_generation_call", "id": "ig_1"}


TREE = LinearTemplate([UserTemplate("Where is my parcel?"), AssistantTemplate()])


def events_of(wire: Any, name: str) -> list[Any]:
    events: list[Any] = wire.answers[name]["events"]
    return events


def cut_after(events: list[Any], *words: str) -> dict[str, Any]:
    """A stream that ends, as if that were its end, after the event with one of the words."""
    last_heard = next(i for word in words for i, event in enumerate(events) if word in str(event))
    return {"events": events[: last_heard + 1]}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stream", ("The parcel",)),
        ("thought before tools streamed", ("look it up",)),
        ("thought before tools streamed", ("One moment",)),
        ("thought before tools streamed", ('{"title"', "'args'")),
    ],
    ids=["text", "thinking", "text after thinking", "tool call"],
)
def test_a_stream_that_ends_without_its_end_is_a_broken_connection(
    provider: Any, wire: Any, any_stream: Any, name: str, words: tuple[str, ...]
) -> None:
    events = events_of(wire, name)
    if str(wire) == "google":  # the call comes with the reason for the end
        events = [{**event, "candidates": [{**event["candidates"][0], "finishReason": None}]} for event in events]
    provider.plays(cut_after(events, *words))
    session = Session()
    tree = LinearTemplate([UserTemplate("What is Emma?"), ToolingTemplate([price])])

    with pytest.raises(ServerError, match="stream ended before the answer") as raised:
        any_stream.play(Runner(thinking(provider, wire), template=tree), session)

    assert raised.value.status is None
    assert not session.trace.tools
    assert session.messages[-1].role == "user"


@pytest.mark.parametrize("name", ["openai", "openai-responses"])
def test_half_a_refusal_is_a_broken_connection_that_says_its_words(
    provider: Any, wires: Any, any_stream: Any, name: str
) -> None:
    provider.plays(cut_after(events_of(wires[name], "refusal streamed"), "I cannot"))

    with pytest.raises(ServerError, match="stream ended before the answer did, which refused: I cannot"):
        any_stream.play(Runner(provider.connect(wires[name]), template=TREE), Session())


def test_a_stream_that_is_cut_off_at_its_limit_says_so(provider: Any, wire: Any, any_stream: Any) -> None:
    text = json.dumps(events_of(wire, "stream"))
    for end, limit in {
        '"finish_reason": "stop"': '"finish_reason": "length"',
        '"response.completed"': '"response.incomplete"',
        '"incomplete_details": null': '"incomplete_details": {"reason": "max_output_tokens"}',
        '"end_turn"': '"max_tokens"',
        '"STOP"': '"MAX_TOKENS"',
    }.items():
        text = text.replace(end, limit)
    provider.plays({"events": json.loads(text)})
    session = Session()

    any_stream.play(Runner(provider.connect(wire), template=TREE), session)

    assert (session.last.content, session.last.finish_reason) == ("The parcel is late.", "length")
