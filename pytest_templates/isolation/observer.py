"""The observer that tells the precise guard of templates.

It is loaded with the engine, perhaps in the middle of an import of this package's errors: it imports little itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from antiphon.observers import Observer, TemplateEntered, TemplateExited

if TYPE_CHECKING:
    from pytest_templates.isolation.guard import Guard


class TemplateObserver(Observer):
    """Tells a guard which templates begin and end.

    Args:
        guard: Gives the guard of the test under way; ``None`` for none.
    """

    def __init__(self, guard: Callable[[], Guard | None]) -> None:
        self._guard = guard

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Let the guard look."""
        guard = self._guard()
        if guard is not None:
            guard.template_entered(event)

    def on_template_exit(self, event: TemplateExited) -> None:
        """Let the guard look."""
        guard = self._guard()
        if guard is not None:
            guard.template_exited(event)
