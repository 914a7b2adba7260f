"""The observer that hands templates to the precise guard."""

from __future__ import annotations

from antiphon.observers import Observer, TemplateEntered, TemplateExited
from pytest_templates.precise.guard import PreciseGuard
from pytest_templates.watching import Watch


class TemplateObserver(Observer):
    """Hands on what begins and what ends."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Let the guard look."""
        guard = self._guard
        if guard is not None:
            guard.template_entered(event)

    def on_template_exit(self, event: TemplateExited) -> None:
        """Let the guard look."""
        guard = self._guard
        if guard is not None:
            guard.template_exited(event)

    @property
    def _guard(self) -> PreciseGuard | None:
        attempt = self._watch.listening_attempt
        guard = None if attempt is None else attempt.guard
        return guard if isinstance(guard, PreciseGuard) else None
