"""The observer that hands the engine's doings to the attempt under way."""

from __future__ import annotations

from antiphon.calls import ModelCall, ToolRun
from antiphon.observers import LiveCall, Observer, SubroutineEntered, SubroutineExited
from pytest_templates.run.engine import Watch


class AttemptObserver(Observer):
    """Hands on model calls and subroutines, and lets the attempt object to calls of real models."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_model_call(self, call: ModelCall) -> None:
        """Add the call to the attempt's."""
        attempt = self._watch.listening_attempt
        if attempt is not None:
            attempt.called(call)

    def on_tool_run(self, run: ToolRun) -> None:
        """Note the run of a tool."""
        attempt = self._watch.listening_attempt
        if attempt is not None:
            attempt.trace.tools.append(run)

    def on_live_call(self, event: LiveCall) -> None:
        """Let the attempt object."""
        attempt = self._watch.listening_attempt
        if attempt is not None:
            attempt.calling(event)

    def on_subroutine_enter(self, event: SubroutineEntered) -> None:
        """Let the guard look at the parent."""
        attempt = self._watch.listening_attempt
        if attempt is not None and attempt.guard is not None:
            attempt.guard.entered(event)

    def on_subroutine_exit(self, event: SubroutineExited) -> None:
        """Let the guard look at the parent again."""
        attempt = self._watch.listening_attempt
        if attempt is not None and attempt.guard is not None:
            attempt.guard.exited(event)
