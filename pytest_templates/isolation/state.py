"""State as plain data that can be compared later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any, Final, TypeAlias

from antiphon import Message, Model, Session, Template
from antiphon.copies import ATOMS, attributes
from pytest_templates.isolation.content import UNLOADED, Custom, View, is_lazy, view_of

State: TypeAlias = dict[str, Any]
_READING: Final = object()
_FEW: Final = 16  # repeated values, up to which states can be compared as if each were there once
_MANY: Final = 1_000  # containers of a state that are shown as often as they are in it
_DEEPEST: Final = 150  # levels; what lies deeper is told apart by its identity, so that no stack overflows


class Exact(tuple[str, Any]):
    """A value with the name of its type: ``1``, ``1.0`` and ``True`` are three values, and what is no number is one."""

    __slots__ = ()


class StateReader:
    """Reads sessions, templates and other objects as plain data: what `content` says is their state.

    Two states are equal with ``==`` if nothing has changed. A model is read as its settings, since models may well
    count and cache.

    Args:
        custom: Returns plain data for values of the types that a project knows, ``None`` for all others.

    Attributes:
        unseen: A value of every type of which nothing but the identity could be compared.
        kinds: The types of all objects that were read.
    """

    def __init__(self, custom: Custom | None = None) -> None:
        self.unseen: dict[type[Any], Any] = {}
        self.kinds: set[type[Any]] = set()
        self._custom = custom
        self._kept: list[Any] = []  # what is read as its identity stays alive, so that no other object takes its id
        self._memo: dict[int, tuple[Any, Any]] = {}  # id -> (value, kept alive; its state), of one reading
        self._depth = 0
        self._repeats = 0

    def begin(self) -> None:
        """Begin another reading: of what is found several times in one, the state is the same object."""
        self._memo.clear()

    def same(self, one: Any, other: Any) -> bool:
        """Whether two states that were read are equal."""
        if self._repeats < _FEW:
            return bool(one == other)
        return _same(one, other, set())

    def session(self, session: Session) -> State:
        """The state of a session: its messages, its metadata, its runner with its model."""
        return {
            "messages": [self.message(message) for message in session.messages],
            "metadata": self.value(session.metadata),
            "runner": None if session.runner is None else self._object(session.runner, attributes(session.runner)),
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
        if kind in _PLAIN:
            return value
        exact = _EXACT.get(kind)
        if exact is not None:
            return Exact((kind.__name__, exact(value)))
        if kind in ATOMS:
            return value
        known = self._memo.get(id(value))
        if known is not None:
            self._repeats += 1
            return f"<the {kind.__name__} around it>" if known[1] is _READING else known[1]
        if self._depth >= _DEEPEST:
            return self._unseen(value)
        self._memo[id(value)] = value, _READING
        self._depth += 1
        try:
            state = self._read(value, kind)
        finally:
            self._depth -= 1
        self._memo[id(value)] = value, state
        return state

    def _read(self, value: Any, kind: type[Any]) -> Any:
        if kind is dict:
            return self._mapping(value)
        if kind is list or kind is tuple:
            return [item if type(item) in _PLAIN else self.value(item) for item in value]
        if issubclass(kind, Model):
            return {"object": self._identity(value), "settings": self.value(value.settings)}
        return self._viewed(value, view_of(value, self._custom))

    def _viewed(self, value: Any, view: View) -> Any:
        self.kinds.add(type(value))
        match view:
            case View("mapping", parts):
                return self._mapping(parts)
            case View("sequence" | "content" | "data", parts):
                return self.value(parts)
            case View("set", parts):
                return {"a set of": sorted((self.value(item) for item in parts), key=repr)}
            case View("fields", parts):
                return self._fields(value, parts)
            case View("object", parts):
                return self._object(value, parts)
            case View("identity"):
                return self._identity(value)
        return self._unseen(value)

    def _mapping(self, items: dict[Any, Any]) -> dict[Any, Any]:
        return {
            key if type(key) in _PLAIN else self._key(key): item if type(item) in _PLAIN else self.value(item)
            for key, item in [*items.items()]  # another thread may add to it
        }

    def _object(self, value: object, parts: dict[str, Any]) -> dict[str, Any]:
        return {"object": self._identity(value), **self._fields(value, parts)}

    def _fields(self, value: object, parts: dict[str, Any]) -> dict[str, Any]:
        left_out = self._left_out(value, {name for name in parts if is_lazy(type(value), name)})
        return {
            name: item if item is UNLOADED else self.value(item) for name, item in parts.items() if name not in left_out
        }

    def _left_out(self, value: object, lazy: set[str]) -> set[str]:
        """The names of the attributes that are computed when they are read and are no state: here all of them."""
        del value
        return lazy

    def _template_value(self, item: Any) -> Any:
        if type(item) not in ATOMS and not issubclass(type(item), list | dict | set | bytearray | Model):
            view = view_of(item)
            return self._viewed(item, view) if view.form == "fields" else self._identity(item)
        return self.value(item)

    def _key(self, key: Any) -> Any:
        if type(key) is tuple:
            return tuple(map(self._key, key))
        return self.value(key) if type(key) in ATOMS else self._identity(key)

    def _unseen(self, value: object) -> str:
        self.unseen.setdefault(type(value), value)
        return self._identity(value)

    def _identity(self, value: object) -> str:
        self._kept.append(value)
        return f"<{type(value).__name__} at {id(value):#x}>"


_PLAIN: Final = frozenset([type(None), str, int])
_EXACT: Final[dict[type[Any], Callable[[Any], Any]]] = {
    bool: bool,
    float: lambda value: value if value == value else "nan",  # NaN differs from itself
    complex: repr,
    bytes: bytes,
    Decimal: str,
    Fraction: str,
}


class _Written(str):
    """A key that is shown as it is written, and differs from all others: the key ``True`` from ``1``."""

    __slots__ = ()
    __repr__ = str.__str__


def plain(state: Any) -> Any:
    """A state as it is shown: without the names of types.

    Of a very large one, what is in it several times is there in the first place only.
    """
    return _plain(state, set(), count(1))


def _plain(state: Any, shown: set[int], numbers: Iterator[int]) -> Any:
    if isinstance(state, Exact):
        return state[1]
    if isinstance(state, dict | list) and state:
        if next(numbers) > _MANY and id(state) in shown:
            return "<as above>"
        shown.add(id(state))
    if isinstance(state, dict):
        return {_plain_key(key): _plain(item, shown, numbers) for key, item in state.items()}
    return [_plain(item, shown, numbers) for item in state] if isinstance(state, list) else state


def _plain_key(key: Any) -> Any:
    if isinstance(key, Exact):
        return _Written(repr(key[1]))
    return tuple(map(_plain_key, key)) if isinstance(key, tuple) else key


def _same(one: Any, other: Any, known: set[tuple[int, int]]) -> bool:
    """Whether two states are equal; each pair of parts is compared once, however often it is found."""
    if type(one) is not type(other) or not isinstance(one, dict | list):
        return bool(one == other)
    if one is other or (id(one), id(other)) in known:
        return True
    known.add((id(one), id(other)))
    if len(one) != len(other):
        return False
    if isinstance(one, list):
        return all(_same(item, beside, known) for item, beside in zip(one, other, strict=True))
    return one.keys() == other.keys() and all(_same(item, other[key], known) for key, item in one.items())


def that_differ(one: Any, other: Any) -> tuple[Any, Any]:
    """Two states without the items and attributes that are equal in both."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one, other
    left, right = dict(one), dict(other)
    for key in one.keys() & other.keys():
        if _same(one[key], other[key], set()):
            del left[key], right[key]
        else:
            left[key], right[key] = that_differ(one[key], other[key])
    return left, right
