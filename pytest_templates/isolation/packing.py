"""Large plain containers as bytes, which are made and compared at the speed of C."""

from __future__ import annotations

import marshal
from collections.abc import Iterator
from typing import Any, Final

from pytest_templates.isolation.state import Node, StateReader, Trail, same, walk

_FEW: Final = 32  # items up to which a container is read one by one


class Packed:
    """The content of a container that holds nothing but plain data.

    Attributes:
        value: The container.
        data: The content, as `marshal` writes it.
    """

    __slots__ = ("data", "value")

    def __init__(self, value: Any, data: bytes) -> None:
        self.value = value
        self.data = data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Packed):
            return False
        return self.data == other.data or _alone(self.data) == _alone(other.data) or same(self.state(), other.state())

    __hash__ = None  # type: ignore[assignment]  # equal content may be written in several ways

    def state(self) -> Any:
        """The state of the container, as if it had been read one by one."""
        return StateReader().value(marshal.loads(self.data))  # noqa: S302 - it was made here

    def holds(self, ids: frozenset[int]) -> bool:
        """Whether the container, or one of its items, is one of some objects."""
        items = self.value.values() if type(self.value) is dict else self.value
        return id(self.value) in ids or not ids.isdisjoint(map(id, [*items]))


def _alone(data: bytes) -> bytes:
    """The content as `marshal` writes it where nothing else refers to parts of it: it notes which are referred to."""
    return marshal.dumps(marshal.loads(data), 4)  # noqa: S302 - it was made here


def packed(value: Any) -> Packed | None:
    """The content of a builtin container; ``None`` where it is small, or holds anything but builtin types."""
    if len(value) < _FEW:
        return None
    try:
        return Packed(value, marshal.dumps(value, 4))
    except (ValueError, RuntimeError):  # it holds an object; or another thread is changing it
        return None


def packs_in(state: Any, trail: Trail) -> Iterator[tuple[Packed, Trail]]:
    """Every packed container in a state, with the way to it."""
    if type(state) is Packed:
        yield state, trail
    for node, way in walk(state, trail):
        yield from _packs_of(node, way)


def _packs_of(node: Node, trail: Trail) -> Iterator[tuple[Packed, Trail]]:
    for name, state in node.attributes.items():
        if type(state) is Packed:
            yield state, (trail, "attribute", name)
    items = node.items
    for key, state in items.items() if isinstance(items, dict) else enumerate(items):
        if type(state) is Packed:
            yield state, (trail, "item", key)
