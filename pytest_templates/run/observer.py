"""The observer that passes the engine's events to the attempt under way.

It is loaded with the engine, perhaps while this package's errors are being imported: it imports little itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from antiphon.observers import (
    LiveCall,
    Observer,
    PartWaiting,
    RunResumed,
    RunSuspended,
    SubroutineEntered,
    SubroutineExited,
)
from antiphon.trace import ModelCall, ToolRun

if TYPE_CHECKING:
    from pytest_templates.run.attempt import Attempt


class Attempts(Protocol):
    """Says which attempt an event belongs to; ``None`` for none."""

    @property
    def listening(self) -> Attempt | None:
        """The attempt under way."""
        ...

    def attempt_of_run(self, run: Any) -> Attempt | None:
        """The attempt in which a conversation has begun."""
        ...

    def attempt_of_model(self, model: object) -> Attempt | None:
        """The attempt that made a model for itself, or else the one under way."""
        ...


class AttemptObserver(Observer):
    """Passes on model calls, tool runs, subroutines and pauses.

    Args:
        attempts: Says which attempt an event belongs to.
    """

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    def on_model_call(self, call: ModelCall) -> None:
        """Add the call to those of the attempt."""
        attempt = self._attempts.attempt_of_model(call.origin)
        if attempt is not None:
            attempt.called(call)

    def on_tool_run(self, run: ToolRun) -> None:
        """Add the run of the tool to the trace."""
        attempt = self._attempts.listening
        if attempt is not None:
            attempt.trace.tools.append(run)

    def on_live_call(self, event: LiveCall) -> None:
        """Let features refuse the call."""
        attempt = self._attempts.listening
        if attempt is not None:
            attempt.hook.live_call_begins(attempt=attempt, event=event)

    def on_subroutine_enter(self, event: SubroutineEntered) -> None:
        """Pass on the beginning of a subroutine."""
        attempt = self._attempts.attempt_of_run(event.parent.run)
        if attempt is not None:
            attempt.hook.subroutine_entered(attempt=attempt, event=event)

    def on_subroutine_exit(self, event: SubroutineExited) -> None:
        """Pass on the end of a subroutine."""
        attempt = self._attempts.attempt_of_run(event.parent.run)
        if attempt is not None:
            attempt.hook.subroutine_left(attempt=attempt, event=event)

    def on_suspend(self, event: RunSuspended) -> None:
        """Pass on that the program has the word."""
        attempt = self._attempts.attempt_of_run(event.session.run)
        if attempt is not None:
            attempt.hook.run_suspended(attempt=attempt, event=event)

    def on_resume(self, event: RunResumed) -> None:
        """Pass on that the run goes on."""
        attempt = self._attempts.attempt_of_run(event.session.run)
        if attempt is not None:
            attempt.hook.run_resumed(attempt=attempt, event=event)

    def on_part_wait(self, event: PartWaiting) -> None:
        """Pass on that others may go on."""
        attempt = self._attempts.attempt_of_run(event.session.run)
        if attempt is not None:
            attempt.hook.part_waits(attempt=attempt, event=event)
