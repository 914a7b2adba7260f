"""What a run yields beside messages."""

from __future__ import annotations

from dataclasses import dataclass


class Event:
    """Something that happened while a template was rendered; custom templates may yield events of their own."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TextDelta(Event):
    """A piece of an answer, while the model speaks; the whole message follows.

    Attributes:
        text: The piece, as it came.
        template_path: The path of the template that asked; ``None`` for a call from outside of templates.
    """

    text: str
    template_path: str | None
