"""Tools that need the session: a parameter annotated so is given it, and is no argument of the model."""

from __future__ import annotations

import asyncio
from typing import Annotated, Optional

import pytest

from antiphon import LinearTemplate, Reply, Runner, Session, Tool, ToolCall, ToolingTemplate, UserTemplate, tool
from antiphon.errors import InvalidType

ASKING = Reply(tool_calls=(ToolCall(id="1", name="look", arguments={"title": "Emma"}),))


def tree(*tools: object) -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate(tools)])


def plain(title: str, session: Session) -> str:
    return f"{title} for {session.metadata['customer']}"


def first(session: Session, title: str) -> str:
    return plain(title, session)


def keyword(title: str, *, session: Session) -> str:
    return plain(title, session)


def optional(title: str, session: Session | None = None) -> str:
    assert session is not None
    return plain(title, session)


def old(title: str, session: Optional[Session] = None) -> str:  # noqa: UP045
    return optional(title, session)


def quoted(title: str, session: "Session") -> str:  # noqa: UP037
    return plain(title, session)


def annotated(title: str, session: Annotated[Session, "the conversation"]) -> str:
    return plain(title, session)


def annotated_or_none(title: str, session: Annotated[Session, "it"] | None = None) -> str:
    return optional(title, session)


async def later(title: str, session: Session) -> str:
    await asyncio.sleep(0)
    return plain(title, session)


class Desk:
    def look(self, title: str, session: Session) -> str:
        return plain(title, session)

    def __call__(self, title: str, session: Session) -> str:
        return plain(title, session)


FUNCTIONS = [
    *(plain, first, keyword, optional, old, quoted, annotated, annotated_or_none, later),
    *(Desk().look, Desk()),
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: getattr(function, "__name__", "object"))
def test_a_parameter_annotated_session_is_given_the_session(function, play, answering):
    look = Tool(function, name="look", description="Looks.")

    session = play(Runner(answering(ASKING, "ok")), Session(metadata={"customer": "Ada"}), template=tree(look))

    assert list(look.parameters["properties"]) == ["title"]
    assert [run.result for run in session.trace.tools] == ["Emma for Ada"]
    assert dict(session.trace.tools[0].arguments) == {"title": "Emma"}


def test_a_model_cannot_give_it(play, answering):
    look = Tool(plain, name="look", description="Looks.")
    asking = Reply(tool_calls=(ToolCall(id="1", name="look", arguments={"title": "Emma", "session": {}}),))

    session = play(Runner(answering(asking, "ok")), Session(metadata={"customer": "Ada"}), template=tree(look))

    assert session.trace.tools[0].result == "Error: session: Extra inputs are not permitted"


def test_it_may_be_described_and_the_tool_called_as_the_function_it_is():
    @tool
    def look(title: str, session: Session) -> str:
        """Looks.

        Args:
            title: What.
            session: The conversation.
        """
        return plain(title, session)

    assert look.parameters["properties"]["title"]["description"] == "What."
    assert look("Emma", Session(metadata={"customer": "Ada"})) == "Emma for Ada"


def test_what_it_changes_is_seen_by_the_templates_behind_it(play, answering):
    def look(title: str, session: Session) -> str:
        """Looks."""
        session.metadata["seen"] = title
        return "seen"

    template = LinearTemplate([tree(look), UserTemplate("{{ seen }}")])

    assert play(Runner(answering(ASKING, "ok")), template=template).last.content == "Emma"


def test_in_a_subroutine_it_is_the_subroutines_session(play, answering):
    def look(title: str, session: Session) -> str:
        """Looks."""
        return session.messages[0].content

    ask = Tool.from_template("ask", "Asks.", LinearTemplate([UserTemplate("Inner"), ToolingTemplate([look])]))
    asking = Reply(tool_calls=(ToolCall(id="1", name="ask", arguments={"request": "x"}),))

    session = play(Runner(answering(asking, ASKING, "inner", "outer")), template=tree(ask))

    assert [run.result for run in session.trace.tools] == ["Inner", "inner"]


def test_interleaved_runs_have_each_its_own(answering):
    look = Tool(plain, name="look", description="Looks.")
    sessions = [Session(metadata={"customer": name}) for name in ("Ada", "Bob")]
    runs = [Runner(answering(ASKING, "ok"), template=tree(look)).iter(session) for session in sessions]

    while runs:
        runs = [run for run in runs if next(run, None) is not None]

    assert [session.trace.tools[0].result for session in sessions] == ["Emma for Ada", "Emma for Bob"]


def test_a_session_or_something_else_is_refused():
    def look(what: Session | str) -> str:
        """Looks."""
        return str(what)

    with pytest.raises(InvalidType, match="'look' takes what, which is a Session or something else: annotate it Sess"):
        Tool(look)
