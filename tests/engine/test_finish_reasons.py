"""Answers that were cut off or refused: no tool is run, and the program learns why."""

from __future__ import annotations

import pickle

import pytest
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    ModelSettings,
    Reply,
    Runner,
    Session,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import BadAnswer, OutputError, ToolRoundsExceeded, TruncatedAnswer


class Recipe(BaseModel):
    title: str


RAN: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@tool
def delete(pattern: str = "*") -> str:
    """Deletes files."""
    RAN.append(pattern)
    return "deleted"


def asking(finish_reason: str | None = None, content: str = "", **arguments: object) -> Reply:
    call = ToolCall(id="c1", name="delete", arguments=arguments)
    return Reply(content, tool_calls=(call,), finish_reason=finish_reason)


def tree(**options: object) -> LinearTemplate:
    return LinearTemplate([UserTemplate("Clean up."), ToolingTemplate([delete], template_id="clean", **options)])


def talk(session: Session) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in session.messages]


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
def test_tools_of_an_answer_that_was_cut_off_are_not_run(reason, play, answering):
    session = Session()

    with pytest.raises(TruncatedAnswer) as caught:
        play(Runner(answering(asking(reason)), template=tree()), session)

    assert RAN == []
    assert session.last.role == "user"  # the answer is not said: its call would have no result
    assert isinstance(caught.value, BadAnswer)
    assert (caught.value.finish_reason, caught.value.model) == (reason, "answering")
    assert caught.value.template_path == "linear/clean"
    assert caught.value.message.tool_calls[0].name == "delete"
    assert f"finish reason '{reason}'" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).finish_reason == reason


def test_the_error_says_which_limit_to_raise(play, answering):
    model = answering(asking("length"))
    model.settings = ModelSettings(max_tokens=16)

    with pytest.raises(TruncatedAnswer, match=r"see the model's max_tokens .*; max_tokens is 16"):
        play(Runner(model, template=tree()))


@pytest.mark.parametrize("reason", [None, "stop", "tool_call"])
def test_tools_of_a_finished_answer_are_run(reason, play, answering):
    play(Runner(answering(asking(reason, pattern="tmp"), "Done."), template=tree()))

    assert RAN == ["tmp"]


def test_with_retries_the_model_is_told_that_it_was_cut_off(play, answering):
    model = answering(asking("length", INVALID_JSON='{"patt'), asking(pattern="tmp"), "Done.")

    session = play(Runner(model, template=tree(retries=1)))

    assert RAN == ["tmp"]
    assert talk(session)[2][1].startswith("Not run: the answer broke off: it reached the longest answer allowed")
    assert session.last.content == "Done."
    assert [run.tool for run in session.trace.tools] == ["delete"]


def test_retries_do_not_last_for_ever(play, answering):
    session = Session()

    with pytest.raises(TruncatedAnswer):
        play(Runner(answering(asking("length")), template=tree(retries=2)), session)

    assert [role for role, _ in talk(session)] == ["user", *["assistant", "tool"] * 2]


def test_a_text_that_was_cut_off_is_an_answer_that_says_so(play, answering):
    template = LinearTemplate([UserTemplate("Tell."), AssistantTemplate()])

    session = play(Runner(answering(Reply("Once upon", finish_reason="length")), template=template))

    assert (session.last.content, session.last.finish_reason) == ("Once upon", "length")


def typed(kind: object, **options: object) -> LinearTemplate:
    return LinearTemplate([UserTemplate("How?"), AssistantTemplate(output_type=kind, **options)])


def test_a_typed_answer_that_was_cut_off_is_told_so(play, answering):
    model = answering(Reply('{"title": "Sou', finish_reason="length"), '{"title": "Soup"}')

    session = play(Runner(model, template=typed(Recipe, retries=1)))

    assert session.last.parsed == Recipe(title="Soup")
    assert "- the answer broke off: it reached the longest answer allowed" in session.messages[2].content


@pytest.mark.parametrize(("kind", "text"), [(Recipe, '{"title": "Sou'), (int, "12")], ids=["object", "number"])
def test_a_typed_answer_that_was_cut_off_is_an_error(kind, text, play, answering):
    with pytest.raises(OutputError, match="the answer broke off") as caught:
        play(Runner(answering(Reply(text, finish_reason="length")), template=typed(kind)))

    assert caught.value.answer == text


def test_a_typed_answer_that_was_cut_off_behind_its_end_is_taken(play, answering):
    session = play(Runner(answering(Reply('{"title": "Soup"}\n\n', finish_reason="length")), template=typed(Recipe)))

    assert session.last.parsed == Recipe(title="Soup")


REFUSALS = [
    Reply(refusal="I cannot help with that."),
    Message(role="assistant", content="I cannot help with that.", refusal="I cannot help with that."),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["reply", "message"])
@pytest.mark.parametrize("with_tools", [False, True])
def test_a_typed_answer_that_was_refused_is_not_asked_for_again(refusal, with_tools, play, answering):
    template = tree(output_type=Recipe, retries=3) if with_tools else typed(Recipe, retries=3)
    model, session = answering(refusal), Session()

    with pytest.raises(OutputError, match=r"it refused: I cannot help with that\.") as caught:
        play(Runner(model, template=template), session)

    assert caught.value.refusal == "I cannot help with that."
    assert pickle.loads(pickle.dumps(caught.value)).refusal == "I cannot help with that."
    assert session.last.content == "I cannot help with that."
    assert len(model.heard) == 1


def test_a_refusal_is_the_message_where_a_text_was_asked_for(play, answering):
    template = LinearTemplate([UserTemplate("How?"), AssistantTemplate()])

    session = play(Runner(answering(Reply(refusal="I cannot.")), template=template))

    assert (session.last.content, session.last.refusal) == ("I cannot.", "I cannot.")


def test_tools_and_a_typed_answer_in_one_template(play, answering):
    seen = []

    class Looking(answering):
        def _send(self, session):
            seen.append(([tool.name for tool in session.request.tools], session.request.output_type))
            return super()._send(session)

    model = Looking(asking(pattern="tmp"), "Soup", '{"title": "Soup"}')
    session = play(Runner(model, template=tree(output_type=Recipe, retries=1)))

    assert RAN == ["tmp"]
    assert session.last.parsed == Recipe(title="Soup")
    assert session.last.role == "assistant"
    assert [role for role, _ in talk(session)] == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert seen == [(["delete"], Recipe)] * 3


def test_a_typed_answer_after_tools_that_does_not_fit_is_an_error(play, answering):
    with pytest.raises(OutputError, match="template at 'linear/clean'"):
        play(Runner(answering(asking(), "Soup"), template=tree(output_type=Recipe)))


def test_retries_are_no_rounds(play, answering):
    model = answering(asking(), asking("length"), asking())

    with pytest.raises(ToolRoundsExceeded):
        play(Runner(model, template=tree(retries=1, max_rounds=1)))

    assert RAN == ["*"]
