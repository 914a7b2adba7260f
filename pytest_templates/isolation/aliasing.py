"""Mutable objects that a subroutine shares: with its parent, or with anything else, which canaries show.

A canary is a text that occurs nowhere else. It is put into a container of the subroutine's: where it then shows up
outside of the subroutine, the container is shared, also where it does not look so.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from contextlib import ExitStack, suppress
from dataclasses import dataclass, is_dataclass
from typing import Any, Final, cast
from uuid import uuid4

from pydantic import BaseModel

from antiphon import Message, Model, Session
from antiphon.copies import ATOMS, Shared, attributes, is_shared
from pytest_templates.isolation.state import State

_MUTABLE: Final = (list, dict, set, bytearray, deque, array)
_IMMUTABLE: Final = (tuple, frozenset)


@dataclass(frozen=True, slots=True)
class Reachable:
    """An object that can be reached from a session.

    Attributes:
        path: How to get to it, as in ``metadata['customer'].notes``.
        value: The object.
        is_mutable: Whether it can be changed in place, as far as is known.
        is_opaque: Whether it has no content that can be compared, as locks and clients have none.
    """

    path: str
    value: Any
    is_mutable: bool
    is_opaque: bool


def walk_session(session: Session, *, models: bool = True) -> Iterator[Reachable]:
    """Every object that can be reached from a session: from its metadata, its messages and its runner.

    Args:
        session: The session.
        models: Whether to look into models as well.
    """
    roots = [("metadata", session.metadata), ("runner", session.runner)]
    roots += [(f"messages[{index}]", message) for index, message in enumerate(session.messages)]
    return walk(roots, models=models)


def walk(roots: Iterable[tuple[str, Any]], *, models: bool = True) -> Iterator[Reachable]:
    """Every object that can be reached from some values, these included; each once.

    Args:
        roots: The values, each with its path.
        models: Whether to look into models as well.
    """
    visited: set[int] = set()
    waiting = [*reversed([*roots])]
    while waiting:
        path, value = waiting.pop()
        if type(value) in ATOMS or isinstance(value, Shared) or id(value) in visited:
            continue
        visited.add(id(value))
        if isinstance(value, Model) and not models:
            continue
        is_opaque = _is_opaque(value)
        yield Reachable(path, value, is_mutable=not is_opaque and _is_mutable(value), is_opaque=is_opaque)
        if not is_opaque:
            waiting += reversed([*_inside(path, value)])


def _is_opaque(value: Any) -> bool:
    if isinstance(value, (*_MUTABLE, *_IMMUTABLE, Mapping, BaseModel, Message, Model)):
        return False
    return is_shared(cast("Hashable", type(value))) or not attributes(value)


def _is_mutable(value: Any) -> bool:
    if isinstance(value, _IMMUTABLE) or (isinstance(value, Mapping) and not hasattr(value, "__setitem__")):
        return False
    if isinstance(value, BaseModel):
        return not value.model_config.get("frozen", False)
    if is_dataclass(value):
        return not cast("Any", type(value)).__dataclass_params__.frozen
    return not isinstance(value, Message)


def _inside(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{path}[{key!r}]", item) for key, item in value.items())
    elif isinstance(value, list | tuple | deque):
        yield from ((f"{path}[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, set | frozenset):
        yield from ((f"{path}{{{item!r}}}", item) for item in value)
    elif isinstance(value, BaseModel):
        held = {**vars(value), **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
        yield from ((f"{path}.{name}", item) for name, item in held.items())
    elif not isinstance(value, bytearray | array):
        # not what forks share on purpose, nor the model that a fork was made from
        shared = {*type(value).shared, "origin", "_origin"} if isinstance(value, Model) else ()
        yield from (
            (f"{path}.{name.removeprefix('_')}", item) for name, item in attributes(value).items() if name not in shared
        )


def shared_with(parent: Session, child: Session, *, models: bool) -> Iterator[str]:
    """The mutable objects that a parent and a subroutine have both, a line each, but none inside of another.

    Args:
        parent: The parent's session.
        child: The subroutine's session.
        models: Whether a model that both have counts; with runners of their own they may well have one model.
    """
    held = {id(found.value): found.path for found in walk_session(parent, models=models) if found.is_mutable}
    named: list[str] = []
    for found in walk_session(child, models=models):
        place = held.get(id(found.value))
        if found.is_mutable and place is not None and not any(_is_in(found.path, other) for other in named):
            named.append(found.path)
            its = "" if place == found.path else f", which the parent has as {place}"
            yield f"{found.path} ({type(found.value).__name__}){its}"


def _is_in(path: str, other: str) -> bool:
    return path.startswith(other) and path[len(other) :][:1] in {".", "[", "{"}


_MOST: Final = 1_000  # canaries in one session


def escaped(child: Session, outside: Callable[[], State]) -> list[str]:
    """The containers of a subroutine whose canaries show up outside of it, a line each.

    Args:
        child: The session of a subroutine that has ended.
        outside: Reads the state outside of the subroutine.
    """
    planted: dict[str, str] = {}
    with ExitStack() as removing:
        for found in [*walk([("metadata", child.metadata)])][:_MOST]:
            canary = f"canary-{uuid4().hex}"
            remove = _planted(found.value, canary)
            if remove is not None:
                removing.callback(remove)
                planted[canary] = found.path
        seen = {canary: path for path, canary in _canaries("", outside(), planted)}
    return [f"{planted[canary]}, which is seen as {path}" for canary, path in seen.items()]


def _planted(container: Any, canary: str) -> Callable[[], None] | None:
    """Put a canary into a container; returns a function that takes it out, or ``None`` where there is none in it."""
    with suppress(Exception):  # a container of the user's may refuse it
        if isinstance(container, MutableMapping):
            container[canary] = canary
            return lambda: _quietly(lambda: container.pop(canary, None))
        if isinstance(container, MutableSet):
            container.add(canary)
            return lambda: _quietly(lambda: container.discard(canary))
        if isinstance(container, MutableSequence | deque) and not isinstance(container, bytearray):
            container.append(canary)
            return lambda: _quietly(lambda: container.remove(canary))
    return None


def _quietly(remove: Callable[[], object]) -> None:
    with suppress(Exception):  # a container of the user's may have dropped it
        remove()


def _canaries(path: str, state: Any, planted: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The canaries in a state, each with its path."""
    if isinstance(state, str) and state in planted:
        yield path, state
    elif isinstance(state, dict):
        for key, value in state.items():
            inner = f"{path}[{key!r}]" if path else str(key)
            yield from _canaries(path if key in planted else inner, value, planted)
    elif isinstance(state, list):
        for item in state:
            yield from _canaries(path, item, planted)
