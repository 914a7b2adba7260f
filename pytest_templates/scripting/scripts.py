"""What is scripted for a test, or for several, and what of it must not be left unused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_templates.scripting.likeness import Like
    from pytest_templates.scripting.rules import Script


class Consumable(Protocol):
    """A script, or faults, of which a test may leave nothing unused."""

    @property
    def remaining(self) -> int:
        """How much is left."""
        ...

    @property
    def unused(self) -> str:
        """What is left, in words."""
        ...


class Scripts:
    """What is scripted for a test, or for several.

    Args:
        like: Whose rules hold for models that do not say it themselves.

    Attributes:
        file: The script file that models without steps of their own play; ``None`` where there is none.
        like: Whose rules hold for models that do not say it themselves.
        consumables: What must not be left unused: the scripts of models and users, faults.
    """

    def __init__(self, like: Like | None = None) -> None:
        self.file: Script | None = None
        self.like: Like | None = like
        self.consumables: list[Consumable] = []

    def may_be_left(self, consumable: Consumable | None) -> None:
        """Let something be left unused after all, if it is there."""
        self.consumables = [one for one in self.consumables if one is not consumable]

    def left(self) -> list[Consumable]:
        """What is left unused."""
        return [one for one in self.consumables if one.remaining]
