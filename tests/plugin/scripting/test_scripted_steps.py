"""Steps beside plain texts: tools asked for, streams, failures."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import BadAnswer, InvalidType, InvalidValue, ModelTimeout, RateLimitError
from antiphon.events import TextDelta
from pytest_templates import CallTool, Fail, ScriptedModel, Stream, UnusedSteps, faults

HELLO = Session(messages=[Message(role="user", content="Hi")])


@tool
def get_weather(city: str) -> str:
    """Says what the weather is."""
    return f"{city}: rain"


def weather(model: ScriptedModel) -> Runner:
    return Runner(model, template=LinearTemplate([UserTemplate("Oslo?"), ToolingTemplate([get_weather])]))


def pieces(model: ScriptedModel) -> list[str]:
    runner = Runner(model, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))
    return [step.text for step in runner.stream() if isinstance(step, TextDelta)]


async def apieces(model: ScriptedModel) -> list[str]:
    runner = Runner(model, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))
    return [step.text async for step in runner.astream() if isinstance(step, TextDelta)]


def test_a_model_asks_for_a_tool():
    session = weather(
        ScriptedModel(CallTool("get_weather", city="Oslo"), CallTool("get_weather", city="Rome"), "Wet.")
    ).run()

    assert [message.content for message in session.messages if message.role == "tool"] == ["Oslo: rain", "Rome: rain"]
    assert session.last.content == "Wet."


def test_every_call_of_a_tool_has_an_id_of_its_own_that_is_the_same_from_run_to_run():
    def ids() -> list[str]:
        model = ScriptedModel().on().reply(CallTool("get_weather", city="Oslo"), times=2).on().reply("Wet.")
        return [call.id for message in weather(model).run().messages for call in message.tool_calls]

    assert ids() == ["call_1", "call_2"] == ids()


BOTH = [CallTool("get_weather", city="Oslo"), CallTool("get_weather", city="Rome")]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (BOTH, ""),
        (tuple(BOTH), ""),
        (Reply("Let me see.", tool_calls=BOTH, finish_reason="tool_call"), "Let me see."),
        (Message(role="assistant", content="Let me see.", tool_calls=tuple(BOTH)), "Let me see."),
        (lambda session: BOTH, ""),
    ],
    ids=["list", "tuple", "reply", "message", "function"],
)
def test_a_model_calls_several_tools_in_one_answer_with_ids_that_are_the_same_from_run_to_run(step, text):
    def said() -> list[Message]:
        return weather(ScriptedModel(CallTool("get_weather", city="Bern"), step, "Wet.")).run().messages

    messages = said()
    assert [message.content for message in messages if message.role == "tool"] == [
        *("Bern: rain", "Oslo: rain", "Rome: rain")
    ]
    assert messages[3].content == text
    assert [call.id for message in messages for call in message.tool_calls] == ["call_1", "call_2_1", "call_2_2"]
    assert said() == messages


def test_a_call_with_an_id_of_its_own_keeps_it_beside_one_without():
    calls = [ToolCall(id="mine", name="find"), CallTool("find")]
    model = ScriptedModel().on().reply(Reply(tool_calls=calls), times=2)

    assert [[call.id for call in model.send(HELLO).tool_calls] for _ in range(2)] == [
        ["mine", "call_1"],
        ["mine", "call_2"],
    ]


def test_an_answer_is_listed_by_its_text_and_the_tools_that_it_calls():
    model = ScriptedModel(Reply("Sure."), Reply("See.", tool_calls=BOTH), Reply(tool_calls=BOTH[:1]), BOTH[:1], Reply())

    with pytest.raises(UnusedSteps) as caught:
        model.assert_complete()

    assert [line.strip() for line in str(caught.value).splitlines()[1:-1]] == [
        "1. 'Sure.'",
        "2. 'See.' with calls of get_weather, get_weather",
        "3. calls of get_weather",
        "4. (CallTool('get_weather', city='Oslo'),)",
        "5. ''",
    ]


def test_a_model_may_ask_for_a_tool_that_is_not_there_or_with_arguments_it_does_not_take():
    session = weather(ScriptedModel(CallTool("get_wether"), CallTool("get_weather", town="Oslo"), "Sorry.")).run()

    told = [message.content for message in session.messages if message.role == "tool"]
    assert "get_wether" in told[0]
    assert "town" in told[1]


def test_a_stream_is_said_in_its_pieces_and_as_a_whole_elsewhere():
    said = Stream("Hel", "lo")

    assert pieces(ScriptedModel(said)) == ["Hel", "lo"]
    assert asyncio.run(apieces(ScriptedModel(said))) == ["Hel", "lo"]
    assert ScriptedModel(said).send(HELLO).content == "Hello"
    assert asyncio.run(ScriptedModel(said).asend(HELLO)).content == "Hello"


def test_any_other_step_is_streamed_in_one_piece():
    assert pieces(ScriptedModel("Hello")) == ["Hello"]
    assert pieces(ScriptedModel(Reply("Hello"))) == ["Hello"]


def test_a_model_fails_with_a_new_error_each_time_that_names_model_and_template():
    model = ScriptedModel(name="small").on().reply(Fail(faults.rate_limited(retry_after=2)), times=2)
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")], template_id="talk")
    runner = Runner(model, template=tree)
    errors = []
    for _ in range(2):
        with pytest.raises(RateLimitError) as caught:
            runner.run()
        errors.append(caught.value)

    assert errors[0] is not errors[1]
    assert (errors[0].retry_after, errors[0].model, errors[0].template_path) == (2, "small", "talk/answer")
    assert "this is the fault rate_limited(retry_after=2) of the test" in str(errors[0])


def test_a_model_fails_in_every_way_of_asking():
    def failing() -> ScriptedModel:
        return ScriptedModel(Fail(faults.malformed()))

    with pytest.raises(BadAnswer):
        failing().send(HELLO)
    with pytest.raises(BadAnswer):
        asyncio.run(failing().asend(HELLO))
    with pytest.raises(BadAnswer):
        pieces(failing())
    with pytest.raises(BadAnswer):
        asyncio.run(apieces(failing()))


def test_a_model_may_fail_with_any_exception():
    with pytest.raises(OSError, match="gone"):
        ScriptedModel(Fail(OSError("gone"))).send(HELLO)
    with pytest.raises(ModelTimeout):
        ScriptedModel(Fail(ModelTimeout("late"))).send(HELLO)


@pytest.mark.parametrize(
    ("fault", "content", "reason"), [(faults.empty(), "", None), (faults.truncated(after=3), "", "length")]
)
def test_a_fault_that_changes_an_answer_changes_an_empty_one(fault, content, reason):
    model = ScriptedModel(Fail(fault))

    assert model.send(HELLO).content == content
    assert model.calls[0].reply is not None
    assert model.calls[0].reply.finish_reason == reason


def test_what_a_script_hands_out_is_never_the_object_that_was_written():
    written = Message(role="assistant", content="Hello", metadata={"list": []})
    model = ScriptedModel().on().reply(written, times=2)

    first = model.send(HELLO)
    first.metadata["list"].append("changed")

    assert model.send(HELLO).metadata == {"list": []} == written.metadata


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda: CallTool(5), "CallTool takes the name of a tool, not int: 5"),
        (lambda: Stream("a", 5), "piece 2 of a Stream is text, not int: 5"),
        (lambda: Fail("timeout"), "Fail takes one of the faults, or an exception, not str: 'timeout'"),
        (lambda: Fail(faults.timeout), "Fail takes one of the faults"),
        (
            lambda: ScriptedModel([]),
            "(?s)step 1 of scripted_model 'scripted' is list: .*, a list of CallTools that are",
        ),
        (lambda: ScriptedModel(["a", CallTool("b")]), "step 1 of scripted_model 'scripted' is list: .'a', CallTool"),
        (lambda: ScriptedModel(CallTool), "step 1 of scripted_model 'scripted' is type"),
        (lambda: faults.rate_limited(retry_after="1"), "retry_after is a number of seconds, not str"),
        (lambda: faults.wrong_tool(5), "wrong_tool takes the name of a tool"),
    ],
)
def test_what_is_no_step_is_refused_when_it_is_written(write, text):
    with pytest.raises(TypeError, match=text):
        write()


@pytest.mark.parametrize(
    "write",
    [
        lambda: faults.rate_limited(retry_after=-1),
        lambda: faults.server_error(status=404),
        lambda: faults.truncated(after=-1),
        lambda: faults.dropped(after=-1),
        lambda: faults.stalled(float("inf")),
    ],
)
def test_an_impossible_fault_is_refused_when_it_is_written(write):
    with pytest.raises(InvalidValue):
        write()


@pytest.mark.parametrize("wrong", [{"name": 3}, {"generate": "yes"}])
def test_arguments_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    [parameter] = wrong
    with pytest.raises(InvalidType, match=f"{parameter} "):
        ScriptedModel("one", **wrong)


def test_every_reply_of_a_step_has_arguments_of_its_own():
    model = ScriptedModel().on(prompt="Hi.").reply(CallTool("order", items=["bread"]), times=2)
    asked = Session(messages=[Message(role="user", content="Hi.")])

    model.send(asked).tool_calls[0].arguments["items"].append("butter")

    assert model.send(asked).tool_calls[0].arguments == {"items": ["bread"]}
