"""The observer that passes the templates that begin and end to the precise guard.

It is loaded with the engine, perhaps while this package's errors are being imported: it imports little itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from antiphon.observers import Observer, TemplateEntered, TemplateExited

if TYPE_CHECKING:
    from antiphon.session import Run
    from pytest_templates.isolation.guard import Guard


class TemplateObserver(Observer):
    """Passes the templates that begin and end to a guard.

    Args:
        guard: Returns the guard of the test in which a run has begun; ``None`` for none.
    """

    def __init__(self, guard: Callable[[Run], Guard | None]) -> None:
        self._guard = guard

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Pass on the beginning of a template."""
        guard = self._guard(event.session.run)
        if guard is not None:
            guard.template_entered(event)

    def on_template_exit(self, event: TemplateExited) -> None:
        """Pass on the end of a template."""
        guard = self._guard(event.session.run)
        if guard is not None:
            guard.template_exited(event)
