"""What of one value is its state, one level deep."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Form: TypeAlias = Literal["mapping", "ordered", "set", "sequence", "object", "identity", "unseen"]
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class View(NamedTuple):
    """What of one value is its state.

    Attributes:
        form: What its items are: a ``"mapping"``, one whose order counts (``"ordered"``), a ``"set"``, a
            ``"sequence"``; ``"object"`` for none; ``"identity"``: there is nothing else to compare; ``"unseen"``:
            there may be, and nobody knows how.
        content: A text, a number, or a tuple of these.
        attributes: By name.
        items: In a new container; keys with values for the first two forms.
        has_identity: Whether an equal value in its place is a change.
        is_partial: Whether it holds more, of which nobody knows whether it is state.
    """

    form: Form
    content: Any = None
    attributes: Mapping[str, Any] = _NOTHING
    items: Any = None
    has_identity: bool = False
    is_partial: bool = False


UNSEEN: Final = View("unseen", has_identity=True)
IDENTITY: Final = View("identity", has_identity=True)


class Unloaded:
    """Stands for an attribute that is loaded when it is first read: it is the same as what is loaded later."""

    def __repr__(self) -> str:
        return "<not loaded yet>"


UNLOADED: Final = Unloaded()
