"""State as plain data that can be compared later."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import Any, TypeAlias, cast

from pydantic import BaseModel

from antiphon import Message, Model, Session, Template
from antiphon.copies import ATOMS, Shared, attributes, is_shared

State: TypeAlias = dict[str, Any]


class StateReader:
    """Reads sessions, templates and other objects as plain data.

    What an isolated copy would share (clients, locks, functions) is read as its identity, and a model as its settings,
    since models may well count and cache; everything else as its content, so that a change anywhere inside shows.
    """

    def __init__(self) -> None:
        self._kept: list[Any] = []  # what is read as its identity stays alive, so that no other object takes its id
        self._within: set[int] = set()

    def session(self, session: Session) -> State:
        """The state of a session: its messages, its metadata, its runner with its model."""
        return {
            "messages": [self.message(message) for message in session.messages],
            "metadata": self.value(session.metadata),
            "runner": self.value(session.runner) if session.runner is None else self._attributes(session.runner),
        }

    def message(self, message: Message) -> State:
        """The state of a message, field by field."""
        fields = {**vars(message), "object": self._identity(message), "metadata": self.value(message.metadata)}
        if message.tool_calls:
            fields["tool_calls"] = self.value(message.tool_calls)
        return fields

    def template(self, template: Template) -> State:
        """The state of a template: its own attributes, with other templates and runners as their identity.

        Models in it are read as their settings, but for one that only serves the templates within: they may set it.
        """
        within = template.model_within
        return {
            name: self._identity(item) if within is not None and item is within else self._template_value(item)
            for name, item in attributes(template).items()
        }

    def value(self, value: Any) -> Any:
        """The state of any value."""
        kind = type(value)
        if kind in ATOMS:
            return value
        if id(value) in self._within:
            return f"<the {kind.__name__} around it>"
        self._within.add(id(value))
        try:
            return self._content(value, kind)
        finally:
            self._within.discard(id(value))

    def _content(self, value: Any, kind: type) -> Any:
        if isinstance(value, Mapping):
            return {self._key(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | deque | array):
            return [self.value(item) for item in value]
        if isinstance(value, set | frozenset):
            return {"a set of": sorted((self.value(item) for item in value), key=repr)}
        if isinstance(value, BaseModel):
            held = {**vars(value), **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
            return {name: self.value(item) for name, item in held.items()}
        if isinstance(value, bytearray):
            return bytes(value)
        if isinstance(value, Model):
            return {"object": self._identity(value), "settings": self.value(value.settings)}
        if isinstance(value, Shared) or is_shared(cast("Hashable", kind)) or not attributes(value):
            return self._identity(value)
        return self._attributes(value)

    def _attributes(self, value: object) -> dict[str, Any]:
        left_out = self._left_out(value, {name for name in attributes(value) if is_cached(value, name)})
        held = {name: self.value(item) for name, item in attributes(value).items() if name not in left_out}
        return {"object": self._identity(value)} | held

    def _left_out(self, value: object, cached: set[str]) -> set[str]:
        """The names of the cached properties whose values are no state: here all of them."""
        del value
        return cached

    def _template_value(self, item: Any) -> Any:
        if type(item) in ATOMS or not isinstance(item, list | dict | set | bytearray | BaseModel | Model):
            return item if type(item) in ATOMS else self._identity(item)
        return self.value(item)

    def _key(self, key: Any) -> Any:
        return key if type(key) in ATOMS else self._identity(key)

    def _identity(self, value: object) -> str:
        self._kept.append(value)
        return f"<{type(value).__name__} at {id(value):#x}>"


def is_cached(value: object, name: str) -> bool:
    """Whether an attribute holds what a ``cached_property`` has computed."""
    return isinstance(getattr(type(value), name, None), cached_property)


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal; ``1``, ``1.0`` and ``True`` are three values."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one is other or bool(one == other)
