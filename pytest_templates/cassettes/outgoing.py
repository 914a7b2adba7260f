"""What is sent to real models while a cassette is open, and whether it was answered."""

from __future__ import annotations

from http import HTTPStatus
from threading import Lock

from pytest_templates.cassettes.values import Interaction


class Outgoing:
    """The requests that were sent, and their answers. Safe to use from many threads."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, str | None] = {}
        self._answered: list[tuple[str | None, str | None]] = []
        self._refused: set[tuple[str | None, str | None]] = set()
        self._lock = Lock()

    def sent(self, fingerprint: bytes, template: str | None) -> None:
        """Note a request, and the path of the template that asks; ``None`` for a call from outside of templates."""
        with self._lock:
            self._waiting[fingerprint] = template

    def answered(self, fingerprint: bytes, interaction: Interaction) -> None:
        """Note the answer to an equal request."""
        with self._lock:
            self._waiting.pop(fingerprint, None)
            if interaction.response.status < HTTPStatus.BAD_REQUEST:
                self._answered.append((interaction.template, interaction.model))
            else:
                self._refused.add((interaction.template, interaction.model))

    @property
    def unanswered(self) -> list[str | None]:
        """Who asked what nobody answered, in the order in which it was sent; a retry that is answered is enough."""
        with self._lock:
            return list(self._waiting.values())

    def was_answered(self, template: str | None, model: str | None) -> bool:
        """Whether a model answered somebody's request, and was not just replayed; each answer is told once.

        Args:
            template: The path of the template that asked; ``None`` for a call from outside of templates.
            model: The name of the model; ``None`` where a client was used without the engine.
        """
        with self._lock:
            try:
                self._answered.remove((template, model))
            except ValueError:
                return False
            return True

    def was_sent(self, template: str | None, model: str | None) -> bool:
        """Whether somebody's request was sent, also where it was refused in the end; as ``was_answered``."""
        with self._lock:
            was_refused = (template, model) in self._refused
            self._refused.discard((template, model))
        return self.was_answered(template, model) or was_refused
