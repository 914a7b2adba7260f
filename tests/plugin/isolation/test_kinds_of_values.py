"""Values of many kinds in a parent's metadata: what is seen of a change, and what use of them is none."""

from __future__ import annotations

import argparse
import ast
import asyncio
import ctypes
import datetime as dt
import io
import itertools
import logging
import queue
import random
import re
import sys
import threading
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, deque
from configparser import ConfigParser
from dataclasses import dataclass, field
from decimal import Decimal
from email.message import EmailMessage
from enum import Enum
from fractions import Fraction
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import attrs
import httpx
import numpy as np
import pandas as pd
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel
from requests.structures import CaseInsensitiveDict
from sortedcontainers import SortedDict, SortedList, SortedSet
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from antiphon import CleanSessionStrategy, Session
from pytest_templates import IsolationViolation, assert_isolated
from pytest_templates.isolation.aliasing import escaped, shared_with
from pytest_templates.isolation.state import StateReader


class Red(Enum):
    A = "a"


Crimson = Enum("Red", {"A": "a"})
Red.A.note = "one"


class One(BaseModel):
    x: int


class Other(BaseModel):
    x: int


class Point:
    def __init__(self):
        self.tags = []
        self.object = "chat.completion"


@dataclass(frozen=True)
class Key:
    tags: list[str] = field(default_factory=list, hash=False)


class Labels(list):
    pass


class Failure(Exception):
    pass


class Desk(queue.Queue):
    def __init__(self):
        super().__init__()
        self.staff = ["Ada"]


class Dice(random.Random):
    pass


class Survey(pd.DataFrame):
    _metadata = ["_sources"]  # noqa: RUF012 - as pandas has it

    @property
    def _constructor(self):
        return Survey


class Day(dt.date):
    def __format__(self, _):
        raise RuntimeError("asked for its text")

    __str__ = __repr__ = isoformat = __format__


class Moment(dt.datetime):
    pass


class Price(Decimal):
    pass


class Memory:
    """Opens its client, and fills its cache, when it is first used."""

    def __init__(self):
        self.asked = 0
        self._client = None
        self._cache = {}
        self._memory = {}
        self._note = None

    def ask(self):
        self._client = self._client or httpx.Client()
        self._cache["one"] = 1


class Base(DeclarativeBase):
    pass


class Parcel(Base):
    __tablename__ = "parcel"
    id: Mapped[int] = mapped_column(primary_key=True)
    weight: Mapped[int]


@attrs.define
class Box:
    things: list[str] = attrs.field(factory=list)


class Pair(ctypes.Structure):
    _fields_ = (("first", ctypes.c_int), ("second", ctypes.c_int))


def mail(to):
    made = EmailMessage()
    made["To"] = to
    made.set_content("Hello.")
    return made


def settings():
    made = ConfigParser()
    made.read_string("[desk]\nopen = yes\n")
    return made


def with_attribute(value, name, held):
    setattr(value, name, held)
    return value


def at_one_place():
    number = 0
    while True:
        number += 1
        yield "again"


def over(items):
    for _ in items:
        yield "again"


def closure_over(held):
    def function():
        return held

    return function


def remembers(question, *, seen=[]):  # noqa: B006
    return seen


def of_a(change):
    """Changes the value under the key ``a``."""
    return lambda value: value.update(a=change(value["a"]))


def objects(number):
    return pd.DataFrame({"a": pd.Series([*range(number)], dtype=object)})


HOUR = dt.datetime.fromisoformat("2026-10-25T02:30:00")
REPLACED = {
    "list for a tuple": ((1, 2), [1, 2]),
    "tuple for a list": ([1, 2], (1, 2)),
    "frozenset for a set": ({1, 2}, frozenset({1, 2})),
    "dict for an OrderedDict": (OrderedDict(a=1), {"a": 1}),
    "enum of the same name": (Red.A, Crimson.A),
    "text of an enum": (Red.A, "<Red.A>"),
    "pydantic object of another class": (One(x=1), Other(x=1)),
    "text for the content of a table": (pd.DataFrame({"a": range(5000)}), "<content >"),
    "value instead of its list": ([1], 1),
    "equal instance of a class": (Point(), Point()),
    "fold": (HOUR, HOUR.replace(fold=1)),
    "zone": (HOUR.replace(tzinfo=dt.UTC), HOUR),
    "huge number": (10**5000, 10**5000 + 1),
    "huge fraction": (Fraction(10**5000, 3), Fraction(10**5000, 7)),
    "huge number in a set": ({10**5000}, {10**5000 + 1}),
    "function": (closure_over(1), closure_over(1)),
}
CHANGED = {
    "order of an OrderedDict": (lambda: OrderedDict(a=1, b=2), lambda value: value.move_to_end("a")),
    "factory of a defaultdict": (
        lambda: defaultdict(list, a=1),
        lambda value: setattr(value, "default_factory", dict),
    ),
    "object that is a key": (lambda: {Key(): 1}, lambda value: next(iter(value)).tags.append("x")),
    "object in a key": (lambda: {(1, Key()): 1}, lambda value: next(iter(value))[1].tags.append("x")),
    "object in a set": (lambda: {Key()}, lambda value: next(iter(value)).tags.append("x")),
    "object with an attribute called object": (lambda: {"a": Point()}, of_a(lambda _: Point())),
    "list with an attribute called items": (
        lambda: with_attribute(Labels([1]), "items", [1]),
        lambda value: value.items.append(2),
    ),
    "list with an attribute called items, an item": (
        lambda: with_attribute(Labels([1]), "items", [1]),
        lambda value: value.append(2),
    ),
    "text with an attribute called value": (
        lambda: with_attribute(type("Text", (str,), {})("a"), "value", [1]),
        lambda value: value.value.append(2),
    ),
    "argument of an exception": (
        lambda: with_attribute(Failure([1]), "code", 3),
        lambda value: value.args[0].append(2),
    ),
    "attribute of an exception": (
        lambda: with_attribute(Failure([1]), "code", 3),
        lambda value: setattr(value, "code", 4),
    ),
    "note of an exception": (lambda: ValueError("a"), lambda value: value.add_note("b")),
    "code of an exit": (lambda: SystemExit([1]), lambda value: value.code.append(2)),
    "cause of an exception": (lambda: ValueError("a"), lambda value: setattr(value, "__cause__", KeyError("b"))),
    "attribute of a date": (
        lambda: with_attribute(Day(2026, 1, 2), "note", 1),
        lambda value: setattr(value, "note", 2),
    ),
    "attribute of a datetime": (
        lambda: with_attribute(Moment(2026, 1, 2), "note", 1),
        lambda value: setattr(value, "note", 2),
    ),
    "attribute of a decimal": (
        lambda: with_attribute(Price("1.0"), "note", 1),
        lambda value: setattr(value, "note", 2),
    ),
    "date of the program's own class": (lambda: {"a": Day(2026, 1, 2)}, of_a(lambda _: Day(2026, 1, 3))),
    "generator that stands at one place": (lambda: (made := at_one_place(), next(made))[0], next),
    "generator in a loop over equal items": (lambda: (made := over([1, 1, 1]), next(made))[0], next),
    "generator of a local list": (
        lambda: (made := over([[1], [2]]), next(made))[0],
        lambda value: value.gi_frame.f_locals["items"][1].append(3) if sys.version_info < (3, 13) else next(value),
    ),
    "chain": (lambda: itertools.chain([1, 2], [3]), next),
    "islice": (lambda: itertools.islice([1, 2, 3], 2), next),
    "enumerate": (lambda: enumerate([1, 2]), next),
    "zip": (lambda: zip([1, 2], [3, 4], strict=True), next),
    "map": (lambda: map(str, [1, 2]), next),
    "filter": (lambda: filter(None, [1, 2]), next),
    "reversed": (lambda: reversed([1, 2]), next),
    "iterator over a text": (lambda: iter("abc"), next),
    "iterator over a deque": (lambda: iter(deque([1, 2])), next),
    "iterator over bytes": (lambda: iter(b"abc"), next),
    "repeat": (lambda: itertools.repeat("a", 3), next),
    "list that an iterator goes over": (lambda: iter([[1]]), lambda value: value.__reduce__()[1][0][0].append(2)),
    "writeable": (lambda: np.arange(3), lambda value: setattr(value.flags, "writeable", False)),
    "attrs of a series": (lambda: pd.Series([1]), lambda value: value.attrs.update(a=1)),
    "attrs of a table": (lambda: pd.DataFrame({"a": [1]}), lambda value: value.attrs.update(a=1)),
    "flags of a table": (
        lambda: pd.DataFrame({"a": [1]}),
        lambda value: setattr(value.flags, "allows_duplicate_labels", False),
    ),
    "name of an index": (lambda: pd.DataFrame({"a": [1]}), lambda value: setattr(value.index, "name", "b")),
    "name of a large index": (lambda: objects(2000), lambda value: setattr(value.index, "name", "b")),
    "names of columns": (lambda: pd.DataFrame({"a": [1]}), lambda value: setattr(value.columns, "name", "b")),
    "categories": (
        lambda: pd.DataFrame({"a": pd.Categorical(["x"])}),
        lambda value: value.__setitem__("a", value["a"].cat.add_categories("y")),
    ),
    "text for a number in a large column of objects": (
        lambda: objects(2000),
        lambda value: value.loc.__setitem__((7, "a"), "7"),
    ),
    "large text column": (
        lambda: pd.DataFrame({"a": ["x"] * 2000}),
        lambda value: value.loc.__setitem__((7, "a"), "y"),
    ),
    "large column of times": (
        lambda: pd.DataFrame({"a": pd.date_range("2026", periods=2000, tz="UTC")}),
        lambda value: value.loc.__setitem__((7, "a"), pd.Timestamp("2020-01-01", tz="UTC")),
    ),
    "list in a slice": (lambda: slice([1], 2), lambda value: value.start.append(2)),
    "attribute of an enum": (lambda: Red.A, lambda value: setattr(value, "note", value.note + "!")),
    "attribute of a function": (
        lambda: with_attribute(closure_over(1), "calls", [1]),
        lambda value: value.calls.append(2),
    ),
    "closure of a function": (lambda: closure_over([1]), lambda value: value().append(2)),
    "default of a function": (lambda: remembers, lambda value: value("?").append(2)),
    "argument of a partial": (lambda: partial(print, end=[1]), lambda value: value.keywords["end"].append(2)),
    "ChainMap": (lambda: ChainMap({}, {"a": [1]}), lambda value: value["a"].append(2)),
    "UserDict": (lambda: UserDict(a=[1]), lambda value: value["a"].append(2)),
    "UserList": (lambda: UserList([[1]]), lambda value: value[0].append(2)),
    "namespace of arguments": (lambda: argparse.Namespace(a=1), lambda value: setattr(value, "a", 2)),
    "largest size of a deque": (lambda: {"a": deque([1], 2)}, of_a(lambda _: deque([1], 3))),
    "private attribute": (Memory, lambda value: value._memory.update(a=1)),
    "private attribute that is a text at last": (Memory, lambda value: setattr(value, "_note", "x")),
    "attrs": (Box, lambda value: value.things.append("x")),
    "row": (lambda: Parcel(id=1, weight=1), lambda value: setattr(value, "weight", 2)),
    "attribute of a queue of the program's": (Desk, lambda value: value.staff.append("Bo")),
    "attribute of a generator of the program's": (
        lambda: with_attribute(Dice(1), "thrown", []),
        lambda value: value.thrown.append(6),
    ),
    "attribute of a table of the program's": (
        lambda: with_attribute(Survey({"a": [1]}), "_sources", []),
        lambda value: value._sources.append("post"),
    ),
    "element of XML": (lambda: ElementTree.fromstring("<a><b/></a>"), lambda value: value[0].set("c", "d")),
    "document of XML": (
        lambda: ElementTree.ElementTree(ElementTree.fromstring("<a><b>x</b></a>")),
        lambda value: setattr(value.getroot()[0], "text", "y"),
    ),
    "mail": (lambda: mail("Ada"), lambda value: value.replace_header("To", "Bo")),
    "text of a mail": (lambda: mail("Ada"), lambda value: value.set_content("Bye.")),
    "text before the parts of a mail": (lambda: mail("Ada"), lambda value: setattr(value, "preamble", "Hi.")),
    "text after the parts of a mail": (lambda: mail("Ada"), lambda value: setattr(value, "epilogue", "Bye.")),
    "settings from a file": (settings, lambda value: value.set("desk", "open", "no")),
    "message of protobuf": (lambda: Timestamp(seconds=1), lambda value: setattr(value, "seconds", 2)),
    "number of C": (lambda: ctypes.c_int(1), lambda value: setattr(value, "value", 2)),
    "array of C": (lambda: (ctypes.c_int * 2)(1, 2), lambda value: value.__setitem__(1, 3)),
    "structure of C": (lambda: Pair(1, 2), lambda value: setattr(value, "second", 3)),
    "part of a program": (lambda: ast.parse("a = 1"), lambda value: setattr(value.body[0].targets[0], "id", "b")),
    "sorted list": (lambda: SortedList([1]), lambda value: value.add(2)),
    "sorted set": (lambda: SortedSet([1]), lambda value: value.add(2)),
    "list in a sorted dict": (lambda: SortedDict(a=[1]), lambda value: value["a"].append(2)),
    "headers": (lambda: httpx.Headers({"a": "1"}), lambda value: value.update({"b": "2"})),
    "dict without case": (lambda: CaseInsensitiveDict(a="1"), lambda value: value.update(b="2")),
    "value that is in a queue": (
        lambda: (made := queue.Queue(), made.put([1]))[0],
        lambda value: value.queue[0].append(2),
    ),
}


@pytest.mark.parametrize("name", REPLACED)
def test_another_value_in_its_place_is_a_change(name):
    before, after = REPLACED[name]
    session = Session(metadata={"held": before})

    with pytest.raises(IsolationViolation, match="held"), assert_isolated(session):
        session.metadata["held"] = after


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_is_noticed_and_said_where_it_is(name):
    make, change = CHANGED[name]
    session = Session(metadata={"held": make()})

    with pytest.raises(IsolationViolation, match="held") as caught, assert_isolated(session):
        change(session.metadata["held"])
    assert "unseen" not in str(caught.value)


USED = {
    "client that is opened, and a cache that is filled": (Memory, Memory.ask),
    "engine": (lambda: create_engine("sqlite://"), lambda value: ask_and_close(value)),
    "statement": (lambda: select(Parcel), lambda value: (str(value), value.selected_columns)),
    "row that is compared": (lambda: Parcel(id=1, weight=1), lambda value: (value.id, value == value)),
    "exception that is raised and caught": (lambda: Failure("a"), lambda value: caught(value)),
    "function that is called": (lambda: closure_over([1]), lambda value: value()),
    "logger": (lambda: logging.getLogger("a"), lambda value: (value.setLevel(10), value.isEnabledFor(10))),
    "mock": (MagicMock, lambda value: value.send("a")),
    "pattern": (lambda: re.compile("(a)"), lambda value: value.fullmatch("a")),
    "namespace": (lambda: SimpleNamespace(a=1), repr),
    "iterator that is not moved": (lambda: iter([1]), lambda value: value.__length_hint__()),
    "generator that is not moved": (at_one_place, lambda value: value.gi_running),
    "flag that is joined": (lambda: re.ASCII, lambda value: value | re.IGNORECASE),
    "dates": (lambda: [Day(2026, 1, 2), Moment.now(dt.UTC)], lambda value: [one.year for one in value]),
    "column of objects": (lambda: objects(2000), lambda value: (value["a"].sum(), value.index.is_unique)),
    "queue of the program's own class": (lambda: Desk(), lambda value: (value.put(1), value.get())),
}


def ask_and_close(engine):
    Base.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.execute(select(Parcel.id)).close()
    engine.dispose()


def caught(error):
    try:
        try:
            raise KeyError
        except KeyError:
            raise error from None
    except Failure:
        return


@pytest.mark.parametrize("name", USED)
def test_use_is_no_change(name):
    make, use = USED[name]
    session = Session(metadata={"held": make()})

    with assert_isolated(session):
        use(session.metadata["held"])


class Raising(type):
    """A metaclass that answers no question."""

    def _refuse(cls, *_):
        raise RuntimeError("asked")

    __hash__ = __eq__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = __repr__ = _refuse
    __name__ = __mro__ = property(_refuse)


class Descriptor:
    def __get__(self, instance, owner):
        raise RuntimeError("asked")


class Described:
    x = Descriptor()

    def __init__(self):
        self.__dict__["x"] = [1]


class Pretending:
    @property
    def __class__(self):
        return dict


class Secretive:
    __slots__ = ("held",)

    def __getattribute__(self, name):
        raise RuntimeError("asked")


class Logging(dict):
    """Notes what is written to it."""

    def __setitem__(self, key, value):
        raise RuntimeError("written to")


STRANGE = {
    "metaclass": lambda: Raising.__call__(type.__call__(Raising, "Strange", (), {})),
    "descriptor": Described,
    "another class": Pretending,
    "slots": Secretive,
    "writes": lambda: Logging(a=1),
    "huge numbers": lambda: [{10**5000}, Fraction(10**5000, 3), {10**5000: 1}, 10**5000],
    "deep tuple": lambda: nested(10_000),
    "loop": lambda: (ring := [], ring.append((ring, {1: ring})))[0],
}


def nested(depth):
    made = ()
    for _ in range(depth):
        made = (made,)
    return made


@pytest.mark.parametrize("name", STRANGE)
def test_looking_raises_nothing_and_runs_nothing(name):
    session = Session(metadata={"held": STRANGE[name]()})

    with assert_isolated(session):
        pass
    with pytest.raises(IsolationViolation, match="held"), assert_isolated(session):
        session.metadata["held"] = None
    with pytest.raises(IsolationViolation, match="held"), assert_isolated(session):
        session.metadata["held"] = STRANGE[name]()
    assert [*shared_with(session, Session(), models=True)] == []
    assert escaped(Session(metadata={"a": session.metadata["held"]}), dict) == []


UNSEEN = {
    "engine": lambda: create_engine("sqlite://"),
    "client": httpx.Client,
    "lock": threading.Lock,
    "cycle": lambda: itertools.cycle([1]),
    "what a structure of C points to": lambda: ctypes.pointer(ctypes.c_int(1)),
    "attributes of a library's kind of dict": lambda: SimpleCookie("a=b")["a"],
    "matches": lambda: re.finditer("a", "aa"),
    "metaclass that answers nothing": STRANGE["metaclass"],
}


@pytest.mark.parametrize("name", [*UNSEEN])
def test_what_cannot_be_looked_into_is_said_to_be_unseen(name):
    reader = StateReader()
    reader.value(UNSEEN[name]())

    assert len(reader.unseen) == 1


def test_of_what_is_seen_in_part_the_end_of_the_run_says_which(project):
    project.tests(
        """
from http.cookies import SimpleCookie
from antiphon import LinearTemplate, Runner, Session, SubroutineTemplate, SystemTemplate

def test_cookie(scripted_model):
    tree = SubroutineTemplate(LinearTemplate([SystemTemplate("Hi.")]), "greet")
    Runner(scripted_model(), template=tree).run(Session(metadata={"cookie": SimpleCookie("a=b")}))
"""
    )

    result = project.run()

    project.says(result, "identity alone: metadata['cookie']['a'] (Morsel, its attributes); pytest_templates_state")


SHARED = {
    "queue": lambda: queue.Queue(),
    "queue that holds something": lambda: (made := queue.Queue(), made.put([1]))[0],
    "queue of tasks": asyncio.Queue,
    "client": httpx.Client,
    "iterator over a list": lambda: iter([[1]]),
    "closure": lambda: closure_over([1]),
    "enum": lambda: Red.A,
    "file in memory": lambda: io.StringIO("a"),
    "row with what is not loaded": Parcel,
    "table": lambda: pd.DataFrame({"a": pd.Categorical(["x"]), "b": [1]}),
    "column": lambda: pd.Series(pd.Categorical(["x"]), index=pd.MultiIndex.from_tuples([(1, 2)])),
    "index": lambda: pd.Index(["a", "b"]),
    "array": lambda: np.array(["a", None, [1]], dtype=object),
    "exception": lambda: Failure("a"),
    "bound method": lambda: Memory().ask,
    "zone and path": lambda: [ZoneInfo("UTC"), Path("a"), pd.Timestamp("2026-01-02"), np.float64(1)],
    "dates": lambda: [Day(2026, 1, 2), dt.timedelta(1), HOUR, dt.UTC],
    "ChainMap": lambda: ChainMap({}, {"a": 1}),
    "namespace": lambda: SimpleNamespace(a=[1], b=argparse.Namespace(c=[1])),
    "text of a class of its own": lambda: with_attribute(type("Text", (str,), {})("a"), "note", 1),
}


@pytest.mark.parametrize("name", SHARED)
def test_what_copies_share_on_purpose_is_not_said_to_be_shared(name):
    parent = Session(metadata={"held": SHARED[name]()})
    child = CleanSessionStrategy().initialize(parent)

    assert [*shared_with(parent, child, models=True)] == []


def test_what_is_made_for_a_look_is_not_said_to_be_outside_as_well():
    tables = [pd.DataFrame({"a": [number], "b": pd.Categorical(["x"])}) for number in range(20)]
    around = lambda: {"theirs": StateReader().value([table.copy() for table in tables])}  # noqa: E731

    assert escaped(Session(metadata={"own": tables}), around) == []
