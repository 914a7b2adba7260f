"""Every call of a tool gets a result, and what makes no tool is refused."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import attrs
import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from antiphon import (
    Farewell,
    Image,
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
from antiphon.errors import InvalidType, InvalidValue, MessageLimitExceeded, TruncatedAnswer


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


def look_at(result: object) -> LinearTemplate:
    looking = Tool(lambda: result, name="look", description="L")
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate([looking])])


class Order:
    def __init__(self) -> None:
        self.number = 7


class Paid(Enum):
    YES = "yes"


class Colour(str, Enum):  # noqa: UP042  # as many programs have it
    RED = "red"


class Unknown(Enum):
    ORDER = Order()


class Holder(BaseModel):
    order: Any


@dataclass
class Bill:
    sum: object


@attrs.define
class Ticket:
    number: int


CYCLE: list[object] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (Colour.RED, "red"),
        (Paid.YES, '"yes"'),
        (None, "null"),
        ({"a": [1, True]}, '{"a":[1,true]}'),
        (Bill(Decimal("9.50")), '{"sum":"9.50"}'),
        (Holder(order=date(2026, 1, 2)), '{"order":"2026-01-02"}'),
        (Ticket(7), '{"number":7}'),
        (timedelta(hours=1), '"PT1H"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (PurePosixPath("a/b"), '"a/b"'),
        ({3}, "[3]"),
        (range(3), "[0,1,2]"),
        (MappingProxyType({"a": 1}), '{"a":1}'),
        (np.float64(1.5), "1.5"),
        (np.bool_(True), "true"),
        ([np.array([[1, 2]])], "[[[1,2]]]"),
        (b"text", '"text"'),
        ({"a": b"\xff\xff"}, '{"a":"__8="}'),
        (["NaN"], '["NaN"]'),
    ],
)
def test_what_a_tool_returns_is_told_as_text_or_json(result, text, play, answering):
    session = play(Runner(answering(both("look"), "Done.")), template=look_at(result))

    assert told(session) == [("look", text)]


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (Order(), "an object of the class Order has no JSON form"),
        ([Order()], "an object of the class Order has no JSON form"),
        ({"a": Bill(Order())}, "an object of the class Order has no JSON form"),
        (Holder(order=Order()), "an object of the class Order has no JSON form"),
        (Unknown.ORDER, "an object of the class Order has no JSON form"),
        (Order, "an object of the class type has no JSON form"),
        (look_at, "an object of the class function has no JSON form"),
        (float("nan"), "NaN is no number of JSON"),
        ([float("-inf")], "-Infinity is no number of JSON"),
        (np.array([1.0, np.nan]), "NaN is no number of JSON"),
        (pd.NaT, "an object of the class NaTType has no JSON form"),
        (CYCLE, "Circular reference"),
        ("\ud800", "surrogates not allowed"),
        (["\ud800"], "surrogates not allowed"),
    ],
)
def test_a_result_without_a_json_form_is_told_to_the_model(result, why, play, answering):
    session = play(Runner(answering(both("look"), "Sorry.")), template=look_at(result))

    ((_, text),) = told(session)
    assert text.startswith("Error: InvalidValue: what the tool returned cannot be told to a model: ")
    assert why in text
    assert " at 0x" not in text
    assert isinstance(session.trace.tools[0].error, InvalidValue)
    assert session.last.content == "Sorry."


class Mute(Exception):
    def __str__(self) -> str:
        raise NotImplementedError


def test_an_error_that_cannot_be_printed_is_told_by_its_class(play, answering):
    def look() -> str:
        """Looks."""
        raise Mute

    asked = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look])])
    session = play(Runner(answering(both("look"), "Sorry.")), template=asked)

    assert told(session) == [("look", "Error: Mute: it cannot say why")]


def left_by(error: BaseException) -> Tool[..., Any]:
    def stop() -> str:
        raise error

    return Tool(stop, name="stop", description="Stops.")


@pytest.mark.parametrize(
    ("error", "cause"),
    [(KeyboardInterrupt(), "interrupted"), (SystemExit(1), "interrupted"), (CancelledError(), "cancelled")],
)
def test_every_call_of_a_run_that_is_interrupted_has_its_result(error, cause, play, answering):
    session = Session()
    names = ToolCall(id="1", name="look"), ToolCall(id="2", name="stop"), ToolCall(id="3", name="look")
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look, left_by(error)])])

    with pytest.raises(type(error)):
        play(Runner(answering(Reply(tool_calls=names))), session, template=tree)

    assert told(session) == [
        ("1", "seen"),
        ("2", f"Stopped before its end: the run was {cause}."),
        ("3", f"Not run: the run was {cause}."),
    ]
    assert [run.error for run in session.trace.tools] == [None, error]
    again = Session.model_validate_json(session.model_dump_json())
    assert again.messages == session.messages


@pytest.mark.parametrize("how", [Runner.arun, lambda runner, session: anext_all(runner.astream(session))])
def test_every_call_of_a_run_that_is_cancelled_has_its_result(how, answering):
    session = Session()
    begun = asyncio.Event()

    @tool
    async def slow() -> str:
        """Takes long."""
        begun.set()
        await asyncio.sleep(60)
        return "done"

    calls = ToolCall(id="1", name="slow"), ToolCall(id="2", name="slow")
    runner = Runner(
        answering(Reply(tool_calls=calls)), template=LinearTemplate([UserTemplate("Hi"), ToolingTemplate([slow])])
    )

    async def cancelled() -> None:
        task = asyncio.ensure_future(how(runner, session))
        await begun.wait()
        task.cancel()
        await task

    with pytest.raises(CancelledError):
        asyncio.run(cancelled())

    assert [call for call, _ in told(session)] == ["1", "2"]
    assert all("the run was cancelled" in text for _, text in told(session))


async def anext_all(steps: AsyncIterator[object]) -> None:
    async for _ in steps:
        pass


@pytest.mark.parametrize("taken", [2, 3, 4], ids=["the calls", "a result", "another result"])
@pytest.mark.parametrize("iterate", [Runner.iter, Runner.stream])
def test_every_call_of_a_run_that_is_closed_has_its_result(iterate, taken, answering):
    session = Session()
    calls = tuple(ToolCall(id=str(number), name="look") for number in range(3))
    steps = iterate(Runner(answering(Reply(tool_calls=calls)), template=tree()), session)
    for _ in range(taken):
        next(steps)

    steps.close()

    assert [call for call, _ in told(session)] == ["0", "1", "2"]
    assert [text for _, text in told(session)][taken - 2 :] == ["Not run: the run was closed."] * (5 - taken)


def test_every_call_of_a_run_at_its_limit_has_its_result(play, answering):
    session = Session()

    with pytest.raises(MessageLimitExceeded):
        play(Runner(answering(both("look", "look2"))), session, template=tree(), max_messages=2)

    assert [call for call, _ in told(session)] == ["look", "look2"]


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
def test_the_tools_of_an_answer_that_broke_off_are_not_run(reason, play, answering):
    session = Session()
    cut = Reply("I shall", tool_calls=(ToolCall(id="1", name="look"),), finish_reason=reason)

    with pytest.raises(TruncatedAnswer, match=f"for look, and its answer broke off: .*'{reason}'") as caught:
        play(Runner(answering(cut)), session, template=tree())

    assert session.trace.tools == []
    assert [message.role for message in session.messages] == ["user"]
    assert (caught.value.finish_reason, caught.value.answer) == (reason, "I shall")
    assert caught.value.template_path == "linear/tooling-2"


@pytest.mark.parametrize("reason", ["tool_call", "stop", None])
def test_the_tools_of_a_whole_answer_are_run(reason, play, answering):
    asking = Reply(tool_calls=(ToolCall(id="1", name="look"),), finish_reason=reason)

    assert told(play(Runner(answering(asking, "Done.")), template=tree())) == [("1", "seen")]


async def seen() -> str:
    return "seen"


@pytest.mark.parametrize("function", [lambda: seen(), partial(lambda one: one(), seen)])
def test_what_a_plain_function_returns_to_be_awaited_is_awaited(function, play, answering):
    looking = Tool(function, name="look", description="L")
    template = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([looking])])

    assert told(play(Runner(answering(both("look"), "Done.")), template=template)) == [("look", "seen")]


PICTURE = Image.from_bytes(b"\x89PNG", "image/png")


@pytest.mark.parametrize(
    ("result", "text"), [(PICTURE, ""), ([PICTURE], ""), (("A cat.", PICTURE, "Black."), "A cat.\nBlack.")]
)
def test_a_picture_that_a_tool_returns_goes_with_its_result(result, text, play, answering):
    session = play(Runner(answering(both("look"), "Done.")), template=look_at(result))

    (message,) = (message for message in session.messages if message.role == "tool")
    assert (message.content, message.attachments) == (text, (PICTURE,))
    assert Session.model_validate_json(session.model_dump_json()).messages == session.messages


def test_a_picture_among_numbers_is_an_error_at_the_tool(play, answering):
    session = play(Runner(answering(both("look"), "Sorry.")), template=look_at([PICTURE, 1]))

    assert told(session)[0][1].startswith("Error: InvalidType: a tool that returns attachments returns them with texts")
