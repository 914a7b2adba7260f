"""Mutable objects that a subroutine shares: with its parent, or with what lies around both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from antiphon import Message, Model, Session
from pytest_templates.isolation.packing import packs_in
from pytest_templates.isolation.showing import path_of
from pytest_templates.isolation.state import Node, State, StateReader, Trail, walk, walk_session
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

    def _plain_message(self, message: Message) -> None:
        """Its metadata count, also where they are empty."""

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
    parents, children = (_SharingReader(models=models).session(one) for one in (parent, child))
    held = {id(node.value): trail for node, trail in walk_session(parents) if _is_mutable(node)}
    named: set[int] = set()  # with what is in them
    for node, trail in walk_session(children):
        if id(node) in named:
            named.update(id(inner) for _, _, inner in node.inner())
        elif id(node.value) in held and _is_mutable(node):
            named.update([id(node), *(id(inner) for _, _, inner in node.inner())])
            path, place = path_of(trail), path_of(held[id(node.value)])
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
    metadata, around = _SharingReader(models=False).value(child.metadata), outside()  # kept: what is freed frees its id
    inside = walk(metadata, (None, "root", "metadata"))
    own = {id(node.value): trail for node, trail in inside if any(is_a(node.plan.kind, one) for one in _CONTAINERS)}
    if not own:
        return []
    seen: dict[int, Trail] = {}
    for node, trail in walk_session(around):
        if id(node.value) in own:
            seen.setdefault(id(node.value), trail)
    ids = frozenset(own)
    for name, state in around.items():
        for pack, trail in packs_in(state, (None, "root", name)):
            if pack.holds(ids):
                seen.setdefault(next(one for one in own if pack.holds(frozenset([one]))), trail)
    return [f"{path_of(own[one])}, which is {path_of(trail)}" for one, trail in seen.items()]
