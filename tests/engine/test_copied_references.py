"""Copies of values that refer to one another: methods, cycles, things met twice."""

from __future__ import annotations

import functools
import gc
import threading
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import Runner, Session, SubroutineTemplate


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

    def add(self, value: int) -> None:
        self.values.append(value)


@pytest.mark.parametrize("first", ["method", "owner"])
def test_a_bound_method_belongs_to_the_copy_of_its_owner_wherever_it_stands(first, copied):
    owner = Plain()
    original = {"method": owner.add, "owner": owner} if first == "method" else {"owner": owner, "method": owner.add}

    copy = copied(original)
    copy["method"](2)

    assert owner.values == [1]
    assert copy["owner"].values == [1, 2]


def test_a_function_with_arguments_bound_is_copied_with_them(copied):
    values = [1]
    partial = copied(functools.partial(lambda items: items.append(2), values))
    partial()

    assert values == [1]


def test_an_object_met_twice_is_copied_once(copied):
    thing = Plain()
    copy = copied([thing, {"again": thing}, thing.values])

    assert copy[0] is copy[1]["again"]
    assert copy[0].values is copy[2]


def test_cycles_are_copied_as_cycles(copied):
    cycle: list[Any] = []
    cycle.append({"cycle": cycle})
    thing = Plain()
    thing.me = thing

    copy = copied({"list": cycle, "object": thing})

    assert copy["list"][0]["cycle"] is copy["list"]
    assert copy["object"].me is copy["object"]
    assert copy["list"] is not cycle


def test_a_cycle_through_a_tuple_is_copied_as_a_cycle(copied):
    original: tuple[list[Any]] = ([],)
    original[0].append(original)

    copy = copied(original)

    assert copy[0][0] is copy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.text(max_size=3), values, max_size=3)
        | st.tuples(values, values)
    ),
    max_leaves=12,
)


def mutable_parts(value: Any) -> list[int]:
    """The identities of all lists and dicts in a value."""
    if isinstance(value, dict):
        return [id(value), *(part for item in value.values() for part in mutable_parts(item))]
    own = [id(value)] if isinstance(value, list) else []
    return [*own, *(part for item in value for part in mutable_parts(item))] if isinstance(value, list | tuple) else []


@settings(max_examples=60, deadline=None)
@given(value=JSON)
def test_a_copy_is_equal_and_shares_nothing_that_changes(copied, value):
    copy = copied(value)

    assert copy == value
    assert set(mutable_parts(copy)) & set(mutable_parts(value)) == set()


def test_a_deeply_nested_value_is_copied(copied):
    value: list[Any] = []
    for _ in range(200):
        value = [value]

    assert copied(value) == value


class Node:
    def __init__(self, above: Node | None = None) -> None:
        self.above = None if above is None else weakref.ref(above)
        self.below: list[Node] = []
        self.name = "original"

    def add(self) -> Node:
        self.below.append(Node(self))
        return self.below[-1]


def test_a_weak_reference_to_what_is_above_is_one_to_its_copy(copied):
    tree = Node()
    tree.add().add()

    copy = copied({"tree": tree})["tree"]
    copy.below[0].below[0].above().above().name = "changed"

    assert (tree.name, copy.name) == ("original", "changed")


def test_a_weak_reference_to_what_is_not_copied_is_kept(copied):
    elsewhere = Node()

    assert copied([weakref.ref(elsewhere)])[0]() is elsewhere


class Registry:
    """Knows nodes for as long as they live."""

    def __init__(self) -> None:
        self.nodes = [Node()]
        self.known = {"first": weakref.ref(self.nodes[0], lambda _: self.known.pop("first"))}


def test_what_a_weak_reference_calls_is_not_called_for_the_end_of_a_copy(copied):
    registry = Registry()

    copied(registry).nodes.clear()
    gc.collect()

    assert list(registry.known) == ["first"]


class OwnRegistry:
    """Forgets a node by a method of its own."""

    def __init__(self) -> None:
        self.nodes = [Node()]
        self.ended: list[object] = []
        self.known = weakref.ref(self.nodes[0], self.forget)

    def forget(self, reference: object) -> None:
        self.ended.append(reference)


def test_the_method_that_a_weak_reference_calls_is_one_of_the_copy(copied):
    registry = OwnRegistry()

    copy = copied(registry)
    copy.nodes.clear()
    gc.collect()

    assert (len(registry.ended), len(copy.ended)) == (0, 1)
