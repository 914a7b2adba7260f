"""Every call of a tool gets a result, and what makes no tool is refused."""

from __future__ import annotations

from functools import partial

import pytest

from antiphon import (
    Farewell,
    LinearTemplate,
    Reply,
    Runner,
    Session,
    Tool,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import InvalidType, InvalidValue


@tool
def hang_up() -> Farewell:
    """Ends the call."""
    return Farewell("Goodbye.")


@tool
def look() -> str:
    """Looks."""
    return "seen"


@tool(reraise=True)
def explode() -> str:
    """Explodes."""
    raise OSError("boom")


def both(*names: str) -> Reply:
    return Reply(tool_calls=tuple(ToolCall(id=name, name=name) for name in names))


def told(session: Session) -> list[tuple[str | None, str]]:
    return [(message.tool_call_id, message.content) for message in session.messages if message.role == "tool"]


def tree() -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate([hang_up, look, explode])])


def test_calls_after_a_farewell_are_not_run_and_told_so(play, answering):
    session = play(Runner(answering(both("look", "hang_up", "look"))), template=tree())

    assert told(session) == [
        ("look", "seen"),
        ("hang_up", "Goodbye."),
        ("look", "Not run: the conversation has ended."),
    ]
    assert session.last.content == "Goodbye."
    assert [run.tool for run in session.trace.tools] == ["look", "hang_up"]


def test_calls_from_an_error_that_is_raised_on_have_a_result_in_the_session(play, answering):
    session = Session()

    with pytest.raises(OSError, match="boom"):
        play(Runner(answering(both("explode", "look"))), session, template=tree())

    assert told(session) == [("explode", "Error: OSError: boom"), ("look", "Not run: the conversation has ended.")]


class Shop:
    def price(self, title: str) -> int:
        """Tells a price."""
        return len(title)

    def __call__(self, title: str) -> str:
        """Orders."""
        return f"{title} is on its way"


def test_methods_objects_and_partials_are_tools():
    price, order = Tool(Shop().price), Tool(Shop(), name="order", description="Orders.")
    emma = Tool(partial(Shop.price, Shop(), "Emma"), name="emma", description="Tells what Emma costs.")

    assert (price.name, list(price.parameters["properties"]), price("Emma")) == ("price", ["title"], 4)
    assert order.parameters["properties"]["title"]["type"] == "string"
    assert emma() == 4


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: Tool(Shop()), InvalidValue, "needs a name: give it one by name="),
        (lambda: ToolingTemplate([partial(len, "x")]), InvalidValue, "needs a name"),
        (lambda: Tool(Shop.price), InvalidType, "the tool 'price' takes self: make it of an object's method"),
        (lambda: Tool("look"), InvalidType, "a tool is made of a function, not str"),
    ],
)
def test_what_makes_no_tool_is_refused(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


@pytest.mark.parametrize("result", [b"\xff", ["\ud800"]], ids=["bytes", "half a character"])
def test_a_result_without_a_json_form_is_told_to_the_model(result, play, answering):
    template = LinearTemplate(
        [UserTemplate("Hi"), ToolingTemplate([Tool(lambda: result, name="look", description="L")])]
    )

    session = play(Runner(answering(both("look"), "Sorry.")), template=template)

    ((_, text),) = told(session)
    assert text.startswith("Error: InvalidValue: what the tool returned has no JSON form: ")
    assert isinstance(session.trace.tools[0].error, InvalidValue)
    assert session.last.content == "Sorry."
