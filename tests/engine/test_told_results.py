"""What a model is told of what a tool returns: text, JSON, or an error, and never where an object lies in memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, field_serializer
from pydantic.dataclasses import dataclass as pydantic_dataclass

from antiphon import LinearTemplate, Reply, Runner, Tool, ToolCall, ToolingTemplate, UserTemplate
from antiphon.errors import InvalidValue
from antiphon.tool_results import told


class Order:
    number = 7


class Paid(Enum):
    CASH = "cash"
    CARD = 2


class Named(StrEnum):
    EMMA = "Emma"


class Book(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    title: str
    extra: Any = None

    @field_serializer("title")
    def _quoted(self, title: str) -> str:
        return f"*{title}*"


class Priced(BaseModel):
    price: float


@dataclass
class Box:
    holds: Any
    tags: frozenset[str] = frozenset()


@pydantic_dataclass
class Shelf:
    since: date
    extra: Any = None


KINDS = [
    ("as it is: é", "as it is: é"),
    (Named.EMMA, "Emma"),
    (None, "null"),
    (True, "true"),
    ({"title": "é", "n": 1.5}, '{"title":"é","n":1.5}'),
    ((1, [2]), "[1,[2]]"),
    (Paid.CASH, '"cash"'),
    ([Paid.CARD, Named.EMMA], '[2,"Emma"]'),
    (
        {Paid.CASH: 1, 2: 2, (3, "x"): 3, None: 4, date(2026, 1, 2): 5},
        '{"cash":1,"2":2,"3,x":3,"null":4,"2026-01-02":5}',
    ),
    (Book(title="Emma", extra=Box(1)), '{"title":"*Emma*","extra":{"holds":1,"tags":[]}}'),
    (Box(Box(Book(title="Emma")), frozenset("ba")), None),
    (Shelf(date(2026, 1, 2)), '{"since":"2026-01-02","extra":null}'),
    (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00Z"'),
    (timedelta(days=1), '"P1D"'),
    (Decimal("1.50"), '"1.50"'),
    (Fraction(1, 2), '"1/2"'),
    (UUID(int=0), f'"{UUID(int=0)}"'),
    (PurePosixPath("/tmp"), '"/tmp"'),
    (re.compile("x+"), '"x+"'),
    ({"b", "a", 10, 9}, '[9,10,"a","b"]'),
    (b"caf\xc3\xa9", '"café"'),
    (bytearray(b"x"), '"x"'),
    ([b"\xff\xff", b"x"], '["__8=","x"]'),
    (deque([1]), "[1]"),
    (range(2), "[0,1]"),
    ({"a": 1}.values(), "[1]"),
    (map(str, (1, 2)), '["1","2"]'),
]


@pytest.mark.parametrize(("result", "text"), KINDS, ids=[type(result).__name__ for result, _ in KINDS])
def test_kinds_that_have_a_json_form(result, text):
    expected = (
        '{"holds":{"holds":{"title":"*Emma*","extra":null},"tags":[]},"tags":["a","b"]}' if text is None else text
    )

    assert told(result) == expected


def test_numpy():
    numpy = pytest.importorskip("numpy")

    assert told(numpy.float32(1.5)) == "1.5"
    assert told({"n": numpy.int64(3), "ok": numpy.bool_(True)}) == '{"n":3,"ok":true}'
    assert told(numpy.arange(4).reshape(2, 2)) == "[[0,1],[2,3]]"
    assert told(numpy.datetime64("2026-01-02")) == '"2026-01-02"'
    with pytest.raises(InvalidValue, match="NaN is no number of JSON"):
        told(numpy.array([1.0, numpy.nan]))
    with pytest.raises(InvalidValue, match="object of the class Order has no JSON form"):
        told(numpy.array([Order()]))


def test_attrs():
    attrs = pytest.importorskip("attrs")
    kind = attrs.make_class("Kind", ["one", "two"])

    assert told(kind(1, kind(Paid.CASH, None))) == '{"one":1,"two":{"one":"cash","two":null}}'


def endless() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Order(), "an object of the class Order has no JSON form; return text, numbers, lists"),
        ([Order()], "object of the class Order has no JSON form"),
        ({"order": Order()}, "object of the class Order has no JSON form"),
        ({Order(): 1}, "object of the class Order has no JSON form"),
        (Box(Order()), "object of the class Order has no JSON form"),
        (Book(title="Emma", extra=[Order()]), "object of the class Order has no JSON form"),
        (object(), "object of the class object has no JSON form"),
        (Order, "object of the class type has no JSON form"),
        (len, "object of the class builtin_function_or_method has no JSON form"),
        (ValueError("x"), "object of the class ValueError has no JSON form"),
        (Book(title="Emma", extra=b"\xff"), "invalid utf-8"),
        (float("nan"), "NaN is no number of JSON"),
        ([float("-inf")], "-Infinity is no number of JSON"),
        (Priced(price=float("nan")), "NaN is no number of JSON"),
        (Box(float("nan")), "NaN is no number of JSON"),
        (Book(title="Emma", extra=float("nan")), "NaN is no number of JSON"),
        (Book(title="Emma", extra={"all": [None, {float("inf")}]}), "Infinity is no number of JSON"),
        ([Book(title="Emma", extra=Book(title="Emma", extra=float("nan")))], "NaN is no number of JSON"),
        (Shelf(date(2026, 1, 2), float("nan")), "NaN is no number of JSON"),
        ("\ud800", "surrogates not allowed"),
        (endless(), "it holds itself (Circular reference), or is nested too deep"),
    ],
)
def test_what_has_no_json_form_is_told_as_an_error(result, reason, play, answering):
    asking = Reply(tool_calls=(ToolCall(id="1", name="find"),))
    find = Tool(lambda: result, name="find", description="Finds.")
    template = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([find])])

    session = play(Runner(answering(asking, "Sorry.")), template=template)

    (run,) = session.trace.tools
    assert session.messages[2].content == run.result
    assert run.result.startswith("Error: InvalidValue: what the tool returned cannot be told to a model: ")
    assert reason in run.result
    assert isinstance(run.error, InvalidValue)
    assert session.last.content == "Sorry."


def test_what_an_error_says_has_no_address_either(play, answering):
    def find() -> str:
        """Finds."""
        raise KeyError(object(), "\ud800")

    asking = Reply(tool_calls=(ToolCall(id="1", name="find"),))
    session = play(
        Runner(answering(asking, "Sorry.")), template=LinearTemplate([UserTemplate("Hi"), ToolingTemplate([find])])
    )

    assert session.messages[2].content == r"Error: KeyError: (<object object>, '\ud800')"


def counting() -> Iterator[int]:
    yield from (1, 2)


def failing() -> Iterator[int]:
    yield 1
    raise LookupError("no more")


@pytest.mark.parametrize(
    ("function", "text"), [(counting, "[1,2]"), (failing, "Error: LookupError: no more")], ids=["whole", "failing"]
)
def test_generators_are_told_as_lists(function, text, play, answering):
    asking = Reply(tool_calls=(ToolCall(id="1", name="count"),))
    count = Tool(function, name="count", description="Counts.")
    template = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([count])])

    assert play(Runner(answering(asking, "ok")), template=template).messages[2].content == text


def test_sets_are_told_the_same_in_every_process():
    program = "from antiphon.tool_results import told; print(told({'tags': set('abcdefgh')}))"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert said == {'{"tags":["a","b","c","d","e","f","g","h"]}\n'}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('aé\n"'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("aé"), inner),
)


@given(PLAIN)
def test_json_stays_what_it_is(value):
    assert value == (told(value) if isinstance(value, str) else json.loads(told(value)))
