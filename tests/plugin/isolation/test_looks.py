"""What of one value is its state, by its type and by its size."""

from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import enum
import io
import itertools
import re
import sys
import threading
import types
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any, ClassVar

import attrs
import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from antiphon import Message, Session, UserTemplate
from pytest_templates import ScriptedModel
from pytest_templates.isolation.content import is_cache, plan_of
from pytest_templates.isolation.differences import differences, lines_of
from pytest_templates.isolation.state import StateReader


def changes(value, change):
    """The lines about a value that is read twice, with a change in between; they and `same` agree."""
    reader = StateReader()
    before = {"it": reader.value(value)}
    change(value)
    reader.begin()
    after = {"it": reader.value(value)}
    found = [line for line, _ in lines_of(differences(before, after))]
    assert reader.same(before, after) is not bool(found)
    return found


def unseen_in(value):
    """The kinds of which nothing but the identity is compared."""
    reader = StateReader()
    reader.value(value)
    return {one.kind for one in reader.unseen.values()}


def array_of(size):
    return np.zeros(size)


def grid_of(size):
    return np.zeros((size, 1))


def table_of(size):
    return pd.DataFrame({"a": [0] * (size // 2), "b": [0] * (size // 2)})


def column_of(size):
    return pd.Series([0] * size)


def index_of(size):
    return pd.DataFrame(index=pd.Index([0] * size))


def exchanged(table):
    table.index = pd.Index([9, *table.index[1:]])


def polars_table_of(size):
    return pl.DataFrame({"a": [0] * (size // 2), "b": [0] * (size // 2)})


def polars_column_of(size):
    return pl.Series("a", [0] * size)


SIZED = {
    array_of: lambda value: value.__setitem__(0, 9),
    grid_of: lambda value: value.__setitem__((0, 0), 9),
    table_of: lambda value: value.loc.__setitem__((0, "a"), 9),
    column_of: lambda value: value.__setitem__(0, 9),
    index_of: exchanged,
    polars_table_of: lambda value: value.__setitem__((0, "a"), 9),
    polars_column_of: lambda value: value.__setitem__(0, 9),
}


@pytest.mark.parametrize("make", SIZED)
@pytest.mark.parametrize(("size", "is_shown"), [(998, True), (1000, True), (1002, False)])
def test_up_to_a_thousand_values_are_compared_one_by_one_and_more_as_a_whole(make, size, is_shown):
    [line] = changes(make(size), SIZED[make])

    assert ("<content " in line) is not is_shown
    assert ("9" in line) is is_shown or not is_shown
    assert changes(make(size), lambda _: None) == []


@pytest.mark.parametrize("make", [array_of, column_of, polars_column_of, index_of])
def test_the_thousand_and_first_value_makes_it_many(make):
    [line] = changes(make(1001), SIZED[make])

    assert "<content " in line


def test_values_of_python_in_large_arrays_and_tables_are_compared_one_by_one():
    assert changes(np.array([0] * 2000, dtype=object), lambda value: value.__setitem__(5, 9)) == [
        "it[5] was 0 and is 9"
    ]
    texts = np.array(["a"] * 2000, dtype=np.dtypes.StringDType())
    assert changes(texts, lambda value: value.__setitem__(5, "b")) == ["it[5] was 'a' and is 'b'"]
    column = pd.Series([0] * 2000, dtype=object)
    assert changes(column, lambda value: value.__setitem__(5, 9)) == ["it[5] was 0 and is 9"]


def test_an_array_without_dimensions_has_one_value():
    assert changes(np.array(1), lambda value: value.__setitem__((), 2)) == ["it[0] was 1 and is 2"]


class Measures(np.ndarray):
    """An array of a class of the program's."""


def test_an_array_of_another_class_has_its_attributes_as_well():
    def measures():
        made = np.zeros(3).view(Measures)
        made.unit = "cm"
        return made

    assert changes(measures(), lambda value: setattr(value, "unit", "mm")) == ["it.unit was 'cm' and is 'mm'"]
    assert changes(measures(), lambda value: value.__setitem__(1, 5)) == ["it[1] was 0.0 and is 5.0"]


def test_of_a_masked_array_the_mask_and_the_values_are_state():
    def masked(*values):
        return np.ma.MaskedArray(values or [1, 2], mask=[False, True])

    assert changes(masked(), lambda value: value.mask.__setitem__(0, True)) == ["it.mask[0] was False and is True"]
    assert changes(masked(), lambda value: value.__setitem__(0, 5)) == ["it[0] was 1 and is 5"]
    assert changes(masked(), lambda value: value.set_fill_value(7)) == ["it.fill_value was 999999 and is 7"]
    for values in ([], [1.5, 2.5], ["a", "b"], [True, False], [dt.date.min, dt.date.max], [None, "x"], [1j, 2j]):
        assert changes(masked(*values), lambda value: (value.copy(), value.fill_value, repr(value))) == []
    for kind in ("i4,f8", "M8[s]", "m8[D]", "S3"):
        assert changes(np.ma.zeros(2, dtype=kind), lambda value: (value.fill_value, repr(value))) == []


def levels(*last):
    return pd.DataFrame({"a": range(len(last))}, index=pd.MultiIndex.from_tuples([(1, one) for one in last]))


@pytest.mark.parametrize("count", [2, 2000])
def test_an_index_of_several_levels_is_state(count):
    def replace(table):
        table.index = levels("x", *["y"] * (count - 1)).index

    [line] = changes(levels(*["y"] * count), replace)
    assert ("<content " in line) is (count > 1000)
    assert changes(levels(*["y"] * count), lambda table: setattr(table, "index", table.index.copy())) == []


def test_the_kind_of_the_levels_of_an_index_is_state():
    for numbers in ([1, 2], [*range(2000)]):

        def replace(table, numbers=numbers):
            table.index = levels(*map(float, numbers)).index

        assert "it.index.levels[1] was 'int64' and is 'float64'" in changes(levels(*numbers), replace)


def test_a_range_is_told_apart_by_its_numbers():
    def replace(table):
        table.index = pd.RangeIndex(1, 4)

    assert len(changes(pd.DataFrame({"a": [1, 2, 3]}), replace)) == 1


def ordered(table):
    table["a"] = table["a"].cat.as_ordered()


def test_categories_are_state_and_whether_they_have_an_order():
    assert len(changes(pd.DataFrame({"a": pd.Categorical(["x"])}), ordered)) == 1
    assert changes(pd.DataFrame({"a": pd.Categorical(["x"] * 2000)}), ordered) != []


def test_the_type_of_a_column_is_state():
    def widened(table):
        table["a"] = table["a"].astype("int32")

    [line] = changes(pd.DataFrame({"a": [1]}), widened)
    assert "dtypes" in line
    assert changes(pl.DataFrame({"a": [1]}), lambda one: one.replace_column(0, one["a"].cast(pl.Int32))) != []


def test_polars_tables_of_python_objects_are_compared_one_by_one():
    held = [[0] for _ in range(1001)]  # which cannot be hashed
    table, column = pl.DataFrame({"a": pl.Series(held, dtype=pl.Object)}), pl.Series("a", held, dtype=pl.Object)

    assert changes(table, lambda _: held[5].append(1)) == ["it.values[5][0][1] was added: 1"]
    assert changes(column, lambda _: held[5].append(2)) == ["it.values[5][0][2] was added: 2"]
    assert changes(table, lambda _: None) == []
    assert unseen_in([table, column]) == set()


def test_what_cannot_be_counted_by_its_text_is_not_seen():
    for value, is_seen in (
        (itertools.count(1), True),
        (itertools.count(1.5, 0.5), True),
        (itertools.count(decimal.Decimal(1)), False),
        (itertools.count(1, Fraction(1, 2)), False),
    ):
        reader = StateReader()
        reader.value(value)
        assert (reader.unseen == {}) is is_seen


def with_defaults(one, /, two, three=[1], *rest, four=[2], five=None, **more):  # noqa: B006
    return one, two, three, rest, four, five, more


def without_defaults(one, two):
    return one, two


def test_defaults_of_a_function_are_state_under_the_names_of_its_parameters():
    assert changes(with_defaults, lambda value: value.__defaults__[0].append(5)) == ["it.three[1] was added: 5"]
    assert changes(with_defaults, lambda value: value.__kwdefaults__["four"].append(5)) == ["it.four[1] was added: 5"]
    with_defaults.__defaults__[0].remove(5)
    with_defaults.__kwdefaults__["four"].remove(5)
    assert changes(without_defaults, lambda value: setattr(value, "note", 1)) == ["it.note was added: 1"]
    del without_defaults.note
    assert changes(re.sub, lambda value: setattr(value, "note", 1)) == []  # what others define is told by identity
    del re.sub.note


def test_a_function_may_have_more_defaults_than_parameters():  # as decorators leave them that keep a signature
    def decorated(*given):
        return given

    decorated.__defaults__ = ([1], [2])

    assert changes(decorated, lambda value: setattr(value, "note", 1)) == ["it.note was added: 1"]


def test_a_variable_of_a_closure_that_gets_its_value_later_is_no_change():
    def function():
        return later

    def give(_):
        nonlocal later
        later = [1]

    assert changes(function, give) == []
    assert changes(function, lambda _: later.append(2)) == ["it.later[1] was added: 2"]
    later = []


class Missing(OSError):
    """An error with what the system said."""


def test_what_builtin_exceptions_hold_beside_their_arguments_is_state():
    error = Missing(2, "gone")
    assert changes(error, lambda value: setattr(value, "filename", "a.txt")) == ["it.filename was None and is 'a.txt'"]
    assert changes(error, lambda value: setattr(value, "errno", 3)) == ["it.errno was 2 and is 3"]
    assert changes(error, lambda value: setattr(value, "note", 3)) == ["it.note was added: 3"]
    assert changes(error, lambda value: setattr(value, "__cause__", None)) == []
    assert changes(SystemExit(1), lambda value: setattr(value, "code", 2)) == ["it.code was 1 and is 2"]
    assert changes(ImportError("a"), lambda value: setattr(value, "name", "b")) == ["it.name was None and is 'b'"]


def test_methods_and_partials_are_told_apart_by_what_they_call_with_what():
    held = collections.UserList([1])
    assert changes(held.append, lambda value: value(2)) == ["it.self.data[1] was added: 2"]
    assert changes(partial(print, [1], sep=[2]), lambda value: value.args[0].append(3)) == [
        "it.args[0][1] was added: 3"
    ]


@dataclass
class Plain:
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    notes: tuple[str, ...] = ()


class Fields(BaseModel):
    a: int = 1


class FrozenFields(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: int = 1


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "row_of_looks"
    id: Mapped[int] = mapped_column(primary_key=True)


class Colour(enum.Enum):
    RED = 1


class Text(str):
    __slots__ = ("note",)


class Answering(ScriptedModel):
    pass


MUTABLE = [
    *([], {}, set(), bytearray(), array.array("i"), collections.deque(), collections.OrderedDict(), Plain(), Fields()),
    *(collections.defaultdict(), types.SimpleNamespace(), ValueError(), np.zeros(1), pd.Series([1])),
    *(collections.UserDict(), Answering()),
]
UNCHANGING = [
    *((), frozenset(), "a", 1, 1.0, 1j, b"", None, True, range(1), slice(1), memoryview(b""), Frozen(), FrozenFields()),
    *(Colour.RED, Text("a"), decimal.Decimal(1), Fraction(1), dt.date.min, dt.time.min, dt.timedelta(1), dt.UTC),
    *(re.compile("a"), re.match("a", "a"), types.MappingProxyType({}), [].append, len, Plain, re, UserTemplate("x")),
    *(
        object(),
        threading.Lock(),
        io.StringIO(),
        iter([]),
        httpx.Client,
        np.float64(1),
        pd.Timestamp(0),
        with_defaults,
        property(),
        "a".join,
    ),
]


@pytest.mark.parametrize("value", MUTABLE, ids=lambda value: type(value).__name__)
def test_what_can_be_changed_in_place_is_told(value):
    assert plan_of(type(value)).is_mutable


@pytest.mark.parametrize("value", UNCHANGING, ids=lambda value: type(value).__name__)
def test_what_cannot_be_changed_in_place_or_is_never_copied_is_told(value):
    assert not plan_of(type(value)).is_mutable


class Metaclass(type):
    def __hash__(cls):
        return 1


class Strange(metaclass=Metaclass):
    pass


def flags(kind: type[Any]) -> set[str]:
    plan = plan_of(kind)
    return {name for name in ("is_model", "is_data", "is_users", "is_copied", "is_hashable") if getattr(plan, name)}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Plain, {"is_users", "is_copied", "is_hashable"}),
        (Fields, {"is_data", "is_users", "is_copied", "is_hashable"}),
        (Text, {"is_data", "is_users", "is_copied", "is_hashable"}),
        (Answering, {"is_model", "is_data", "is_users", "is_copied", "is_hashable"}),
        (Strange, {"is_users", "is_copied"}),
        (Session, {"is_data", "is_users", "is_copied", "is_hashable"}),
        (UserTemplate, {"is_users", "is_hashable"}),
        (list, {"is_data", "is_copied", "is_hashable"}),
        (tuple, {"is_copied", "is_hashable"}),
        (slice, {"is_hashable"}),
        (types.FunctionType, {"is_hashable"}),
        (types.ModuleType, {"is_hashable"}),
        (type(threading.Lock()), {"is_hashable"}),
        (np.ndarray, {"is_copied", "is_hashable"}),
    ],
)
def test_what_is_known_of_a_type(kind, expected):
    assert flags(kind) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("_cache", "_cached", "_caches", "_memo", "_memos", "_memoized", "_my_cache", "_cache_of_words", "_a_memo_b"),
        *("_cached_words", "__cache", "_x__cache__y"),
    ],
)
def test_a_private_name_with_the_word_for_it_is_one_of_a_cache(name):
    assert is_cache(name)


@pytest.mark.parametrize("name", ["cache", "_memory", "_cachet", "_acache", "_cachex_y", "_", "", "_words", "my_cache"])
def test_other_names_are_none_of_a_cache(name):
    assert not is_cache(name)


class Remembering:
    """Fills what it has for itself, and what is for all."""

    def __init__(self):
        self._cache, self.cache, self._words = {}, {}, {}


def test_a_private_cache_may_be_filled():
    assert changes(Remembering(), lambda value: value._cache.update(a=1)) == []
    assert changes(Remembering(), lambda value: value.cache.update(a=1)) == ["it.cache['a'] was added: 1"]
    assert changes(Remembering(), lambda value: value._words.update(a=1)) == ["it.words['a'] was added: 1"]


def test_a_message_is_compared_by_its_fields():
    message = Message(role="user", content="a")
    assert changes(message, lambda value: vars(value).update(content="b")) == ["it.content was 'a' and is 'b'"]


def test_files_in_memory_are_told_apart_by_content_and_position():
    held = io.BytesIO(b"abc")
    assert changes(held, lambda value: value.read(1)) == ["it.position was 0 and is 1"]
    assert changes(held, lambda value: value.seek(1)) == []
    assert len(changes(held, lambda value: value.close())) == 1
    assert changes(held, lambda value: value.close()) == []
    assert unseen_in(held) == set()


def generator():
    yield from range(2)


def ended():
    made = generator()
    assert [*made] == [0, 1]
    return made


EQUAL = {
    "exception": lambda: ValueError("a"),
    "namespace": lambda: types.SimpleNamespace(a=1),
    "partial": lambda: partial(print, 1),
    "iterator": lambda: iter((1, 2)),
    "reversed": lambda: reversed("ab"),
    "enumerate": lambda: enumerate("ab"),
    "chain": lambda: itertools.chain("ab"),
    "zip": lambda: zip("ab", strict=True),
    "count": itertools.count,
    "cycle": lambda: itertools.cycle("ab"),
    "generator": generator,
    "ended generator": ended,
    "function": lambda: lambda: None,
    "dataclass": Plain,
    "row": lambda: Row(id=1),
}


@pytest.mark.parametrize("name", EQUAL)
def test_an_equal_object_in_its_place_is_another_one(name):
    held = [EQUAL[name]()]

    assert changes(held, lambda _: None) == []
    assert len(changes(held, lambda value: value.__setitem__(0, EQUAL[name]()))) == 1


def test_iterators_and_generators_are_told_apart_by_where_they_stand():
    for value in (reversed("ab"), enumerate("ab"), generator()):
        assert unseen_in(value) == set()
        assert changes(value, next) != []
        assert changes(value, lambda _: None) == []
    made = generator()
    assert changes(made, lambda value: [*value]) != []
    assert unseen_in(made) == set()


def defined_in(module, **members):
    return type("Made", (), {"__module__": module, **members})


def test_data_of_other_packages_are_seen_and_their_other_objects_are_not():
    data, plain = dataclass(defined_in("httpx", __annotations__={"a": "int"}, a=1)), defined_in("httpx")
    parcel, missing = attrs.define(defined_in("httpx", __annotations__={"a": int}, a=1)), defined_in("not_loaded")

    for kind in (data, parcel):
        assert unseen_in(kind()) == set()
        assert changes(kind(), lambda value: setattr(value, "a", 2)) == ["it.a was 1 and is 2"]
    assert unseen_in(plain()) == {plain}
    assert unseen_in(missing()) == set()


class Registering(Strange):
    """A class of a metaclass that keeps something for all."""

    kept: ClassVar[list[int]] = []


def test_what_a_class_holds_is_no_state_of_who_holds_the_class():
    assert changes([Plain, Registering], lambda _: Registering.kept.append(1)) == []


def test_templates_classes_and_sentinels_are_told_apart_by_identity_on_purpose():
    assert unseen_in([UserTemplate("x"), Plain, Metaclass, Strange, object(), len, re]) == set()


class Odd:
    """Says what nobody says of a class."""

    __dataclass_params__ = 3


def test_what_cannot_be_looked_at_is_not_seen_and_raises_nothing():
    released = memoryview(b"a")
    released.release()

    assert unseen_in(released) == {memoryview}
    assert unseen_in(Odd()) == {Odd}
    assert changes(Odd(), lambda _: None) == []


def test_tensors_are_told_apart_by_their_version(monkeypatch):
    class Tensor:
        _version, shape, dtype = 0, (2,), "float32"

    Tensor.__qualname__ = "Tensor"
    torch = types.ModuleType("torch")
    torch.Tensor = Tensor
    monkeypatch.setitem(sys.modules, "torch", torch)

    assert changes(Tensor(), lambda value: setattr(value, "_version", 1)) == ["it.version was 0 and is 1"]
    assert changes(Tensor(), lambda _: None) == []
    assert len(changes([Tensor()], lambda value: value.__setitem__(0, Tensor()))) == 1
