"""What a subroutine's copy of the metadata shares with the original, and what it does not."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import datetime as dt
import enum
import threading
import types
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr, RootModel

from antiphon import Runner, Session, SubroutineTemplate, SystemTemplate


@pytest.fixture(scope="session")
def copied(doing, answering):
    """What a subroutine finds in its metadata for a value of its parent's."""

    def copied(value: Any) -> Any:
        found: list[Any] = []
        tree = SubroutineTemplate(doing(lambda session: found.append(session.metadata["value"])))
        Runner(answering()).run(Session(metadata={"value": value}), template=tree)
        return found[0]

    return copied


class Plain:
    def __init__(self) -> None:
        self.values = [1]
        self.lock = threading.Lock()


class Slotted:
    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values = [1]


@dataclasses.dataclass
class Data:
    values: list[int] = dataclasses.field(default_factory=lambda: [1])


@dataclasses.dataclass(slots=True)
class SlottedData:
    values: list[int] = dataclasses.field(default_factory=lambda: [1])


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlottedData:
    values: list[int] = dataclasses.field(default_factory=lambda: [1])


class Pydantic(BaseModel):
    values: list[int] = [1]


class FrozenPydantic(BaseModel, frozen=True):
    values: list[int] = [1]


class ExtraPydantic(BaseModel, extra="allow"):
    pass


class PrivatePydantic(BaseModel):
    _values: list[int] = PrivateAttr(default_factory=lambda: [1])

    @property
    def values(self) -> list[int]:
        return self._values


class Listing(list[int]):
    @property
    def values(self) -> list[int]:
        return self


HOLDERS = {
    "object": Plain,
    "slots": Slotted,
    "dataclass": Data,
    "dataclass with slots": SlottedData,
    "frozen dataclass with slots": FrozenSlottedData,
    "pydantic": Pydantic,
    "frozen pydantic": FrozenPydantic,
    "pydantic with extras": lambda: ExtraPydantic(values=[1]),
    "pydantic with private attributes": PrivatePydantic,
    "namespace": lambda: types.SimpleNamespace(values=[1]),
    "named tuple": lambda: collections.namedtuple("Named", "values")([1]),  # noqa: PYI024
    "list of a class of its own": lambda: Listing([1]),
}


@pytest.mark.parametrize("kind", HOLDERS)
def test_an_object_is_copied_with_what_it_holds_whatever_its_class(kind, copied):
    original = HOLDERS[kind]()

    copy = copied(original)

    assert type(copy) is type(original)
    assert copy is not original
    assert list(copy.values) == [1]
    copy.values.append(2)
    assert list(original.values) == [1]


CONTAINERS = {
    "list": [[1]],
    "dict": {"a": [1]},
    "dict with tuple keys": {(1, "a"): [1]},
    "tuple": ([1],),
    "set": {1, "a"},
    "frozenset": frozenset({1}),
    "bytearray": bytearray(b"a"),
    "deque": collections.deque([[1]], maxlen=3),
    "ordered": collections.OrderedDict(a=[1]),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "counter": collections.Counter("aab"),
    "chain": collections.ChainMap({"a": [1]}),
    "array": array.array("i", [1]),
    "root model": RootModel[list[int]]([1]),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_container_is_copied_deeply_and_stays_what_it_is(kind, copied):
    original = CONTAINERS[kind]

    copy = copied(original)

    assert copy == original
    assert type(copy) is type(original)
    assert copy is not original or isinstance(original, frozenset)
    if kind in {"list", "tuple", "deque"}:
        assert copy[0] is not original[0]
    if kind in {"ordered", "dict", "defaultdict", "chain"}:
        assert copy["a"] is not original["a"]


def test_the_details_of_containers_are_kept(copied):
    assert copied(collections.deque([1], maxlen=3)).maxlen == 3
    assert copied(collections.defaultdict(list)).default_factory is list


class Colour(enum.Enum):
    RED = "red"


ATOMS = [None, True, 1, 1.5, "a", b"a", Decimal("1.0"), dt.datetime(2024, 1, 1, tzinfo=dt.UTC), Colour.RED, Plain, len]


@pytest.mark.parametrize("value", [*ATOMS, types, lambda: 1, range(3), ...])
def test_what_never_changes_is_the_same_object(value, copied):
    assert copied(value) is value


def numbers():
    yield 1


SHARED = {
    "lock": threading.Lock,
    "event": threading.Event,
    "generator": numbers,
    "iterator": lambda: iter([1]),
    "asyncio lock": asyncio.Lock,
    "asyncio event": asyncio.Event,
    "asyncio queue": asyncio.Queue,
    "asyncio semaphore": lambda: asyncio.Semaphore(2),
    "template": lambda: SystemTemplate("x"),
    "module's function": lambda: threading.Lock,
}


@pytest.mark.parametrize("kind", SHARED)
def test_what_cannot_sensibly_exist_twice_is_shared_and_what_is_around_it_copied(kind, copied):
    thing = SHARED[kind]()
    original = {"thing": thing, "inside": [thing, [1]]}

    copy = copied(original)

    assert copy["thing"] is thing
    assert copy["inside"][0] is thing
    assert copy["inside"][1] is not original["inside"][1]


def test_an_object_with_a_lock_is_copied_and_shares_only_the_lock(copied):
    original = Plain()

    copy = copied(original)

    assert copy.lock is original.lock
    assert copy.values is not original.values


class Refusing:
    def __deepcopy__(self, memo: object) -> Refusing:
        raise TypeError("there is only one")


class Demanding(Exception):
    """An error as client libraries write them: it cannot be made again from its arguments."""

    def __init__(self, text: str, *, status: int) -> None:
        super().__init__(text)
        self.status = status


@pytest.mark.parametrize(
    "value", [Refusing(), Demanding("x", status=429), memoryview(b"x")], ids=lambda v: type(v).__name__
)
def test_metadata_that_cannot_be_copied_are_shared(value, copied):
    copy = copied([value, [1]])

    assert copy[0] is value or vars(copy[0]) == vars(value)
