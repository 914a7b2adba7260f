"""Listening to the engine on behalf of the test that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pytest_templates.support.loading import WhenLoaded

if TYPE_CHECKING:
    from antiphon import Observer
    from pytest_templates.run.attempt import Attempt


class Watch:
    """Hands what the engine does to the attempt of a test that is under way in this process.

    The engine is not imported for this: a run whose tests never load it pays nothing. Where one pytest runs inside
    another, as with ``pytester``, the inner one listens while it lasts.

    Attributes:
        attempt: The attempt under way, or ``None`` between tests.
    """

    _open: ClassVar[list[Watch]] = []

    def __init__(self) -> None:
        self.attempt: Attempt | None = None
        self._observer: Observer | None = None
        self._waiting: WhenLoaded | None = None

    @classmethod
    def begin(cls) -> Self:
        """Listen from now on, or from when the engine is loaded."""
        watch = cls()
        cls._open.append(watch)
        watch._waiting = WhenLoaded("antiphon.observers", watch._listen)
        return watch

    def end(self) -> None:
        """Listen no longer."""
        self._open.remove(self)
        if self._waiting is not None:
            self._waiting.forget()
        if self._observer is not None:
            from antiphon.observers import LISTENERS

            LISTENERS.remove(self._observer)

    @classmethod
    def current_attempt(cls) -> Attempt | None:
        """The attempt under way in this process, of the innermost pytest."""
        return cls._open[-1].attempt if cls._open else None

    @property
    def listening_attempt(self) -> Attempt | None:
        """The attempt that the engine's doings belong to."""
        return self.attempt if self._open[-1] is self else None

    def _listen(self) -> None:
        from antiphon.observers import LISTENERS
        from pytest_templates.run.observer import AttemptObserver

        self._observer = AttemptObserver(self)
        LISTENERS.add(self._observer)
