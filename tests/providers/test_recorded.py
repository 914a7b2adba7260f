"""How real models behave through every wire format, replayed from recordings; tools/record.py makes them anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    ToolingTemplate,
    UserTemplate,
    connect,
    tool,
)


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


@dataclass(frozen=True)
class Behaviour:
    """What is asked of a model, and what has to come of it."""

    tree: Callable[[], Template]
    holds: Callable[[Session], None]


BEHAVIOURS = {
    "text": Behaviour(text, knows_the_capital),
    "two turns": Behaviour(two_turns, knows_what_was_said),
    "system message": Behaviour(system_message, is_a_pirate),
    "typed output": Behaviour(typed_output, is_a_city),
    "tool round trip": Behaviour(tool_round_trip, used_the_tool),
}


def test_a_real_model_behaves(behaviour: Behaviour, wire: Any, mode: Any, llm_cassette: Any) -> None:
    model = connect(wire.recorded, base_url=wire.served_at, api_key="dummy-key", temperature=0, max_tokens=60)
    session = Session()

    steps = mode.play(Runner(model, template=behaviour.tree()), session)

    behaviour.holds(session)
    for call in session.trace.calls:
        assert (call.model, call.served_by) == (wire.recorded, "smollm2-135m")
        assert call.reply is not None
        assert call.reply.finish_reason in {"stop", "tool_call", "length"}
        assert call.usage is not None
        assert call.usage.input_tokens > 0
        assert call.usage.output_tokens > 0
    if mode.streams:
        assert [step for step in steps if isinstance(step, Message)] == session.messages
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
