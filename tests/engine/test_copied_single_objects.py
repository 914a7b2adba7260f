"""Copies never write into the original, also where its class hands out one object to whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr

from antiphon.copies import attributes, isolated


class Single:
    _only: Single | None = None

    def __new__(cls) -> Any:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only


class SingleWithSlots:
    __slots__ = ("held",)
    _only: SingleWithSlots | None = None

    def __new__(cls) -> Any:
        cls._only = cls._only or super().__new__(cls)
        return cls._only


class SingleList(list[Any]):
    _only: SingleList | None = None

    def __new__(cls) -> Any:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only


class SingleDict(dict[str, Any]):
    _only: SingleDict | None = None

    def __new__(cls) -> Any:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only


class SingleModel(BaseModel):
    model_config = ConfigDict(extra="allow")
    _only: Any = None
    _private: list[int] = PrivateAttr(default_factory=list)
    held: Any = None

    def __new__(cls, **_values: Any) -> Any:
        if not _MODELS:
            _MODELS.append(super().__new__(cls))
        return _MODELS[0]


_MODELS: list[SingleModel] = []


class ByItsFactory:
    def __reduce__(self) -> tuple[Callable[[], ByItsFactory], tuple[()], dict[str, Any]]:
        return factory, (), self.__dict__


@lru_cache
def factory() -> ByItsFactory:
    return ByItsFactory()


class OneStateForAll:
    state: dict[str, Any] = {}  # noqa: RUF012

    def __new__(cls) -> Any:
        made = super().__new__(cls)
        made.__dict__ = cls.state
        return made


class ForEachName:
    made: dict[str, ForEachName] = {}  # noqa: RUF012

    def __new__(cls, name: str) -> Any:
        return cls.made.setdefault(name, super().__new__(cls))

    def __getnewargs__(self) -> tuple[str]:
        return ("x",)


MAKERS: list[Callable[[], Any]] = [
    *(Single, SingleWithSlots, SingleList, SingleDict, SingleModel, factory, OneStateForAll),
    lambda: ForEachName("x"),
]
VALUES = st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
AROUND: list[Callable[[Any], Any]] = [
    lambda one: one,
    lambda one: [one, one],
    lambda one: {"one": one, "more": [one]},
    lambda one: (one, [1]),
]


def contents(one: Any) -> Any:
    """What the object holds, and which objects these are."""
    held = {name: (id(value), repr(value)) for name, value in attributes(one).items()}
    private = getattr(one, "__pydantic_private__", None)
    return held, repr(one) if isinstance(one, list | dict) else "", id(private)


@pytest.mark.parametrize("make", MAKERS)
@settings(max_examples=20)
@given(around=st.sampled_from(AROUND), value=VALUES)
def test_the_one_object_of_a_class_is_shared_and_stays_as_it_is(make, around, value):
    one = make()
    if isinstance(one, list):
        one[:] = [value]
    elif isinstance(one, dict):
        one.clear()
        one["held"] = value
    else:
        one.held = value
    before = contents(one)

    copy = isolated(around(one))

    assert contents(one) == before
    assert make() is one or make is OneStateForAll
    inner = copy
    while inner is not one:
        assert type(inner) in (list, dict, tuple)
        inner = inner["one"] if isinstance(inner, dict) else inner[0]


def test_what_another_object_of_the_class_holds_is_not_replaced():
    old = object.__new__(Single)
    old.held = "old"  # type: ignore[attr-defined]
    Single().held = "new"  # type: ignore[attr-defined]

    assert isolated([old])[0] is old
    assert Single().held == "new"  # type: ignore[attr-defined]


class Counted:
    """A class with a ``__new__`` of its own and many objects."""

    def __new__(cls, *_: object) -> Any:
        return super().__new__(cls)

    def __init__(self, value: Any) -> None:
        self.held = value


@given(VALUES)
def test_objects_of_other_classes_with_a_new_of_their_own_are_copied(value):
    original = Counted([value])

    copy = isolated(original)
    copy.held.append("more")

    assert copy is not original
    assert original.held == [value]
