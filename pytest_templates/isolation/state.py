"""State that can be compared later: one walk over what values hold, by what `content` says is their state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import is_
from types import FunctionType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from antiphon import Message, Model, Session, Template
from antiphon.copies import attributes
from pytest_templates.isolation.content import Plan, is_cache, plan_of
from pytest_templates.isolation.static import short_name_of
from pytest_templates.isolation.view import IDENTITY, UNLOADED, UNSEEN, View

State: TypeAlias = dict[str, Any]
Custom: TypeAlias = Callable[[Any], Any]
KnownTemplates: TypeAlias = dict[int, tuple[Template, dict[str, Any], State]]  # by `id`: what each holds, and its state
Edge: TypeAlias = Literal["root", "attribute", "item", "key"]
Trail: TypeAlias = "tuple[Trail | None, Edge, Any]"  # the way to a value: that to what it is in, and what it is there
_MESSAGES: Final[Trail] = (None, "root", "messages")
_DEEPEST_KEY: Final = 20


class Exact(tuple[type[Any], Any]):
    """The type of a value that holds nothing, with what tells it apart: ``1``, ``1.0`` and ``True`` differ."""

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
_EMPTY: Final = _Inner()  # an empty dict
_OBJECT: Final = View("object")
_PLAIN_MESSAGE: Final = plan_of(Message)
_NONE: Final[dict[Any, Any]] = {}
_MAPPING: Final = View("mapping")
_SEQUENCE: Final = View("sequence")


class Node:
    """The state of one value that holds others, or is told apart by more than a text or a number.

    It does not know where it was found: nodes that hold each other are freed late, and there are many.

    Args:
        value: The value.
        plan: How values of its type are looked at.

    Attributes:
        value: The same; kept alive, so that no other one takes its ``id``.
        plan: The same.
        view: What of the value is its state.
        keys: The state of those keys that hold something themselves.
        is_message: Whether it is one of the messages of a session, which are told apart by identity.
    """

    __slots__ = (
        "_attributes",
        "_inner_attributes",
        "_inner_items",
        "_items",
        "is_message",
        "keys",
        "plan",
        "value",
        "view",
    )

    def __init__(self, value: Any, plan: Plan) -> None:
        self.value = value
        self.plan = plan
        self.is_message = False
        self.view = UNSEEN
        self._attributes = self._inner_attributes = self._inner_items = self.keys = _NONE
        self._items: Any = _NONE

    @property
    def attributes(self) -> dict[str, Any]:
        """The state of each attribute, by its name."""
        held = {name: _empty_dict() if one is _EMPTY else one for name, one in self._attributes.items()}
        return {**held, **self._inner_attributes}

    @property
    def items(self) -> dict[Any, Any] | list[Any]:
        """The state of each item, by its key or index; the members of a set are keys."""
        if type(self._items) is dict:
            return {**self._items, **self._inner_items}
        return [self._inner_items.get(index, item) for index, item in enumerate(self._items)]

    def inner(self) -> Iterator[tuple[Edge, Any, Node]]:
        """The nodes of all that it holds: what each is of it, under which name, key or index."""
        for name, node in self._inner_attributes.items():
            yield "attribute", name, node
        for key, node in self.keys.items():
            yield "key", key, node
        for key, node in self._inner_items.items():
            yield "item", key, node

    def hold_attributes(self, states: dict[str, Any], inner: dict[str, Node]) -> None:
        """Take the states of the attributes; those that are nodes are ``_INNER`` among the first."""
        self._attributes, self._inner_attributes = states, inner

    def hold_items(self, states: Any, inner: dict[Any, Node]) -> None:
        """Take the states of the items; those that are nodes are ``_INNER`` among the first."""
        self._items, self._inner_items = states, inner

    def pairs_with(self, other: Node) -> Sequence[tuple[Node, Node]] | None:
        """The nodes within that have to be the same for the two to be; ``None`` where the two are not."""
        if self.view.content != other.view.content:
            return None
        if self._attributes != other._attributes and not self._same_attributes(other):
            return None
        if self._items != other._items or self.keys.keys() != other.keys.keys():
            return None
        if self.view.form == "ordered" and [*self._items] != [*other._items]:
            return None
        if not (self._inner_attributes or self._inner_items or self.keys):
            return ()
        pairs: list[tuple[Node, Node]] = []
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
        if any(
            (one is _EMPTY) is not (other._attributes.get(name) is _EMPTY) for name, one in self._attributes.items()
        ):
            return False
        mine, its = self.attributes, other.attributes
        return mine.keys() == its.keys() and all(
            item is its[name]
            or type(item) is Node is type(its[name])
            or is_used(name, item, its[name])
            or _equal(item, its[name])
            for name, item in mine.items()
        )


def _empty_dict() -> Node:
    node = Node({}, plan_of(dict))
    node.view = _MAPPING
    return node


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and type(one) is not Node and bool(one == other)


class Unseen(NamedTuple):
    """A value of which nothing but the identity could be compared, or not all.

    Attributes:
        kind: Its type.
        trail: The way to it.
        is_partial: Whether its content was compared, and its attributes alone were not.
    """

    kind: type[Any]
    trail: Trail
    is_partial: bool


class StateReader:
    """Reads the state of sessions, templates and other objects.

    A model is read as its settings, since models may well count and cache.

    Args:
        custom: Returns plain data for values of the types that a project knows, ``None`` for all others.
        templates: What is known of templates that hold nothing that can change, to be shared by readers.

    Attributes:
        unseen: A value of every type of which nothing but the identity could be compared, or not all, by its ``id``.
        kinds: The types of all objects that were read, but for builtin containers.
    """

    def __init__(self, custom: Custom | None = None, templates: KnownTemplates | None = None) -> None:
        self.unseen: dict[int, Unseen] = {}
        self.kinds: set[type[Any]] = set()
        self._custom = custom
        self._templates: KnownTemplates = {} if templates is None else templates
        self._memo: dict[int, Node] = {}  # by the ids of the values, of one reading
        self._memo_of_templates: dict[int, Node] = {}
        self._in_template = False  # whose functions are told apart by identity: precise looks into them, for itself
        self._waiting: deque[tuple[Node, Trail]] = deque()

    def begin(self) -> None:
        """Begin another reading: of what is found several times in one, the state is the same object."""
        self._memo, self._memo_of_templates = {}, {}

    def same(self, one: Any, other: Any) -> bool:
        """Whether two states that were read are equal."""
        return same(one, other)

    def session(self, session: Session) -> State:
        """The state of a session: its messages, its metadata, its runner with its model, and fields of a subclass."""
        state = {
            "messages": [self._message(one, index) for index, one in enumerate(session.messages)],
            "metadata": self._part(session.metadata, None, "root", "metadata"),
            "runner": self._part(session.runner, None, "root", "runner"),
        }
        if type(session) is not Session:
            state |= {
                f"session.{name}": self._part(value, None, "root", f"session.{name}")
                for name, value in self._fields_of_subclass(session)
            }
        self._read_all()
        return state

    def _fields_of_subclass(self, session: Session) -> list[tuple[str, Any]]:
        held = {**vars(session), **(session.model_extra or {})}
        left_out = self._left_out(session, set(plan_of(type(session)).lazy & held.keys()))
        return [(name, value) for name, value in held.items() if name not in left_out | Session.model_fields.keys()]

    def _message(self, message: Message, index: int) -> Node:
        if type(message) is Message and id(message) not in self._memo:
            plain = self._plain_message(message)
            if plain is not None:
                return plain
        node: Node = self._part(message, _MESSAGES, "item", index)
        node.is_message = True
        return node

    def _plain_message(self, message: Message) -> Node | None:
        """The state of a message that holds nothing but texts: of most; ``None`` for all others."""
        held = dict(vars(message))
        for name, item in held.items():
            kind = type(item)
            if not (kind is str or item is None):
                if item or not (kind is tuple or kind is dict):
                    return None
                held[name] = _EMPTY if kind is dict else ()
        node = self._memo[id(message)] = Node(message, _PLAIN_MESSAGE)
        node.is_message = True
        node.view = _OBJECT
        node.hold_attributes(held, _NONE)
        return node

    def template(self, template: Template) -> State:
        """The state of a template: its own attributes, with other templates and runners as their identity.

        Models in it are read as their settings, but for one that only serves the templates within: they may set it.
        """
        held = attributes(template)
        known = self._templates.get(id(template))
        if known is not None and known[1].keys() == held.keys() and all(map(is_, known[1].values(), held.values())):
            return known[2]
        within = template.model_within
        memo, self._memo, self._in_template = self._memo, self._memo_of_templates, True
        try:
            state: State = {
                Attribute(name): self._identity(item)
                if within is not None and item is within
                else self._of_template(item)
                for name, item in held.items()
            }
        finally:
            self._memo, self._in_template = memo, False
        if within is None and not any(_can_change(item) for item in held.values()):
            self._templates[id(template)] = template, held, state
        return state

    def value(self, value: Any, root: str = "") -> Any:
        """The state of any value.

        Args:
            value: The value.
            root: With what its path begins.
        """
        state = self._part(value, None, "root", root)
        self._read_all()
        return state

    def _part(self, value: Any, around: Trail | None, edge: Edge, key: Any) -> Any:
        """The state of a value inside of another one; what it holds is read later."""
        kind = type(value)
        if kind is str or kind is int or value is None:
            return value
        plan = plan_of(kind)
        if plan.exact is not None:
            return Exact((kind, plan.exact(value)))
        if kind is tuple and not value:
            return ()
        known = self._memo.get(id(value))
        if known is None:
            known = self._memo[id(value)] = Node(value, plan)
            self._waiting.append((known, (around, edge, key)))
        return known

    def _read_all(self) -> None:
        """Read what waits, the outermost first: a path that is named is as short as can be."""
        waiting = self._waiting
        while waiting:
            node, trail = waiting.popleft()
            kind = node.plan.kind
            if kind is dict:
                node.view = _MAPPING
                self._read_mapping(node, trail, node.value.copy())
            elif kind is list or kind is tuple:
                node.view = _SEQUENCE
                self._read_sequence(node, trail, [*node.value])
            else:
                view = self._view(node, trail)
                if view.attributes:
                    self._read_attributes(node, trail, view.attributes)
                if view.items is not None:
                    self._read_items(node, trail, view)

    def _view(self, node: Node, trail: Trail) -> View:
        try:
            view = self._view_of(node)
        except Exception:  # noqa: BLE001 - whatever the program's classes and their libraries raise
            view = UNSEEN
        node.view = view
        kind = node.plan.kind
        if view.form == "unseen" or view.is_partial:
            self._note_unseen(kind, trail, is_partial=view.is_partial)
        if node.plan.is_hashable and id(kind) not in _BUILTIN:
            self.kinds.add(kind)
        return view

    def _note_unseen(self, kind: type[Any], trail: Trail, *, is_partial: bool) -> None:
        if id(kind) not in self.unseen:
            self.unseen[id(kind)] = Unseen(kind, trail, is_partial)

    def _view_of(self, node: Node) -> View:
        return self._model(node.value) if node.plan.is_model else self._look(node.plan, node.value)

    def _look(self, plan: Plan, value: Any) -> View:
        if self._in_template and plan.kind is FunctionType:
            return IDENTITY
        if self._custom is not None and id(plan.kind) not in _BUILTIN:
            stated = self._custom(value)
            if stated is not None:
                return _stated(stated)
        return self._own_look(plan, value)

    def _own_look(self, plan: Plan, value: Any) -> View:
        """What of a value is its state where the project does not say."""
        return plan.look(value)

    def _model(self, model: Model) -> View:
        """What of a model is its state."""
        return View("object", attributes={"settings": model.settings}, has_identity=True)

    def _read_items(self, node: Node, trail: Trail, view: View) -> None:
        if view.form == "set":
            node.hold_items(dict.fromkeys([self._key(node, trail, item) for item in view.items]), _NONE)
        elif view.form in ("mapping", "ordered"):
            self._read_mapping(node, trail, view.items)
        else:
            self._read_sequence(node, trail, view.items)

    def _read_mapping(self, node: Node, trail: Trail, items: dict[Any, Any]) -> None:
        states: dict[Any, Any] = {}
        inner: dict[Any, Node] = {}
        for key, item in items.items():
            kind = type(key)
            state = key if kind is str or kind is int else self._key(node, trail, key)
            kind = type(item)
            if kind is str or kind is int or item is None:
                states[state] = item
            else:
                self._put(item, trail, "item", state, states, inner)
        node.hold_items(states, inner)

    def _read_sequence(self, node: Node, trail: Trail, items: list[Any]) -> None:
        inner: dict[Any, Node] = {}
        for index, item in enumerate(items):
            kind = type(item)
            if not (kind is str or kind is int or item is None):
                self._put(item, trail, "item", index, items, inner)
        node.hold_items(items, inner)

    def _read_attributes(self, node: Node, trail: Trail, held: Mapping[str, Any]) -> None:
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
                self._put(item, trail, "attribute", name, states, inner)
        node.hold_attributes(states, inner)

    def _put(self, item: Any, trail: Trail, edge: Edge, key: Any, states: Any, inner: dict[Any, Node]) -> None:
        """Put the state of a part where it belongs."""
        state = self._part(item, trail, edge, key)
        if type(state) is Node:
            inner[key] = state
            state = _INNER
        states[key] = state

    def _left_out(self, value: object, lazy: set[str]) -> set[str]:
        """The names of the attributes that are computed when they are read and are no state: here all of them."""
        del value
        return lazy

    def _key(self, node: Node, trail: Trail, key: Any) -> Any:
        state = _key_state(key)
        if _holds_objects(state):
            if node.keys is _NONE:
                node.keys = {}
            node.keys[state] = self._part(key, trail, "key", state)
        return state

    def _of_template(self, item: Any) -> Any:
        plan = plan_of(type(item))
        if item is None or plan.exact is not None or plan.is_data:
            return self.value(item, "templates")
        return self._identity(item)

    def _identity(self, value: Any) -> Node:
        return Node(value, plan_of(type(value)))


_BUILTIN: Final = frozenset(map(id, (dict, list, tuple, set, frozenset)))


def _can_change(item: Any) -> bool:
    """Whether what a template holds is told apart by more than its identity, and may change while it is held."""
    plan = plan_of(type(item))
    return plan.is_data and plan.exact is None and type(item) not in (str, int)


def _stated(state: Any) -> View:
    """What a project says of a value, in place of the value's own state."""
    kind = type(state)
    if kind is dict:
        return View("mapping", items=dict(state))
    if kind is list or kind is tuple:
        return View("sequence", items=[*state])
    return View("object", attributes={"state": state})


def _key_state(key: Any, depth: int = 0) -> Any:
    """The state of a key; what may hold something is an `ObjectKey` in it."""
    kind = type(key)
    if kind is str or kind is int or key is None:
        return key
    if kind is tuple and depth < _DEEPEST_KEY:
        return Exact((tuple, tuple([_key_state(item, depth + 1) for item in key])))
    plan = plan_of(kind)
    return ObjectKey(key) if plan.exact is None else Exact((kind, plan.exact(key)))


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
        ids = id(before), id(after)
        if before is after or ids in known:
            continue
        inner = _pairs_within(before, after)
        if inner is None:
            return False
        if inner:
            known.add(ids)
            waiting += inner
    return True


def _pairs_within(before: Any, after: Any) -> Sequence[tuple[Any, Any]] | None:
    """What has to be the same inside of two states for these to be equal; ``None`` where they are not."""
    kind = type(before)
    if kind is not type(after):
        return None
    if kind is Node:
        return None if is_another(before, after) else before.pairs_with(after)
    if kind is list and len(before) == len(after):
        return [*zip(before, after, strict=True)]
    if kind is dict and before.keys() == after.keys():
        return [(item, after[key]) for key, item in before.items()]
    return () if before == after else None


def is_another(before: Node, after: Node) -> bool:
    """Whether two nodes are not of the same type, or not of the same object where that counts."""
    if before.plan.kind is not after.plan.kind or before.view.form != after.view.form:
        return True
    return before.value is not after.value and (before.view.has_identity or before.is_message)


def is_used(name: str, before: Any, after: Any) -> bool:
    """Whether an attribute was loaded meanwhile, or is private and holds a client or the like from its first use on."""
    if before is UNLOADED or after is UNLOADED:
        return True
    one, other = (before, after) if before is None else (after, before)
    return name[:1] == "_" and one is None and type(other) is Node and other.view.form in ("unseen", "identity")


def walk(state: Any, trail: Trail) -> Iterator[tuple[Node, Trail]]:
    """Every node of a state with the way to it, the outermost first; each once.

    Args:
        state: The state.
        trail: The way to it.
    """
    visited: set[int] = set()
    waiting = deque([(state, trail)])
    while waiting:
        one, trail = waiting.popleft()
        kind = type(one)
        if kind is Node:
            if id(one) not in visited:
                visited.add(id(one))
                yield one, trail
                waiting.extend((node, (trail, edge, key)) for edge, key, node in one.inner())
        elif kind is dict:
            waiting.extend((item, (trail, "item", key)) for key, item in one.items())
        elif kind is list:
            waiting.extend((item, (trail, "item", index)) for index, item in enumerate(one))


def walk_session(state: State) -> Iterator[tuple[Node, Trail]]:
    """Every node in the state of a session with the way to it."""
    for name, part in state.items():
        yield from walk(part, (None, "root", name))
