"""Tools: what a model is told of them, and what becomes of what they return."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    Farewell,
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    Tool,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import InvalidType, InvalidValue, ToolRoundsExceeded


class Weather(BaseModel):
    city: str
    degrees: int


@tool
def weather(city: str, unit: Literal["c", "f"] = "c") -> Weather:
    """Tells the weather of a city.

    Args:
        city: The city, in
            English.
        unit: Degrees of which scale.
    """
    if city == "Atlantis":
        raise LookupError("no such city")
    return Weather(city=city, degrees=12 if unit == "c" else 54)


@tool
async def wait(seconds: float) -> str:
    """Waits."""
    await asyncio.sleep(seconds)
    return "done"


def call(name: str, id: str = "1", **arguments: object) -> Reply:  # noqa: A002
    return Reply(tool_calls=(ToolCall(id=id, name=name, arguments=arguments),))


def tree(*tools: object, **options: object) -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate(tools, template_id="tools", **options)], template_id="t")


def results(session: Session) -> list[str]:
    return [message.content for message in session.messages if message.role == "tool"]


def test_a_decorated_function_can_still_be_called():
    assert weather("Oslo") == Weather(city="Oslo", degrees=12)


def test_name_description_and_schema_come_from_signature_and_docstring():
    assert weather.name == "weather"
    assert weather.description == "Tells the weather of a city."
    assert weather.parameters == {
        "additionalProperties": False,
        "properties": {
            "city": {"description": "The city, in English.", "title": "City", "type": "string"},
            "unit": {
                "default": "c",
                "description": "Degrees of which scale.",
                "enum": ["c", "f"],
                "title": "Unit",
                "type": "string",
            },
        },
        "required": ["city"],
        "title": "weather",
        "type": "object",
    }


def test_name_and_description_can_be_given():
    @tool(name="sky", description="Looks at the sky.")
    def look() -> str:
        return "blue"

    assert (look.name, look.description) == ("sky", "Looks at the sky.")


@pytest.mark.parametrize("function", [lambda *cities: "x", lambda **cities: "x"])
def test_a_function_whose_arguments_have_no_names_is_refused(function):
    with pytest.raises(InvalidType, match="by its name"):
        Tool(function, name="bad", description="Bad.")


def test_a_function_without_a_description_is_refused():
    def silent(x: int) -> int:
        return x

    with pytest.raises(InvalidValue, match="'silent' has no description"):
        tool(silent)


def test_what_is_no_function_is_refused():
    with pytest.raises(InvalidType, match=r"tools\[0\] takes a Tool or a function, not int: 3"):
        ToolingTemplate([3])


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(InvalidValue, match="two tools are called 'weather'"):
        ToolingTemplate([weather, weather])


def test_the_model_sees_the_tools_while_it_is_called_and_only_then(play, answering):
    seen = []

    class Looking(answering):
        def _send(self, session):
            seen.append([offered.name for offered in session.request.tools])
            return super()._send(session)

    model = Looking(call("weather", city="Oslo"), "Cold.")
    play(Runner(model), template=LinearTemplate([tree(weather, wait), AssistantTemplate()]))

    assert seen == [["weather", "wait"], ["weather", "wait"], []]


def test_results_go_back_until_the_model_answers_in_text(play, answering):
    model = answering(call("weather", city="Oslo"), call("weather", id="2", city="Rome", unit="f"), "Cold and warm.")

    session = play(Runner(model), template=tree(weather))

    assert [(message.role, message.content, message.tool_call_id) for message in session.messages] == [
        ("user", "Hi", None),
        ("assistant", "", None),
        ("tool", '{"city":"Oslo","degrees":12}', "1"),
        ("assistant", "", None),
        ("tool", '{"city":"Rome","degrees":54}', "2"),
        ("assistant", "Cold and warm.", None),
    ]
    assert [(run.tool, dict(run.arguments), run.template_path) for run in session.trace.tools] == [
        ("weather", {"city": "Oslo"}, "t/tools"),
        ("weather", {"city": "Rome", "unit": "f"}, "t/tools"),
    ]


def test_several_calls_in_one_answer_are_all_run_in_order(play, answering):
    calls = tuple(ToolCall(id=str(n), name="weather", arguments={"city": f"City {n}"}) for n in range(3))

    session = play(Runner(answering(Reply(tool_calls=calls), "Done.")), template=tree(weather))

    assert [message.tool_call_id for message in session.messages if message.role == "tool"] == ["0", "1", "2"]


def test_async_tools_run_in_sync_and_async_programs(play, answering):
    assert results(play(Runner(answering(call("wait", seconds=0), "ok")), template=tree(wait))) == ["done"]


def test_an_object_with_an_async_call_is_an_async_tool(play, answering):
    class Desk:
        """Looks up a number."""

        async def __call__(self, number: int) -> str:
            await asyncio.sleep(0)
            return f"found {number}"

    model = answering(call("desk", number=3), "done")

    assert results(play(Runner(model), template=tree(Tool(Desk(), name="desk")))) == ["found 3"]


def test_an_async_tool_runs_in_a_sync_program_within_a_running_loop(answering):
    async def program() -> Session:
        return Runner(answering(call("wait", seconds=0), "ok")).run(template=tree(wait))

    assert results(asyncio.run(program())) == ["done"]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (call("nothing"), "Error: InvalidValue: there is no tool 'nothing'; there are weather"),
        (call("weather"), "Error: city: Field required"),
        (call("weather", city=3), "Error: city: Input should be a valid string"),
        (call("weather", city="x", colour="red"), "Error: colour: Extra inputs are not permitted"),
        (call("weather", city="Atlantis"), "Error: LookupError: no such city"),
    ],
    ids=["unknown tool", "missing argument", "wrong argument", "extra argument", "raising tool"],
)
def test_what_goes_wrong_is_told_to_the_model_and_stands_in_the_trace(wanted, told, play, answering):
    session = play(Runner(answering(wanted, "Sorry.")), template=tree(weather))

    assert results(session) == [told]
    assert session.trace.tools[0].error is not None
    assert session.last.content == "Sorry."


def test_a_tool_may_say_that_its_errors_end_the_run(play, answering):
    @tool(reraise=True)
    def explode() -> str:
        """Explodes."""
        raise LookupError("boom")

    with pytest.raises(LookupError, match="boom"):
        play(Runner(answering(call("explode"), "ok")), template=tree(explode))


def test_a_model_that_asks_again_and_again_is_stopped(play, answering):
    with pytest.raises(ToolRoundsExceeded, match="after max_rounds=2 rounds") as caught:
        play(Runner(answering(call("weather", city="Oslo"))), template=tree(weather, max_rounds=2))

    assert caught.value.template_path == "t/tools"


def test_the_last_round_may_still_be_answered(play, answering):
    model = answering(call("weather", city="Oslo"), call("weather", city="Oslo"), "Done.")

    assert play(Runner(model), template=tree(weather, max_rounds=2)).last.content == "Done."


def test_a_tool_can_end_the_conversation_with_a_farewell(play, answering):
    @tool
    def hang_up() -> Farewell:
        """Hangs up."""
        return Farewell("Goodbye.")

    template = LinearTemplate([tree(hang_up), UserTemplate("Still there?")])

    session = play(Runner(answering(call("hang_up"))), template=template)

    assert [message.content for message in session.messages] == ["Hi", "", "Goodbye.", "Goodbye."]
    assert session.last.role == "assistant"


def test_the_role_is_that_of_the_answer_in_text(play, answering):
    session = play(Runner(answering(call("weather", city="Oslo"), "Cold.")), template=tree(weather, role="user"))

    assert [message.role for message in session.messages] == ["user", "assistant", "tool", "user"]


def test_the_template_s_own_model_is_asked(play, answering):
    session = play(Runner(answering()), template=tree(weather, model=answering("Hello.", name="own")))

    assert session.trace.models == {"tools": ["own"]}


def test_every_session_is_right_where_a_hundred_run_at_once(answering):
    class Slow(answering):
        async def _asend(self, session: Session) -> Reply | Message | str:
            await asyncio.sleep(0.01)
            asked = session.messages[0].content
            if session.last.role == "tool":
                return f"{asked}: {session.last.content}"
            return call("double", number=int(asked)) if session.request.tools else str(int(session.last.content) * 2)

    @tool
    def double_it(number: int) -> int:
        """Doubles."""
        return number * 2

    template = LinearTemplate(
        [
            UserTemplate("{{ n }}"),
            ToolingTemplate([Tool(double_it.function, name="double", description="Doubles.")]),
            SubroutineTemplate(LinearTemplate([UserTemplate("{{ n }}"), AssistantTemplate()])),
        ]
    )

    async def program() -> list[Session]:
        runner = Runner(Slow())
        return await asyncio.gather(*(runner.arun(Session(metadata={"n": n}), template=template) for n in range(100)))

    for n, session in enumerate(asyncio.run(program())):
        assert session.messages[3].content == f"{n}: {n * 2}"
        assert session.last.content == str(n * 2)
