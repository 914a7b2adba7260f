"""State that can be compared later: one walk over what values hold, by what `content` says is their state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from types import FunctionType, MethodType
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel

from antiphon import Model, Session, Template
from antiphon.copies import attributes
from pytest_templates.isolation.content import UNLOADED, Plan, is_cache, plan_of
from pytest_templates.isolation.static import is_a, short_name_of
from pytest_templates.isolation.view import IDENTITY, UNSEEN, View

State: TypeAlias = dict[str, Any]
Custom: TypeAlias = Callable[[Any], Any]
Edge: TypeAlias = Literal["attribute", "item", "key"]
_DEEPEST_KEY: Final = 20


class Exact(tuple[type[Any], Any]):
    """The type of a value that holds nothing, with what tells it apart: ``1``, ``1.0`` and ``True`` are three values."""

    __slots__ = ()


class Attribute(str):
    """The name of an attribute in a path, where keys and indices stand for themselves."""

    __slots__ = ()


class Member:
    """A member of a set, or a key that was changed itself, in a path.

    Args:
        key: The member's state.
    """

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return type(other) is Member and bool(other.key == self.key)

    def __hash__(self) -> int:
        return hash((Member, self.key))


class ObjectKey:
    """A key of a dict, or a member of a set, that can only be told apart by its identity.

    Args:
        value: The key.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return type(other) is ObjectKey and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        return f"<{short_name_of(type(self.value))}>"


class _Inner:
    """Stands for a part that is a node: the parts that are none are compared at once."""


_INNER: Final = _Inner()
_NONE: Final[dict[Any, Any]] = {}
_MAPPING: Final = View("mapping")
_SEQUENCE: Final = View("sequence")


class Node:
    """The state of one value that holds others, or is told apart by more than a text or a number.

    Args:
        value: The value.
        plan: How values of its type are looked at.
        parent: The node that it is found in first; a text for the root.
        edge: What it is of its parent.
        key: Its name, key or index there.

    Attributes:
        value: The same; kept alive, so that no other one takes its ``id``.
        plan: The same.
        view: What of the value is its state.
        keys: The state of those keys that hold something themselves.
        place: Parent, edge and key.
    """

    __slots__ = ("_attributes", "_inner_attributes", "_inner_items", "_items", "keys", "place", "plan", "value", "view")

    def __init__(self, value: Any, plan: Plan, parent: Node | str, edge: Edge, key: Any) -> None:
        self.value = value
        self.plan = plan
        self.place = parent, edge, key
        self.view = UNSEEN
        self._attributes = self._inner_attributes = self._inner_items = self.keys = _NONE
        self._items: Any = _NONE

    @property
    def attributes(self) -> dict[str, Any]:
        """The state of each attribute, by its name."""
        return {**self._attributes, **self._inner_attributes}

    @property
    def items(self) -> dict[Any, Any] | list[Any]:
        """The state of each item, by its key or index; the members of a set are keys."""
        if type(self._items) is dict:
            return {**self._items, **self._inner_items}
        return [self._inner_items.get(index, item) for index, item in enumerate(self._items)]

    def inner(self) -> Iterator[Node]:
        """The nodes of all that it holds."""
        yield from self._inner_attributes.values()
        yield from self.keys.values()
        yield from self._inner_items.values()

    def hold_attributes(self, states: dict[str, Any], inner: dict[str, Node]) -> None:
        """Take the states of the attributes; those that are nodes are ``_INNER`` among the first."""
        self._attributes, self._inner_attributes = states, inner

    def hold_items(self, states: Any, inner: dict[Any, Node]) -> None:
        """Take the states of the items; those that are nodes are ``_INNER`` among the first."""
        self._items, self._inner_items = states, inner

    def pairs_with(self, other: Node) -> list[tuple[Node, Node]] | None:
        """The nodes within that have to be the same for the two to be; ``None`` where the two are not."""
        if self._attributes != other._attributes and not self._same_attributes(other):
            return None
        if self._items != other._items or self.keys.keys() != other.keys.keys():
            return None
        if self.view.form == "ordered" and [*self._items] != [*other._items]:
            return None
        pairs = []
        for mine, its in (
            (self._inner_attributes, other._inner_attributes),
            (self._inner_items, other._inner_items),
            (self.keys, other.keys),
        ):
            if mine:
                pairs += [(node, its[key]) for key, node in mine.items() if key in its]
        return pairs

    def _same_attributes(self, other: Node) -> bool:
        """Whether the attributes that are no nodes are equal, but for those that were loaded or opened meanwhile."""
        mine, its = self.attributes, other.attributes
        return mine.keys() == its.keys() and all(
            item is its[name]
            or type(item) is Node is type(its[name])
            or is_used(name, item, its[name])
            or _equal(item, its[name])
            for name, item in mine.items()
        )


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and type(one) is not Node and bool(one == other)


class StateReader:
    """Reads the state of sessions, templates and other objects.

    A model is read as its settings, since models may well count and cache.

    Args:
        custom: Returns plain data for values of the types that a project knows, ``None`` for all others.

    Attributes:
        unseen: The first node of every type of which nothing but the identity could be compared, by the type's ``id``.
        kinds: The types of all objects that were read, but for builtin containers.
    """

    def __init__(self, custom: Custom | None = None) -> None:
        self.unseen: dict[int, Node] = {}
        self.kinds: set[type[Any]] = set()
        self._custom = custom
        self._memo: dict[int, Node] = {}  # by the ids of the values, of one reading
        self._memo_of_templates: dict[int, Node] = {}
        self._in_template = False  # whose functions are told apart by identity: precise looks into them, for itself
        self._waiting: deque[Node] = deque()

    def begin(self) -> None:
        """Begin another reading: of what is found several times in one, the state is the same object."""
        self._memo, self._memo_of_templates = {}, {}

    def same(self, one: Any, other: Any) -> bool:
        """Whether two states that were read are equal."""
        return same(one, other)

    def session(self, session: Session) -> State:
        """The state of a session: its messages, its metadata, its runner with its model."""
        state = {
            "messages": [self._part(one, "messages", "item", index) for index, one in enumerate(session.messages)],
            "metadata": self._part(session.metadata, "metadata", "item", None),
            "runner": self._part(session.runner, "runner", "item", None),
        }
        self._read_all()
        return state

    def template(self, template: Template) -> State:
        """The state of a template: its own attributes, with other templates and runners as their identity.

        Models in it are read as their settings, but for one that only serves the templates within: they may set it.
        """
        within = template.model_within
        memo, self._memo, self._in_template = self._memo, self._memo_of_templates, True
        try:
            return {
                Attribute(name): self._identity(item)
                if within is not None and item is within
                else self._of_template(item)
                for name, item in attributes(template).items()
            }
        finally:
            self._memo, self._in_template = memo, False

    def value(self, value: Any, root: str = "") -> Any:
        """The state of any value.

        Args:
            value: The value.
            root: With what its path begins.
        """
        state = self._part(value, root, "item", None)
        self._read_all()
        return state

    def _part(self, value: Any, parent: Node | str, edge: Edge, key: Any) -> Any:
        """The state of a value inside of another one; what it holds is read later."""
        kind = type(value)
        if kind is str or kind is int or value is None:
            return value
        plan = plan_of(kind)
        if plan.exact is not None:
            return Exact((kind, plan.exact(value)))
        known = self._memo.get(id(value))
        if known is None:
            known = self._memo[id(value)] = Node(value, plan, parent, edge, key)
            self._waiting.append(known)
        return known

    def _read_all(self) -> None:
        """Read what waits, the outermost first: a path that is named is as short as can be."""
        waiting = self._waiting
        while waiting:
            node = waiting.popleft()
            kind = node.plan.kind
            if kind is dict:
                node.view = _MAPPING
                self._read_mapping(node, node.value.copy())
            elif kind is list or kind is tuple:
                node.view = _SEQUENCE
                self._read_sequence(node, [*node.value])
            else:
                view = self._view(node)
                if view.attributes:
                    self._read_attributes(node, view.attributes)
                if view.items is not None:
                    self._read_items(node, view)

    def _view(self, node: Node) -> View:
        try:
            view = self._view_of(node)
        except Exception:  # noqa: BLE001 - whatever the program's classes and their libraries raise
            view = UNSEEN
        node.view = view
        kind = node.plan.kind
        if view.form == "unseen":
            self.unseen.setdefault(id(kind), node)
        if node.plan.is_hashable and id(kind) not in _BUILTIN:
            self.kinds.add(kind)
        return view

    def _view_of(self, node: Node) -> View:
        return self._model(node.value) if node.plan.is_model else self._look(node.plan, node.value)

    def _look(self, plan: Plan, value: Any) -> View:
        if self._in_template and plan.kind is FunctionType:
            return IDENTITY
        if self._custom is not None and id(plan.kind) not in _BUILTIN:
            stated = self._custom(value)
            if stated is not None:
                return _stated(stated)
        return plan.look(value)

    def _model(self, model: Model) -> View:
        """What of a model is its state."""
        return View("object", attributes={"settings": model.settings}, has_identity=True)

    def _read_items(self, node: Node, view: View) -> None:
        if view.form == "set":
            node.hold_items(dict.fromkeys([self._key(node, item) for item in view.items]), _NONE)
        elif view.form in ("mapping", "ordered"):
            self._read_mapping(node, view.items)
        else:
            self._read_sequence(node, view.items)

    def _read_mapping(self, node: Node, items: dict[Any, Any]) -> None:
        states: dict[Any, Any] = {}
        inner: dict[Any, Node] = {}
        for key, item in items.items():
            kind = type(key)
            state = key if kind is str or kind is int else self._key(node, key)
            kind = type(item)
            if kind is str or kind is int or item is None:
                states[state] = item
            else:
                self._put(item, node, "item", state, states, inner)
        node.hold_items(states, inner)

    def _read_sequence(self, node: Node, items: list[Any]) -> None:
        inner: dict[Any, Node] = {}
        for index, item in enumerate(items):
            kind = type(item)
            if not (kind is str or kind is int or item is None):
                self._put(item, node, "item", index, items, inner)
        node.hold_items(items, inner)

    def _read_attributes(self, node: Node, held: Mapping[str, Any]) -> None:
        left_out: Collection[str] = ()
        if node.plan.lazy:
            left_out = self._left_out(node.value, set(node.plan.lazy & held.keys()))
        if node.plan.is_users:
            left_out = {*left_out, *(name for name in held if name[:1] == "_" and is_cache(name))}
        states: dict[str, Any] = {}
        inner: dict[str, Node] = {}
        for name, item in held.items():
            kind = type(item)
            if name in left_out:
                continue
            if kind is str or kind is int or item is None or item is UNLOADED:
                states[name] = item
            else:
                self._put(item, node, "attribute", name, states, inner)
        node.hold_attributes(states, inner)

    def _put(self, item: Any, node: Node, edge: Edge, key: Any, states: Any, inner: dict[Any, Node]) -> None:
        """Put the state of a part where it belongs."""
        state = self._part(item, node, edge, key)
        if type(state) is Node:
            inner[key] = state
            state = _INNER
        states[key] = state

    def _left_out(self, value: object, lazy: set[str]) -> set[str]:
        """The names of the attributes that are computed when they are read and are no state: here all of them."""
        del value
        return lazy

    def _key(self, node: Node, key: Any) -> Any:
        state = _key_state(key)
        if state is None or _holds_objects(state):
            state = ObjectKey(key) if state is None else state
            if node.keys is _NONE:
                node.keys = {}
            node.keys[state] = self._part(key, node, "key", state)
        return state

    def _of_template(self, item: Any) -> Any:
        plan = plan_of(type(item))
        if item is None or type(item) in (str, int) or plan.exact is not None or _is_read_in_templates(plan):
            return self.value(item, "templates")
        return self._identity(item)

    def _identity(self, value: Any) -> Node:
        return Node(value, plan_of(type(value)), "", "item", None)


_BUILTIN: Final = frozenset(map(id, (dict, list, tuple, set, frozenset)))
_READ_IN_TEMPLATES: Final = (list, dict, set, bytearray, Model, BaseModel, str, int, float, bytes, MethodType)


def _is_read_in_templates(plan: Plan) -> bool:
    return any(is_a(plan.kind, base) for base in _READ_IN_TEMPLATES)


def _stated(state: Any) -> View:
    """What a project says of a value, in place of the value's own state."""
    kind = type(state)
    if kind is dict:
        return View("mapping", items=dict(state))
    if kind is list or kind is tuple:
        return View("sequence", items=[*state])
    return View("object", attributes={"state": state})


def _key_state(key: Any, depth: int = 0) -> Any:
    """The state of a key that holds nothing; ``None`` for all others."""
    kind = type(key)
    if kind is str or kind is int:
        return key
    if kind is tuple and depth < _DEEPEST_KEY:
        parts = [_key_state(item, depth + 1) or ObjectKey(item) for item in key]
        return Exact((tuple, tuple(parts)))
    plan = plan_of(kind)
    return None if plan.exact is None else Exact((kind, plan.exact(key)))


def _holds_objects(state: Any) -> bool:
    return type(state) is ObjectKey or (
        type(state) is Exact and state[0] is tuple and any(map(_holds_objects, state[1]))
    )


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal; each pair of parts is compared once, however often it is found."""
    known: set[tuple[int, int]] = set()
    waiting = [(one, other)]
    while waiting:
        before, after = waiting.pop()
        if before is after:
            continue
        kind = type(before)
        if kind is not type(after):
            return False
        if kind is Node:
            pair = id(before), id(after)
            if pair in known:
                continue
            known.add(pair)
            if is_another(before, after) or before.view.content != after.view.content:
                return False
            pairs = before.pairs_with(after)
            if pairs is None:
                return False
            waiting += pairs
        elif kind is list and len(before) == len(after):
            waiting += zip(before, after, strict=True)
        elif kind is dict and before.keys() == after.keys():
            waiting += [(item, after[key]) for key, item in before.items()]
        elif before != after:
            return False
    return True


def is_another(before: Node, after: Node) -> bool:
    """Whether two nodes are not of the same type, or not of the same object where that counts."""
    if before.plan.kind is not after.plan.kind or before.view.form != after.view.form:
        return True
    return before.value is not after.value and (before.view.has_identity or is_message(before))


def is_message(node: Node) -> bool:
    """Whether a node is one of the messages of a session, which are told apart by identity."""
    return node.place[0] == "messages"


def is_used(name: str, before: Any, after: Any) -> bool:
    """Whether an attribute was loaded meanwhile, or is private and holds a client or the like from its first use on."""
    if before is UNLOADED or after is UNLOADED:
        return True
    one, other = (before, after) if before is None else (after, before)
    return name[:1] == "_" and one is None and type(other) is Node and other.view.form in ("unseen", "identity")


def nodes_of(state: Any) -> Iterator[Node]:
    """Every node of a state, the outermost first; each once."""
    visited: set[int] = set()
    waiting = deque([state])
    while waiting:
        one = waiting.popleft()
        kind = type(one)
        if kind is Node:
            if id(one) not in visited:
                visited.add(id(one))
                yield one
                waiting.extend(one.inner())
        elif kind is dict:
            waiting.extend(one.values())
        elif kind is list:
            waiting.extend(one)
