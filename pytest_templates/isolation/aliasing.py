"""Mutable objects that a subroutine shares: with its parent, or with what lies around both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from antiphon import Model, Session
from pytest_templates.isolation.showing import path_of
from pytest_templates.isolation.state import Node, State, StateReader, nodes_of
from pytest_templates.isolation.static import Layout, is_a, short_name_of
from pytest_templates.isolation.view import IDENTITY, View


class _SharingReader(StateReader):
    """Reads what copies have a copy of, and into models as well.

    Args:
        models: Whether to look into models.
    """

    def __init__(self, *, models: bool) -> None:
        super().__init__()
        self._models = models

    def _view_of(self, node: Node) -> View:
        return super()._view_of(node) if node.plan.is_copied else IDENTITY

    def _model(self, model: Model) -> View:
        if not self._models:
            return IDENTITY
        # not what forks share on purpose, nor the model that a fork was made from
        left_out = {*type(model).shared, "origin", "_origin"}
        held = Layout(type(model)).attributes(model)
        return View("object", attributes={name: item for name, item in held.items() if name not in left_out})


def shared_with(parent: Session, child: Session, *, models: bool) -> Iterator[str]:
    """The mutable objects that a parent and a subroutine have both, a line each, but none inside of another.

    What copies share with what they are copied from (clients, locks, queues, functions) counts for nothing.

    Args:
        parent: The parent's session.
        child: The subroutine's session.
        models: Whether a model that both have counts; with runners of their own they may well have one model.
    """
    held = {
        id(node.value): node for node in nodes_of(_SharingReader(models=models).session(parent)) if _is_mutable(node)
    }
    named: set[int] = set()
    for node in nodes_of(_SharingReader(models=models).session(child)):
        other = held.get(id(node.value))
        if id(node.place[0]) in named:
            named.add(id(node))
        elif other is not None and _is_mutable(node):
            named.add(id(node))
            path, place = path_of(node), path_of(other)
            its = "" if place == path else f", which the parent has as {place}"
            yield f"{path} ({short_name_of(node.plan.kind)}){its}"


def _is_mutable(node: Node) -> bool:
    return node.plan.is_mutable and node.view.form not in ("identity", "unseen")


_CONTAINERS: Final = (dict, list, set, deque)


def escaped(child: Session, outside: Callable[[], State]) -> list[str]:
    """The containers in the metadata of a subroutine that are outside of it as well, a line each.

    Args:
        child: The session of a subroutine that has ended.
        outside: Reads the state outside of the subroutine.
    """
    metadata = _SharingReader(models=False).value(child.metadata, "metadata")
    own = {id(node.value): node for node in nodes_of(metadata) if any(is_a(node.plan.kind, one) for one in _CONTAINERS)}
    seen: dict[int, tuple[Any, Node]] = {}
    for name, state in outside().items():
        for node in nodes_of(state):
            if id(node.value) in own:
                seen.setdefault(id(node.value), (name, node))
    return [f"{path_of(own[one])}, which is {_place(name, node)}" for one, (name, node) in seen.items()]


def _place(name: str, node: Node) -> str:
    """How to get to a node in a state under a name."""
    path = path_of(node)
    return path if path.startswith(name) else f"{name}{path}"
