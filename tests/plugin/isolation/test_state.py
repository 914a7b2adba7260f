"""What of a value is its state: changes of it are noticed, and use of it is none."""

from __future__ import annotations

import asyncio
import decimal
import io
import itertools
import logging
import queue
import random
import re
import threading
from array import array
from collections import OrderedDict, UserDict, UserList, defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, cached_property, partial
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import ClassVar
from unittest.mock import MagicMock

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr, RootModel
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm import Session as Database

from antiphon import Session
from pytest_templates import IsolationViolation, assert_isolated
from pytest_templates.isolation.state import StateReader


class Customer(BaseModel):
    name: str
    _seen: int = PrivateAttr(0)


@dataclass
class Order:
    items: list[str] = field(default_factory=list)

    def add(self, item):
        self.items.append(item)


@dataclass(slots=True)
class Slotted:
    count: int = 0


@attrs.define
class Parcel:
    weight: float = 1.0


class Colour(Enum):
    RED = 1


class Labels(list):
    """A list with an attribute."""

    owner = "nobody"


class Reader:
    """Computes something once, and remembers it."""

    @cached_property
    def words(self):
        return ["one"]

    @staticmethod
    @cache
    def slow(number):
        return number


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "row"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


def loop_of_itself():
    ring: list[object] = [1]
    ring.append(ring)
    return ring


def generator():
    yield from range(3)


CHANGES = {
    "dict": (lambda: {"a": 1}, lambda value: value.update(a=2)),
    "int and bool": (lambda: {"a": 1}, lambda value: value.update(a=True)),
    "int and float": (lambda: {"a": 1}, lambda value: value.update(a=1.0)),
    "text and bytes": (lambda: {"a": "x"}, lambda value: value.update(a=b"x")),
    "digits of a decimal": (
        lambda: {"a": decimal.Decimal("1.0")},
        lambda value: value.update(a=decimal.Decimal("1.00")),
    ),
    "key": (lambda: {1: "a"}, lambda value: (value.pop(1), value.update({True: "a"}))),
    "key of two parts": (lambda: {(1, "x"): "a"}, lambda value: (value.clear(), value.update({(1, "y"): "a"}))),
    "list": (lambda: [1], lambda value: value.append(2)),
    "list in a tuple": (lambda: ([1],), lambda value: value[0].append(2)),
    "set": (lambda: {1}, lambda value: value.add(2)),
    "deque": (lambda: deque([1]), lambda value: value.append(2)),
    "bytearray": (lambda: bytearray(b"a"), lambda value: value.extend(b"b")),
    "array": (lambda: array("i", [1]), lambda value: value.append(2)),
    "defaultdict": (lambda: defaultdict(list), lambda value: value["new"]),
    "OrderedDict": (lambda: OrderedDict(a=1), lambda value: value.update(b=2)),
    "UserDict": (lambda: UserDict(a=1), lambda value: value.update(b=2)),
    "UserList": (lambda: UserList([1]), lambda value: value.append(2)),
    "attribute of a list": (lambda: Labels("ab"), lambda value: setattr(value, "owner", "me")),
    "item of a list with attributes": (
        lambda: (labels := Labels("ab"), setattr(labels, "owner", "me"))[0],
        lambda value: value.append("c"),
    ),
    "view of a dict": (lambda: MappingProxyType(held := {"a": [1]}) and held, lambda value: value["a"].append(2)),
    "pydantic": (lambda: Customer(name="Ada"), lambda value: setattr(value, "name", "Bob")),
    "dataclass": (Order, lambda value: value.items.append("tea")),
    "slots": (Slotted, lambda value: setattr(value, "count", 1)),
    "attrs": (Parcel, lambda value: setattr(value, "weight", 2.0)),
    "namespace": (lambda: SimpleNamespace(a=[1]), lambda value: value.a.append(2)),
    "owner of a method": (lambda: Order().add, lambda value: value("tea")),
    "root of pydantic": (lambda: RootModel[list[int]]([1]), lambda value: value.root.append(2)),
    "argument of a partial": (lambda: partial(print, [1]), lambda value: value.args[0].append(2)),
    "text in memory": (lambda: io.StringIO("a"), lambda value: value.read()),
    "bytes in memory": (io.BytesIO, lambda value: value.write(b"x")),
    "queue": (queue.Queue, lambda value: value.put(1)),
    "queue of tasks": (asyncio.Queue, lambda value: value.put_nowait(1)),
    "random numbers": (lambda: random.Random(1), lambda value: value.random()),
    "iterator": (lambda: iter([1, 2]), next),
    "counter": (itertools.count, next),
    "generator": (generator, next),
    "cyclic": (loop_of_itself, lambda value: value.append(2)),
    "deep": (lambda: [[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]], lambda value: value[0][0][0][0].append(2)),
    "ten megabytes": (lambda: {"a": "x" * 10**7}, lambda value: value.update(a="y" * 10**7)),
    "numpy": (lambda: np.arange(3), lambda value: value.__setitem__(0, 9)),
    "numpy, large": (lambda: np.zeros((100, 100)), lambda value: value.__setitem__((99, 99), 9)),
    "numpy, strided": (lambda: np.zeros((100, 100))[::2, ::3], lambda value: value.__setitem__((49, 0), 9)),
    "numpy, shape": (lambda: np.arange(4), lambda value: value.resize((2, 2), refcheck=False)),
    "numpy, objects": (lambda: np.array(["a", None], dtype=object), lambda value: value.__setitem__(0, 9)),
    "numpy, records": (lambda: np.zeros(3, dtype="i4,f8"), lambda value: value.__setitem__(0, (1, 2.0))),
    "numpy, times": (lambda: np.zeros(2000, dtype="M8[s]"), lambda value: value.__setitem__(0, 9)),
    "numpy, random": (lambda: np.random.default_rng(1), lambda value: value.random()),
    "pandas": (lambda: pd.DataFrame({"a": [1, 2]}), lambda value: value.__setitem__("b", 1)),
    "pandas, cell": (lambda: pd.DataFrame({"a": [1, 2]}), lambda value: value.loc.__setitem__((0, "a"), 9)),
    "pandas, large": (
        lambda: pd.DataFrame({"a": range(5000), "b": "x"}),
        lambda value: value.loc.__setitem__((4999, "a"), 9),
    ),
    "pandas, lists": (
        lambda: pd.DataFrame({"a": [[n] for n in range(2000)]}),
        lambda value: value.loc[1999, "a"].append(1),
    ),
    "pandas, series": (lambda: pd.Series([1, 2]), lambda value: value.__setitem__(0, 9)),
    "pandas, name": (lambda: pd.Series([1, 2]), lambda value: setattr(value, "name", "a")),
    "pandas, integers": (lambda: pd.array([1, None]), lambda value: value.__setitem__(0, 9)),
    "pandas, categories": (lambda: pd.Categorical(["a", "b"]), lambda value: value.__setitem__(0, "b")),
    "pandas, times": (lambda: pd.array(pd.to_datetime(["2026-01-02"])), lambda value: value.__setitem__(0, pd.NaT)),
    "polars": (lambda: pl.DataFrame({"a": [1, 2]}), lambda value: value.__setitem__((0, "a"), 9)),
    "polars, large": (lambda: pl.DataFrame({"a": range(5000)}), lambda value: value.__setitem__((4999, "a"), 9)),
    "row": (lambda: Row(id=1, name="Ada"), lambda value: setattr(value, "name", "Bob")),
}


def held(value):
    return Session(metadata={"held": value})


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(name):
    make, change = CHANGES[name]
    session = Session(metadata={"held": make()})

    with pytest.raises(IsolationViolation, match="held"), assert_isolated(session):
        change(session.metadata["held"])


def read_everything(frame):
    return frame["a"].sum(), frame.describe(), frame.columns, str(frame)


USES = {
    "cached property": (Reader, lambda value: value.words),
    "cached function": (lambda: Reader, lambda value: value.slow(1)),
    "private attribute of pydantic": (lambda: Customer(name="Ada"), lambda value: setattr(value, "_seen", 1)),
    "mock": (MagicMock, lambda value: value.ask("x").then(1)),
    "path": (lambda: Path("a/b"), lambda value: (hash(value), str(value), value.parts, value.parent)),
    "logger": (lambda: logging.getLogger("isolation"), lambda value: value.isEnabledFor(10)),
    "pattern": (lambda: re.compile("a"), lambda value: value.match("a")),
    "match": (lambda: re.match("(a)", "ab"), lambda value: value.groups()),
    "lock": (threading.Lock, lambda value: value.acquire()),
    "enum": (lambda: Colour.RED, lambda value: value.name),
    "class": (lambda: Order, lambda value: value()),
    "module": (lambda: io, lambda value: value.StringIO()),
    "sentinel": (object, hash),
    "closed file in memory": (lambda: (held := io.StringIO(), held.close())[0], repr),
    "nan": (lambda: [float("nan")], lambda value: value.__setitem__(0, float("nan"))),
    "numpy": (lambda: np.arange(3), lambda value: value.sum()),
    "numpy, nan": (lambda: np.array([np.nan]), lambda value: value.__setitem__(0, np.nan)),
    "numpy, scalar": (lambda: np.float64(1), lambda value: value + 1),
    "pandas": (lambda: pd.DataFrame({"a": [1, 2]}), read_everything),
    "pandas, large": (lambda: pd.DataFrame({"a": range(5000)}), read_everything),
    "pandas, series": (lambda: pd.Series([1, None]), lambda value: (value.sum(), value.index.is_unique, str(value))),
    "pandas, index": (lambda: pd.Index(["a", "b"]), lambda value: value.get_loc("b")),
    "pandas, no time": (lambda: [pd.NaT, pd.NA, pd.Timestamp("2026-01-02")], str),
    "polars": (lambda: pl.DataFrame({"a": [1, 2]}), lambda value: (value.sum(), str(value))),
    "polars, series": (lambda: pl.Series([1, None]), lambda value: (value.sort(), str(value))),
    "row": (lambda: Row(id=1, name="Ada"), lambda value: (value.name, value.id)),
}


@pytest.mark.parametrize("name", USES)
def test_use_is_no_change(name):
    make, use = USES[name]
    session = Session(metadata={"held": make()})

    with assert_isolated(session):
        use(session.metadata["held"])


def test_what_a_row_has_not_loaded_is_not_loaded_by_a_look_and_no_change_when_it_is():
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Database(engine) as database:
        database.add(Row(id=1, name="Ada"))
        database.commit()
        row = database.get(Row, 1)
        database.expire(row)
        session = Session(metadata={"row": row})

        with assert_isolated(session):
            assert "name" not in vars(row)
            assert row.name == "Ada"
        with pytest.raises(IsolationViolation, match="'Ada' and is 'Bob'"), assert_isolated(session):
            row.name = "Bob"
        database.expunge(row)
    engine.dispose()
    with assert_isolated(session):
        pass


class Liar:
    """Raises, or lies, whatever it is asked, and notes it."""

    asked: ClassVar[list[str]] = []

    def __init__(self):
        self.__dict__["held"] = [1]

    def _refuse(name):  # noqa: N805 - makes the methods below
        def refuse(self, *_):
            Liar.asked.append(name)
            raise RuntimeError(name)

        return refuse

    for name in ("__eq__", "__iter__", "__len__", "__repr__", "__str__", "__bool__", "__getattr__", "__contains__"):
        locals()[name] = _refuse(name)
    __class__ = property(_refuse("__class__"))

    def __hash__(self):
        Liar.asked.append("__hash__")
        return 1


class LyingDict(dict):
    def items(self):
        raise RuntimeError

    __iter__ = __len__ = keys = values = items


class LyingList(list):
    def __iter__(self):
        raise RuntimeError


def test_no_code_of_the_program_runs_when_it_is_looked_at():
    liar = Liar()
    session = Session(metadata={"liar": liar, "dict": LyingDict(a=1), "list": LyingList([1])})
    Liar.asked.clear()

    with assert_isolated(session):
        pass
    assert Liar.asked == []
    with pytest.raises(IsolationViolation, match="held"), assert_isolated(session):
        liar.__dict__["held"].append(2)
    with pytest.raises(IsolationViolation, match="dict"), assert_isolated(session):
        dict.update(session.metadata["dict"], b=2)
    with pytest.raises(IsolationViolation, match="list"), assert_isolated(session):
        session.metadata["list"].append(2)


def test_what_is_in_many_places_is_read_once():
    value = inmost = [1]
    for _ in range(60):
        value = [value, value]
    session = Session(metadata={"value": value})

    with pytest.raises(IsolationViolation), assert_isolated(session):
        inmost.append(2)
    with assert_isolated(session):
        pass


def test_a_change_is_noticed_however_deep_it_is_and_the_way_to_it_is_cut():
    value = inmost = []
    for _ in range(20_000):
        value = [value]

    with (
        pytest.raises(IsolationViolation, match=r"metadata.* … .*was added: 1") as caught,
        assert_isolated(held(value)),
    ):
        inmost.append(1)
    assert len(str(caught.value)) < 500


class Bad:
    """Cannot even be taken apart."""

    def __getattribute__(self, name):
        raise SystemError(name)


values = st.sampled_from([make for make, _ in [*CHANGES.values(), *USES.values()]] + [Liar, Bad, LyingDict])


@given(makers=st.lists(values, max_size=6))
def test_looking_never_raises_and_sees_the_same_twice(makers):
    held = [make() for make in makers]
    reader = StateReader()

    one = reader.value(held)
    reader.begin()
    assert reader.same(one, reader.value(held))
