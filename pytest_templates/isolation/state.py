"""State as plain data that can be compared later, and the differences between two states."""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from reprlib import Repr
from typing import Any, Final, Literal, TypeAlias, cast

from pydantic import BaseModel

from antiphon import Message, Model, Session, Template
from antiphon.copies import ATOMS, Shared, attributes, is_shared
from pytest_templates.support.environment import HOW_TO_INSTALL

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


@dataclass(frozen=True, slots=True)
class MessageKey:
    """Which message of a session: the same object is the same message, also where its index has changed.

    Attributes:
        identity: The object.
        index: Its index in the session.
    """

    identity: str
    index: int = field(compare=False)


Path: TypeAlias = tuple[Hashable, ...]
Kind: TypeAlias = Literal["added", "removed", "changed", "unexplained"]

_REPR: Final = Repr()
_REPR.maxstring = _REPR.maxother = 160
_REPR.maxdict = _REPR.maxlist = _REPR.maxlevel = 8
_MOST: Final = 20
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of two states.

    Attributes:
        path: The keys and indices that lead to it, from the state on; a `MessageKey` for a message.
        kind: What happened to it; ``"unexplained"`` where a package is missing that would find what differs inside.
        old: The value before; ``None`` where it was added.
        new: The value after; ``None`` where it was removed.
    """

    path: Path
    kind: Kind
    old: Any = None
    new: Any = None

    @property
    def text(self) -> str:
        """The difference in words: its place, with the old and the new value."""
        place = _place(self.path)
        is_message = bool(self.path) and isinstance(self.path[-1], MessageKey)
        match self.kind:
            case "added":
                return f"{place} was added: {_message(self.new) if is_message else _REPR.repr(self.new)}"
            case "removed" if is_message:
                return f"{place} was removed: {_message(self.old)}"
            case "removed":
                return f"{place} was removed; it was {_REPR.repr(self.old)}"
            case "changed":
                return f"{place} was {_REPR.repr(self.old)} and is {_REPR.repr(self.new)}"
            case _:
                return f"{place or 'its state'} is not as it was ({HOW_TO_INSTALL} to see in what)"


def differences(before: State, after: State) -> list[Difference]:
    """Every difference of two states: of the messages in their order, then all others in the order of their texts."""
    found = [*_of_messages(before.get("messages", []), after.get("messages", []))]
    return found + _of_values(_without_messages(before), _without_messages(after), ())


def lines_of(found: Sequence[Difference]) -> Iterator[tuple[str, Sequence[Difference]]]:
    """A line of text for each of the first 20 differences and one for all others, with the differences it is about."""
    yield from ((one.text, (one,)) for one in found[:_MOST])
    rest = found[_MOST:]
    if rest:
        yield f"and {len(rest)} more changes", rest


def _without_messages(state: State) -> State:
    return {name: value for name, value in state.items() if name != "messages"}


def _of_messages(before: list[State], after: list[State]) -> Iterator[Difference]:
    """Messages are told apart by identity: one put in between is one change, not a change of all that follow."""
    old, new = [message["object"] for message in before], [message["object"] for message in after]
    for what, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            for index, (was, now) in enumerate(zip(before[start:end], after[new_start:new_end], strict=True), start):
                yield from _of_values(was, now, ("messages", MessageKey(old[index], index)))
            continue
        for index in range(start, end):
            yield Difference(("messages", MessageKey(old[index], index)), "removed", old=before[index])
        for index in range(new_start, new_end):
            yield Difference(("messages", MessageKey(new[index], index)), "added", new=after[index])


def _of_values(before: Any, after: Any, path: Path) -> list[Difference]:
    if same(before, after):
        return []
    try:
        from deepdiff import DeepDiff  # explains a difference; it would be slow at looking for one
    except ImportError:
        return [Difference(path, "unexplained", before, after)]
    tree = DeepDiff(before, after, view="tree", verbose_level=2)
    found = [_difference(path, level) for changes in tree.values() for level in changes]
    return sorted(found, key=lambda one: one.text)


def _difference(path: Path, level: Any) -> Difference:
    """What DeepDiff found, as a difference below a path."""
    path = (*path, *level.path(output_format="list"))
    if "added" in level.report_type:
        return Difference(path, "added", new=level.t2)
    if "removed" in level.report_type:
        return Difference(path, "removed", old=level.t1)
    return Difference(path, "changed", level.t1, level.t2)


def _place(path: Path) -> str:
    """A path as one would write it: ``metadata['notes'][0]``, ``messages[0].content``, ``runner.model.name``."""
    match path:
        case ("messages", MessageKey(index=index)):
            return f"messages[{index}]"
        case ("messages", MessageKey(index=index), name, *keys):
            return f"messages[{index}].{name}{''.join(map(_item, keys))}"
        case ("runner" | "templates" as head, *keys):
            return f"{head}{''.join(map(_attribute, keys))}"
    return "".join([*map(str, path[:1]), *map(_item, path[1:])])


def _item(key: Hashable) -> str:
    return f"[{key!r}]"


def _attribute(key: Hashable) -> str:
    return f".{key.removeprefix('_')}" if isinstance(key, str) and _IDENTIFIER.fullmatch(key) else _item(key)


def _message(message: State) -> str:
    return f"{message['role']}: {_REPR.repr(message['content'])}"
