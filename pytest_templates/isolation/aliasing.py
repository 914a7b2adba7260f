"""Mutable objects that a parent and its subroutine share."""

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

_MUTABLE: Final = (list, dict, set, bytearray, deque, array)
_IMMUTABLE: Final = (tuple, frozenset)


@dataclass(frozen=True, slots=True)
class Found:
    """An object that can be reached.

    Attributes:
        path: The way to it, as in ``metadata['customer'].notes``.
        value: The object.
        is_mutable: Whether it can be changed in place, as far as can be told.
        is_seen: Whether its content can be looked at; no lock's can, and no client's.
    """

    path: str
    value: Any
    is_mutable: bool
    is_seen: bool


def walk_session(session: Session, *, models: bool = True) -> Iterator[Found]:
    """What can be reached from a session: from its metadata, its messages and its runner.

    Args:
        session: The session.
        models: Whether to look into models as well.
    """
    roots = [("metadata", session.metadata), ("runner", session.runner)]
    roots += [(f"messages[{index}]", message) for index, message in enumerate(session.messages)]
    return walk(roots, models=models)


def walk(roots: Iterable[tuple[str, Any]], *, models: bool = True) -> Iterator[Found]:
    """What can be reached from some values, these included; in no particular order but that of the roots.

    Args:
        roots: The values, each with what it is called.
        models: Whether to look into models as well.
    """
    met: set[int] = set()
    waiting = [*reversed([*roots])]
    while waiting:
        path, value = waiting.pop()
        if type(value) in ATOMS or isinstance(value, Shared) or id(value) in met:
            continue
        met.add(id(value))
        if isinstance(value, Model) and not models:
            continue
        is_seen = _is_seen(value)
        yield Found(path, value, is_mutable=is_seen and _is_mutable(value), is_seen=is_seen)
        if is_seen:
            waiting += reversed([*_inside(path, value)])


def _is_seen(value: Any) -> bool:
    if isinstance(value, (*_MUTABLE, *_IMMUTABLE, Mapping, BaseModel, Message, Model)):
        return True
    return not is_shared(cast("Hashable", type(value))) and bool(attributes(value))


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
        # what forks are to share, and the model that a fork was made of
        shared = {*type(value).shared, "origin", "_origin"} if isinstance(value, Model) else ()
        yield from (
            (f"{path}.{name.removeprefix('_')}", item) for name, item in attributes(value).items() if name not in shared
        )


def shared_with(parent: Session, child: Session, *, models: bool) -> Iterator[str]:
    """The objects that both can change, a line each, without what lies in one that is named already.

    Args:
        parent: The parent's session.
        child: The subroutine's.
        models: Whether a model that both have counts; it may be meant to be the same.
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


def escaped(child: Session, outside: Callable[[], dict[str, Any]]) -> list[str]:
    """Where canaries are seen outside, a line each.

    Args:
        child: The session of a subroutine that has ended.
        outside: Takes a picture of what is outside.
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
    """Puts a canary into a container; returns what takes it out, or ``None`` where it takes none."""
    with suppress(Exception):  # a container of the user's may refuse what it likes
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
    with suppress(Exception):  # it took the canary, and has lost it
        remove()


def _canaries(path: str, picture: Any, planted: dict[str, str]) -> Iterator[tuple[str, str]]:
    if isinstance(picture, str) and picture in planted:
        yield path, picture
    elif isinstance(picture, dict):
        for key, value in picture.items():
            inner = f"{path}[{key!r}]" if path else str(key)
            yield from _canaries(path if key in planted else inner, value, planted)
    elif isinstance(picture, list):
        for item in picture:
            yield from _canaries(path, item, planted)
