"""The isolation guard in a run: its option and its marker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_templates.determinism.roles import is_second
from pytest_templates.run import markers
from pytest_templates.run.options import OPTIONS
from pytest_templates.support.loading import WhenLoaded

if TYPE_CHECKING:
    from antiphon import Observer
    from pytest_templates.isolation.guard import Guard


def guard_for(item: pytest.Item, complain: Callable[[Exception], None]) -> Guard | None:
    """The guard; ``None`` where it is turned off, for the run or for the test."""
    options = item.config.stash[OPTIONS]
    if options.isolation == "off" or markers.has(item, "llm_isolation"):
        return None
    if options.isolation == "precise":
        from pytest_templates.isolation.precise import PreciseGuard

        return PreciseGuard(complain, reverse=not options.twice or is_second(item.config))
    from pytest_templates.isolation.guard import Guard

    return Guard(complain)


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
        from pytest_templates.run.attempt import WATCH

        self._watch = config.stash[WATCH]
        self._observer: Observer | None = None
        self._waiting = WhenLoaded("antiphon", self._listen)

    def _listen(self) -> None:
        from antiphon.observers import LISTENERS
        from pytest_templates.isolation.precise import TemplateObserver

        self._observer = TemplateObserver(self._watch)
        LISTENERS.add(self._observer)

    def pytest_unconfigure(self) -> None:
        """Listen no longer."""
        self._waiting.forget()
        if self._observer is not None:
            from antiphon.observers import LISTENERS

            LISTENERS.remove(self._observer)
