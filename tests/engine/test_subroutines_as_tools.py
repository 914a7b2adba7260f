"""Subroutines as tools."""

from __future__ import annotations

import pytest

from antiphon import (
    AssistantTemplate,
    EndTemplate,
    FilterByRoleStrategy,
    LinearTemplate,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    Tool,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
)
from antiphon.errors import InvalidValue


def call(name: str, **arguments: object) -> Reply:
    return Reply(tool_calls=(ToolCall(id="1", name=name, arguments=arguments),))


def tree(*tools: object) -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate(tools, template_id="tools")], template_id="t")


def results(session: Session) -> list[str]:
    return [message.content for message in session.messages if message.role == "tool"]


def expert(**options: object) -> Tool:
    template = LinearTemplate([UserTemplate("{{ request }}"), AssistantTemplate(template_id="expert")])
    return Tool.from_template("ask_expert", "Asks an expert.", SubroutineTemplate(template, "sub", **options))


def test_a_subroutine_can_be_a_tool(play, answering):
    model = answering(call("ask_expert", request="Why?"), "Because it is.", " So it is.")

    session = play(Runner(model), template=tree(expert()))

    assert results(session) == ["Because it is."]
    assert [message.content for message in session.messages] == ["Hi", "", "Because it is.", " So it is."]
    assert session.trace.models == {"tools": ["answering", "answering"], "expert": ["answering"]}
    assert session.trace.of("expert")[0].depth == 1
    assert "request" not in session.metadata


def test_a_subroutine_as_a_tool_is_isolated_like_any(play, answering):
    def spoil(session: Session) -> Session:
        session.metadata["notes"].append("spoilt")
        return session

    inner = LinearTemplate([UserTemplate("{{ request }}", before_transform=spoil), AssistantTemplate()])
    template = tree(Tool.from_template("ask", "Asks.", inner))

    session = play(
        Runner(answering(call("ask", request="x"), "a", "b")), Session(metadata={"notes": []}), template=template
    )

    assert session.metadata == {"notes": []}


def test_an_end_in_a_subroutine_ends_the_conversation_after_its_result_was_told(play, answering):
    inner = LinearTemplate([EndTemplate("That is all.")])
    template = LinearTemplate([tree(Tool.from_template("finish", "Ends.", inner)), UserTemplate("More?")])

    session = play(Runner(answering(call("finish", request="x"))), template=template)

    assert [(message.role, message.content) for message in session.messages][2:] == [("tool", "That is all.")]


def test_tools_that_are_subroutines_belong_to_the_tree():
    template = tree(expert())

    assert "expert" in {one.template_id for one in template.walk()}
    with pytest.raises(InvalidValue, match=r"'sub'.* unique among siblings"):
        tree(expert(), Tool.from_template("ask", "Asks.", SubroutineTemplate(AssistantTemplate(), "sub")))


def test_a_tool_made_of_a_template_runs_it_when_it_is_called(answering):
    runner = Runner(answering("Because."))
    plain = Tool.from_template("ask", "Asks.", LinearTemplate([UserTemplate("{{ request }}"), AssistantTemplate()]))

    assert expert()("Why?", runner=runner) == "Because."
    assert plain(request="Why?", runner=runner) == "Because."
    assert runner.model.heard == [[("user", "Why?")]] * 2
    assert list(plain.parameters["properties"]) == ["request"]


def test_what_it_gives_back_is_what_a_model_would_be_told(answering):
    template = LinearTemplate([UserTemplate("{{ request }}"), AssistantTemplate(), EndTemplate("Bye.")])
    ask = Tool.from_template(
        "ask", "Asks.", SubroutineTemplate(template, squash_strategy=FilterByRoleStrategy(["assistant"]))
    )
    silent = Tool.from_template("silent", "Says nothing.", LinearTemplate([]))

    assert ask("Why?", runner=Runner(answering("Because."))) == "Because.\n\nBye."
    assert silent("Why?", runner=Runner(answering("Because."))) == ""


def test_within_a_tool_it_is_called_with_the_runner_of_the_session(play, answering):
    def look(session: Session) -> str:
        """Looks."""
        return expert()("Why?", runner=session.runner)

    session = play(Runner(answering(call("look"), "Because.", "ok")), template=tree(look))

    assert results(session) == ["Because."]


def test_without_a_runner_it_says_what_it_needs():
    with pytest.raises(InvalidValue, match="'ask_expert' runs a template, which needs a runner: call it with runner="):
        expert()("Why?")
