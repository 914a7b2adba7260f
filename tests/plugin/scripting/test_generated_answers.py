"""What a scripted model makes up where its script has nothing: tool calls, and objects of a type."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, field_validator

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Runner,
    Template,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.request import Request
from pytest_templates import CallTool, ScriptedModel, UnscriptedCall
from pytest_templates.errors import GenerationError

IGNORED = list[Exception]().append  # what a model without an answer says, where a test looks for it


class Ticket(BaseModel):
    topic: str
    priority: int = Field(ge=1, le=3)
    tags: list[str] = []


class Picky(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def never(cls, value: int) -> int:
        raise ValueError("no number is good enough")


@tool
def find_order(number: Annotated[int, Field(ge=1000)], exact: bool = True) -> str:
    """Finds an order."""
    return f"order {number}, {exact}"


@tool
def refund(amount: float) -> str:
    """Pays back."""
    return f"paid {amount}"


def asking(*kinds: Any) -> LinearTemplate:
    """A question, and an answer of each kind."""
    answers = [AssistantTemplate(output_type=kind) for kind in kinds]
    return LinearTemplate([UserTemplate("Hi"), *answers], template_id="talk")


TOOLS = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([find_order, refund], template_id="desk")])


async def aheard(runner: Runner) -> Message:
    return [event async for event in runner.astream()][-1]


WAYS = {
    "run": lambda runner: runner.run().last,
    "arun": lambda runner: asyncio.run(runner.arun()).last,
    "stream": lambda runner: list(runner.stream())[-1],
    "astream": lambda runner: asyncio.run(aheard(runner)),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_object_of_the_type_is_made_up(way):
    answer = WAYS[way](Runner(ScriptedModel(generate=True), template=asking(Ticket)))

    assert answer.parsed == Ticket(topic="topic", priority=1, tags=["tags"])


@pytest.mark.parametrize("way", WAYS)
def test_every_tool_is_asked_for_once_and_a_text_follows(way):
    model = ScriptedModel(generate=True)

    answer = WAYS[way](Runner(model, template=TOOLS))

    told = [message.content for message in model.calls[-1].messages if message.role == "tool"]
    assert told == ["order 1000, True", "paid 1.0"]
    assert answer.content == "A generated answer, after find_order, refund."
    assert len(model.calls) == 2


def test_the_tools_are_asked_for_in_every_turn_and_no_two_calls_have_one_id():
    runner = Runner(ScriptedModel(generate=True), template=TOOLS)

    session = runner.run(runner.run())

    ids = [message.tool_call_id for message in session.messages if message.role == "tool"]
    assert len(ids) == len(set(ids)) == 4


def test_where_tools_and_a_type_are_asked_for_the_object_follows_the_tools():
    class Both(Template):
        def _render(self, session):
            request = Request(tools=(refund,), output_type=Ticket)
            message = yield from self.ask(session, None, request)
            assert [call.name for call in message.tool_calls] == ["refund"]
            yield message
            yield Message(role="tool", content="paid", tool_call_id=message.tool_calls[0].id)
            yield (yield from self.ask(session, None, request))
            return session

    session = Runner(ScriptedModel(generate=True), template=LinearTemplate([UserTemplate("Hi"), Both()])).run()

    assert Ticket.model_validate_json(session.last.content).priority == 1


def test_the_script_comes_first():
    model = ScriptedModel(Ticket(topic="refund", priority=3), generate=True)
    model.on(template="desk").reply(CallTool("refund", amount=7))

    session = Runner(model, template=LinearTemplate([asking(Ticket, Ticket), TOOLS])).run()

    topics = [message.parsed.topic for message in session.messages if message.parsed]
    assert topics == ["refund", "topic"]
    assert [message.content for message in session.messages if message.role == "tool"] == ["paid 7.0"]


def test_a_text_that_may_be_any_is_not_made_up(project):
    project.tests(
        """
        def test_it(scripted_model):
            swallow(ask, scripted_model(generate=True))
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "UnscriptedCall", "'talk/answer'", "generate=True makes up tool calls and typed answers")


def test_without_being_asked_nothing_is_made_up():
    with pytest.raises(UnscriptedCall):
        Runner(ScriptedModel(complain=IGNORED), template=asking(Ticket)).run()


def test_an_object_that_cannot_be_made_up_is_an_error_that_names_template_and_type():
    with pytest.raises(GenerationError) as caught:
        Runner(ScriptedModel(generate=True, complain=IGNORED), template=asking(Picky)).run()

    text = str(caught.value)
    assert "the template at 'talk/assistant-2' would take for Picky: the last of 50 tries was {\"number\": 50}" in text
    assert "number: Value error, no number is good enough" in text
    assert "model.on(template=...).reply(...)" in text


def test_arguments_that_cannot_be_made_up_are_an_error_that_names_template_and_tool():
    @tool
    def choose(picked: Picky) -> str:
        """Chooses."""
        return "chosen"

    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([choose], template_id="desk")], template_id="talk")

    with pytest.raises(GenerationError, match="at 'talk/desk' would take for the arguments of the tool 'choose'"):
        Runner(ScriptedModel(generate=True, complain=IGNORED), template=tree).run()


class Endless(BaseModel):
    inner: Endless


def test_a_type_without_a_finite_object_is_an_error():
    with pytest.raises(GenerationError, match="for Endless: it holds itself, without an end"):
        Runner(ScriptedModel(generate=True, complain=IGNORED), template=asking(Endless)).run()


def test_an_error_fails_the_test_that_swallows_it(project):
    project.tests(
        """
        from pydantic import BaseModel

        class Endless(BaseModel):
            inner: "Endless"

        def test_it(scripted_model):
            answer = AssistantTemplate(output_type=Endless)
            swallow(Runner(scripted_model(generate=True), template=LinearTemplate([UserTemplate("Hi"), answer])).run)
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "GenerationError: no answer can be made up that the template at 'linear/assistant-2'")


def test_answers_for_a_fork_are_made_up_as_well(project):
    project.tests(
        """
        from antiphon import SubroutineTemplate

        def test_it(scripted_model):
            inner = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(output_type=list[int])])
            assert Runner(scripted_model(generate=True), template=SubroutineTemplate(inner)).run().last.content == "[1]"
        """
    )

    project.run().assert_outcomes(passed=1)


SAYING = """
from typing import Annotated
from pydantic import BaseModel, Field
from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate
from pytest_templates import ScriptedModel

class Codes(BaseModel):
    code: Annotated[str, Field(pattern=r"^[^,;]{6}-\\W\\d+$")]
    names: frozenset[str] = Field(min_length=5)
    tags: set[Annotated[str, Field(pattern="[a-z]{3,9}")]] = Field(min_length=3)

tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(output_type=Codes)])
print(Runner(ScriptedModel(generate=True), template=tree).run().last.content)
"""


def test_the_same_request_gets_the_same_answer_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", SAYING], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(said) == 1


def test_the_same_request_gets_the_same_answer_whatever_was_asked_before():
    model = ScriptedModel(generate=True)
    alone = Runner(model, template=asking(Ticket)).run().last.content

    session = Runner(model, template=LinearTemplate([TOOLS, asking(list[int], Ticket)])).run()

    assert session.last.content == alone
