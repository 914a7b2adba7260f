"""Mutable objects that a subroutine shares: with its parent, or with anything else, which canaries show.

A canary is a text that occurs nowhere else. It is put into a container of the subroutine's: where it then shows up
outside of the subroutine, the container is shared, also where it does not look so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableMapping, MutableSequence, MutableSet
from contextlib import ExitStack, suppress
from dataclasses import dataclass, is_dataclass
from typing import Any, Final, cast
from uuid import uuid4

from pydantic import BaseModel

from antiphon import Message, Model, Session
from antiphon.copies import ATOMS, Shared
from pytest_templates.isolation.content import View, parts_of, view_of
from pytest_templates.isolation.state import State

_IMMUTABLE: Final = (tuple, frozenset)


@dataclass(frozen=True, slots=True)
class Reachable:
    """An object that can be reached from a session.

    Attributes:
        path: How to get to it, as in ``metadata['customer'].notes``.
        value: The object.
        is_mutable: Whether it can be changed in place, as far as is known.
    """

    path: str
    value: Any
    is_mutable: bool


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
        if type(value) in ATOMS or issubclass(type(value), Shared) or id(value) in visited:
            continue
        visited.add(id(value))
        if issubclass(type(value), Model) and not models:
            continue
        view = view_of(value)
        yield Reachable(path, value, is_mutable=_is_mutable(value, view))
        waiting += reversed([*_inside(path, value, view)])


def _is_mutable(value: Any, view: View) -> bool:
    """Whether a value can be changed in place, as far as is known."""
    kind = type(value)
    if view.form in {"content", "identity", "unseen"}:
        return False
    if issubclass(kind, _IMMUTABLE) or (view.form == "mapping" and not hasattr(kind, "__setitem__")):
        return False
    if issubclass(kind, BaseModel):
        return not kind.model_config.get("frozen", False)
    if is_dataclass(kind):
        return not cast("Any", kind).__dataclass_params__.frozen
    return not issubclass(kind, Message)


def _inside(path: str, value: Any, view: View) -> Iterator[tuple[str, Any]]:
    # not what forks share on purpose, nor the model that a fork was made from
    shared = {*type(value).shared, "origin", "_origin"} if issubclass(type(value), Model) else ()
    for what, key, part in parts_of(view):
        match what:
            case "item":
                yield f"{path}[{_named(key)}]", part
            case "member":
                yield f"{path}{{{_named(part)}}}", part
            case _ if key not in shared:
                yield f"{path}.{key.removeprefix('_')}", part


def _named(key: Any) -> str:
    """A key as it is written; of an object that may say anything of itself, the type."""
    return repr(key) if type(key) in ATOMS else f"<{type(key).__name__}>"


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
