"""State as plain data that can be compared later, and the differences between two states."""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Hashable, Mapping
from difflib import SequenceMatcher
from functools import cached_property
from reprlib import Repr
from typing import Any, cast

from pydantic import BaseModel

from antiphon import Message, Model, Session, Template
from antiphon.copies import ATOMS, Shared, attributes, is_shared
from pytest_templates.support.environment import HOW_TO_INSTALL


class Photographer:
    """Takes pictures.

    What an isolated copy would share (clients, locks, functions) is pictured by its identity, a model by its settings,
    since models may well count and cache; everything else by its content, so that a change anywhere inside shows.
    """

    def __init__(self) -> None:
        self._kept: list[Any] = []  # what is pictured by identity stays alive, so that no other takes its id
        self._within: set[int] = set()

    def session(self, session: Session) -> dict[str, Any]:
        """A session: its messages, its metadata, its runner with its model."""
        return {
            "messages": [self.message(message) for message in session.messages],
            "metadata": self.value(session.metadata),
            "runner": self.value(session.runner) if session.runner is None else self._attributes(session.runner),
        }

    def message(self, message: Message) -> dict[str, Any]:
        """A message, field by field."""
        fields = {**vars(message), "object": self._identity(message), "metadata": self.value(message.metadata)}
        if message.tool_calls:
            fields["tool_calls"] = self.value(message.tool_calls)
        return fields

    def template(self, template: Template) -> dict[str, Any]:
        """A template's own attributes; other templates and runners in it by their identity, models by their settings.

        What templates do to the settings of the model that serves them, and not this one, is their own affair.
        """
        within = template.model_within
        return {
            name: self._identity(item) if within is not None and item is within else self._template_value(item)
            for name, item in attributes(template).items()
        }

    def value(self, value: Any) -> Any:
        """Any value."""
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
        """Of what an object's cached properties have computed, that which is no state: here all of it."""
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
    """Whether two pictures show the same; ``1``, ``1.0`` and ``True`` are three things."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one is other or bool(one == other)


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 160
_REPR.maxdict = _REPR.maxlist = _REPR.maxlevel = 8
_MOST = 20


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The changed places with their old and new values; at most 20, then how many more there are."""
    lines = [*_of_messages(before.get("messages", []), after.get("messages", []))]
    lines += _of_values(_without_messages(before), _without_messages(after), "")
    left_out = len(lines) - _MOST
    return lines if left_out <= 0 else [*lines[:_MOST], f"and {left_out} more changes"]


def _without_messages(picture: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in picture.items() if name != "messages"}


def _of_messages(before: list[Any], after: list[Any]) -> list[str]:
    """Messages are told apart by identity: one put in between is one change, not a change of all that follow."""
    old, new = [message["object"] for message in before], [message["object"] for message in after]
    lines: list[str] = []
    for what, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            for index, (was, now) in enumerate(zip(before[start:end], after[new_start:new_end], strict=True), start):
                lines += _of_values(was, now, f"messages[{index}]")
            continue
        lines += [f"messages[{index}] was removed: {_said(before[index])}" for index in range(start, end)]
        lines += [f"messages[{index}] was added: {_said(after[index])}" for index in range(new_start, new_end)]
    return lines


def _said(message: dict[str, Any]) -> str:
    return f"{message['role']}: {_REPR.repr(message['content'])}"


def _of_values(before: Any, after: Any, prefix: str) -> list[str]:
    if same(before, after):
        return []
    try:
        from deepdiff import DeepDiff  # explains a difference; it would be slow at looking for one
    except ImportError:
        return [f"{prefix or 'its state'} is not as it was ({HOW_TO_INSTALL} to see in what)"]
    tree = DeepDiff(before, after, view="tree", verbose_level=2)
    levels = [level for changes in tree.values() for level in changes]
    return sorted(
        _line(prefix + _path(level.path(output_format="list"), inside_message=bool(prefix)), level) for level in levels
    )


def _path(keys: list[Any], *, inside_message: bool) -> str:
    """The path as one would write it: ``metadata['notes'][0]``, ``runner.model.settings.temperature``."""
    head, *rest = keys
    as_attributes = head in {"runner", "templates"}
    path = f".{head}" if inside_message else str(head)
    for key in rest:
        path += f".{key.removeprefix('_')}" if as_attributes and _IDENTIFIER.fullmatch(str(key)) else f"[{key!r}]"
    return path


_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def _line(path: str, level: Any) -> str:
    before, after = level.t1, level.t2
    if "added" in level.report_type:
        return f"{path} was added: {_REPR.repr(after)}"
    if "removed" in level.report_type:
        return f"{path} was removed; it was {_REPR.repr(before)}"
    return f"{path} was {_REPR.repr(before)} and is {_REPR.repr(after)}"
