"""How real models behave through every wire format, replayed from recordings; tools/record.py makes them anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Runner,
    Session,
    SystemTemplate,
    Template,
    TextDelta,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    connect,
    tool,
)
from antiphon.errors import TruncatedAnswer


class City(BaseModel):
    name: str
    country: str


def text() -> Template:
    return LinearTemplate(
        [UserTemplate("Which city is the capital of France?"), AssistantTemplate(template_id="answer")]
    )


def two_turns() -> Template:
    return LinearTemplate(
        [
            UserTemplate("Which city is the capital of France?"),
            AssistantTemplate(template_id="first"),
            UserTemplate("And of Italy?"),
            AssistantTemplate(template_id="second"),
        ]
    )


def system_message() -> Template:
    return LinearTemplate(
        [SystemTemplate("You are a pirate."), UserTemplate("Who are you?"), AssistantTemplate(template_id="answer")]
    )


def typed_output() -> Template:
    shown = [  # to a model of this size
        *[UserTemplate("Rome"), AssistantTemplate('{"name": "Rome", "country": "Italy"}')],
        *[UserTemplate("Berlin"), AssistantTemplate('{"name": "Berlin", "country": "Germany"}')],
    ]
    return LinearTemplate([*shown, UserTemplate("Paris"), AssistantTemplate(template_id="answer", output_type=City)])


def tool_round_trip() -> Template:
    @tool
    def weather(city: str) -> str:
        """Says what the weather is like.

        Args:
            city: The name of the city.
        """
        return f"In {city} it is sunny, and 24 degrees warm."

    return LinearTemplate(
        [UserTemplate("What is the weather like in Rome?"), ToolingTemplate([weather], template_id="answer")]
    )


class Weather(BaseModel):
    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """Says what the weather is like.

    Args:
        city: The name of the city.
    """
    return f"In {city} it is sunny, and {len(city) + 18} degrees warm."


def shown_together() -> list[Message]:
    """Calls of tools that belong together, as a model of this size has to be shown them."""
    pairs = [("Oslo", "Madrid"), ("Vienna", "Prague"), ("Athens", "Lisbon")]
    return [message for pair in pairs for message in with_calls(pair, f"It is sunny in {' and '.join(pair)}.")]


def shown_with_a_type() -> list[Message]:
    """A call of a tool, and a typed answer after it."""
    cities = ("Oslo", "Madrid")
    answers = [Weather(city=city, degrees=len(city) + 18).model_dump_json() for city in cities]
    return [message for city, answer in zip(cities, answers, strict=True) for message in with_calls((city,), answer)]


def with_calls(cities: Sequence[str], answer: str) -> list[Message]:
    calls = [ToolCall(id=f"call_{city}", name="weather", arguments={"city": city}) for city in cities]
    results = [weather(city) for city in cities]
    return [
        Message(role="user", content=f"How is the weather in {' and '.join(cities)}?"),
        Message(role="assistant", tool_calls=tuple(calls)),
        *(
            Message(role="tool", content=result, tool_call_id=call.id, metadata={"tool_name": "weather"})
            for call, result in zip(calls, results, strict=True)
        ),
        Message(role="assistant", content=answer),
    ]


def tools_in_parallel() -> Template:
    asking = ToolingTemplate([weather], template_id="answer")
    return LinearTemplate([UserTemplate("How is the weather in Rome and Berlin?"), asking])


def tools_and_a_type() -> Template:
    asking = ToolingTemplate([weather], template_id="answer", output_type=Weather)
    return LinearTemplate([UserTemplate("How is the weather in Rome?"), asking])


def knows_the_capital(session: Session) -> None:
    assert "Paris" in session.last.content


def knows_what_was_said(session: Session) -> None:
    assert "Paris" in session.messages[1].content
    assert "capital of Italy is Rome" in session.last.content
    assert [len(call.messages) for call in session.trace.calls] == [1, 3]


def is_a_pirate(session: Session) -> None:
    assert "Captain" in session.last.content


def is_a_city(session: Session) -> None:
    assert session.last.parsed == City(name="Paris", country="France")


def used_the_tool(session: Session) -> None:
    asked, told, answered = session.messages[1:]
    assert [(call.name, call.arguments) for call in asked.tool_calls] == [("weather", {"city": "Rome"})]
    assert (told.role, told.tool_call_id) == ("tool", asked.tool_calls[0].id)
    assert told.content == "In Rome it is sunny, and 24 degrees warm."
    assert answered.tool_calls == ()
    assert "sunny" in answered.content


def asked_for_both(session: Session) -> None:
    asking, rome, berlin, answer = session.messages[-4:]
    assert [call.arguments for call in asking.tool_calls] == [{"city": "Rome"}, {"city": "Berlin"}]
    assert (rome.content, berlin.content) == (weather("Rome"), weather("Berlin"))
    assert [rome.tool_call_id, berlin.tool_call_id] == [call.id for call in asking.tool_calls]
    assert "sunny" in answer.content


def told_the_weather(session: Session) -> None:
    assert session.last.parsed.city == "Rome"  # where a schema is to be fitted, this server lets the model call nothing
    assert all(len(call.reply.tool_calls) == 1 for call in session.trace.calls[:-1])


def was_cut_off(session: Session) -> None:
    assert (session.last.content, session.last.finish_reason) == ("The capital of France", "length")


def asked_for_nothing(session: Session) -> None:
    assert [message.role for message in session.messages] == ["user"]
    assert session.trace.tools == []
    assert session.trace.calls[0].reply.finish_reason == "length"


HOSTED = ("openai", "anthropic", "google")
ALL = (*HOSTED, "openai-responses")  # of which llama.cpp reads no conversation with an answer in it


@dataclass(frozen=True)
class Behaviour:
    """What is asked of a model, and what has to come of it.

    Attributes:
        tree: What is run.
        holds: What is so afterwards.
        wires: The wire formats in which the model can do it.
        before: What was said before.
        max_tokens: How long the answer may be.
        error: What is raised.
    """

    tree: Callable[[], Template]
    holds: Callable[[Session], None]
    wires: Sequence[str] = HOSTED
    before: Callable[[], list[Message]] = list
    max_tokens: int = 60
    error: type[Exception] | None = None


BEHAVIOURS = {
    "text": Behaviour(text, knows_the_capital, ALL),
    "two turns": Behaviour(two_turns, knows_what_was_said),
    "system message": Behaviour(system_message, is_a_pirate, ALL),
    "typed output": Behaviour(typed_output, is_a_city),
    "tool round trip": Behaviour(tool_round_trip, used_the_tool, ALL),
    "tools in parallel": Behaviour(tools_in_parallel, asked_for_both, before=shown_together),
    "tools and a type": Behaviour(tools_and_a_type, told_the_weather, before=shown_with_a_type),
    "truncated text": Behaviour(text, was_cut_off, max_tokens=4),
    "truncated call": Behaviour(
        tool_round_trip, asked_for_nothing, ("openai", "anthropic"), max_tokens=12, error=TruncatedAnswer
    ),
}


def test_a_real_model_behaves(behaviour: Behaviour, wire: Any, mode: Any, llm_cassette: Any) -> None:
    settings = {"temperature": 0, "max_tokens": behaviour.max_tokens}
    model = connect(wire.recorded, base_url=wire.served_at, api_key="dummy-key", **settings)
    session = Session(messages=behaviour.before())
    before = len(session.messages)
    steps: list[Any] = []

    with nullcontext() if behaviour.error is None else pytest.raises(behaviour.error):
        steps = mode.play(Runner(model, template=behaviour.tree()), session)

    behaviour.holds(session)
    for call in session.trace.calls:
        assert (call.model, call.served_by) == (wire.recorded, "smollm2-135m")
        assert call.reply is not None
        assert call.reply.finish_reason in {"stop", "tool_call", "length"}
        assert call.usage is not None
        assert call.usage.input_tokens > 0
        assert call.usage.output_tokens > 0
    if mode.streams and behaviour.error is None:
        assert [step for step in steps if isinstance(step, Message)] == session.messages[before:]
        assert heard(steps) == [call.reply.content for call in session.trace.calls if call.reply and call.reply.content]
    assert llm_cassette.unused == 0


def heard(steps: list[Any]) -> list[str]:
    """The texts that were heard while models spoke, each before its whole message."""
    texts, pieces = [], [""]
    for step in steps:
        if isinstance(step, TextDelta):
            pieces.append(step.text)
        elif "".join(pieces):
            texts.append("".join(pieces))
            pieces = [""]
    return texts
