"""The attempt of a test that is under way in this process; it listens to the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.support.engine import EngineListener

if TYPE_CHECKING:
    from antiphon.observers import Observer

_UNDER_WAY = pytest.StashKey["UnderWay"]()


class UnderWay:
    """The attempt under way in one run of pytest; the events of the engine belong to it.

    The engine is not imported for this: a run whose tests never load it pays nothing. Where one pytest runs inside
    another, as with ``pytester``, only the inner one listens.

    Attributes:
        attempt: The attempt, or ``None`` between tests.
    """

    _runs: ClassVar[list[UnderWay]] = []

    def __init__(self) -> None:
        self.attempt: Attempt | None = None
        self._begun: WeakKeyDictionary[Any, Attempt] = WeakKeyDictionary()  # by run of a conversation
        self._runs.append(self)
        self._listener = EngineListener(self._observer)

    def end(self) -> None:
        """Stop listening."""
        self._runs.remove(self)
        self._listener.end()

    @classmethod
    def innermost(cls) -> Attempt | None:
        """The attempt under way in this process, of the innermost pytest."""
        return cls._runs[-1].attempt if cls._runs else None

    @classmethod
    def innermost_begun(cls) -> Attempt | None:
        """The same of the innermost pytest that runs a test: one that has only read its configuration runs none."""
        return next((run.attempt for run in reversed(cls._runs) if run.attempt is not None), None)

    @property
    def listening(self) -> Attempt | None:
        """The attempt that the engine's events belong to; ``None`` where another pytest runs inside this one."""
        return self.attempt if self._runs[-1] is self else None

    def attempt_of_run(self, run: Any) -> Attempt | None:
        """The attempt in which a conversation has begun: where that goes on in another test, it is not that test's."""
        run = run.whole
        attempt = self._begun.get(run)
        if attempt is None:
            attempt = self.listening
            if attempt is not None:
                self._begun[run] = attempt
        return attempt

    def attempt_of_model(self, model: object) -> Attempt | None:
        """The attempt that made a model for itself; of other models, the one under way."""
        attempt = getattr(model, "attempt", None)
        if not isinstance(attempt, Attempt):
            return self.listening
        return attempt if under_way_in(attempt.item.config) is self else None

    @property
    def is_repeating(self) -> bool:
        """Whether the attempt only repeats another one, of which all is known: nothing of it counts."""
        return self.attempt is not None and self.attempt.repeats is not None

    def _observer(self) -> Observer:
        from pytest_templates.run.observer import AttemptObserver

        return AttemptObserver(self)


def listen(config: pytest.Config) -> UnderWay:
    """Listen from now on, or from when the engine is loaded."""
    under_way = config.stash[_UNDER_WAY] = UnderWay()
    return under_way


def under_way_in(config: pytest.Config) -> UnderWay:
    """The attempt under way in a run."""
    return config.stash[_UNDER_WAY]


def current_attempt() -> Attempt | None:
    """The attempt under way in this process, of the innermost pytest."""
    return UnderWay.innermost()


def attempt_of_fixture() -> Attempt:
    """The attempt for which a fixture of a test is being set up: the one under way.

    Fixtures ask for it here: to set up pytest's ``request``, or a fixture between, takes longer than all that they do.
    """
    __tracebackhide__ = True
    attempt = UnderWay.innermost_begun()
    if attempt is None:
        pytest.fail("fixtures of prompt templates belong to tests that pytest sets up by its hooks", pytrace=False)
    return attempt
