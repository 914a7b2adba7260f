"""What a run yields beside messages."""

from __future__ import annotations


class Event:
    """Something that happened while a template was rendered; custom templates may yield events of their own."""

    __slots__ = ()
