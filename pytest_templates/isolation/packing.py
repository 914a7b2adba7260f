"""Large plain containers as bytes, which are made and compared at the speed of C."""

from __future__ import annotations

import marshal
from typing import Any, Final

from pytest_templates.isolation.state import StateReader

_FEW: Final = 32  # items up to which a container is read one by one


class Packed:
    """The content of a container that holds nothing but plain data.

    Attributes:
        data: The content, as `marshal` writes it.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Packed):
            return False
        if self.data == other.data:
            return True
        # marshal also writes which objects are referred to from elsewhere, which is no content
        return bool(_state(self) == _state(other))

    __hash__ = None  # type: ignore[assignment]  # equal content may be written in several ways


def packed(value: Any) -> Packed | None:
    """The content of a builtin container; ``None`` where it is small, or holds anything but builtin types."""
    if len(value) < _FEW:
        return None
    try:
        return Packed(marshal.dumps(value, 4))
    except (ValueError, RuntimeError):  # it holds an object; or another thread is changing it
        return None


def unpacked(state: Any, those_with: bytes = b"") -> Any:
    """A state in which containers are no longer packed.

    Args:
        state: The state.
        those_with: Bytes that a container's content holds; all others stay packed.
    """
    if isinstance(state, Packed):
        return _state(state) if those_with in state.data else state
    if type(state) is dict:
        return {key: unpacked(item, those_with) for key, item in state.items()}
    return [unpacked(item, those_with) for item in state] if type(state) is list else state


def _state(pack: Packed) -> Any:
    return StateReader().value(marshal.loads(pack.data))  # noqa: S302 - it was made here
