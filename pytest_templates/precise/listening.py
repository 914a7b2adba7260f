"""Hearing of every template, which only the precise guard needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_templates.attempts import WATCH
from pytest_templates.loading import WhenLoaded
from pytest_templates.options import OPTIONS

if TYPE_CHECKING:
    from antiphon import Observer


def watch(config: pytest.Config) -> None:
    """Hand every template to the guard of the test under way, where the options ask for the precise one."""
    if config.stash[OPTIONS].isolation == "precise":
        config.pluginmanager.register(Listening(config), "templates-precise")


class Listening:
    """Listens from when the engine is loaded until the run is over.

    Args:
        config: Where the attempt under way is known.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._watch = config.stash[WATCH]
        self._observer: Observer | None = None
        self._waiting = WhenLoaded("antiphon", self._listen)

    def _listen(self) -> None:
        from antiphon.observers import LISTENERS
        from pytest_templates.precise.observer import TemplateObserver

        self._observer = TemplateObserver(self._watch)
        LISTENERS.add(self._observer)

    def pytest_unconfigure(self) -> None:
        """Listen no longer."""
        self._waiting.forget()
        if self._observer is not None:
            from antiphon.observers import LISTENERS

            LISTENERS.remove(self._observer)
