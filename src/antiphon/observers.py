"""Observers: they listen to every runner of the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from antiphon.call_recorder import ModelEntered, ModelExited
from antiphon.connect import LiveCall
from antiphon.drivers import RunResumed, RunSuspended
from antiphon.effects import ToolEntered, ToolExited
from antiphon.listeners import LISTENERS, silent
from antiphon.parameters import check_kind
from antiphon.parts import PartWaiting
from antiphon.templates.base import TemplateEntered, TemplateExited
from antiphon.templates.subroutine import SubroutineEntered, SubroutineExited
from antiphon.trace import ModelCall, ToolRun

__all__ = [
    "LISTENERS",
    "LiveCall",
    "ModelEntered",
    "ModelExited",
    "Observer",
    "PartWaiting",
    "RunResumed",
    "RunSuspended",
    "SubroutineEntered",
    "SubroutineExited",
    "TemplateEntered",
    "TemplateExited",
    "ToolEntered",
    "ToolExited",
    "observing",
]


class Observer:
    """Base class of observers: override the methods that you need; the others cost nothing.

    Enter and exit come in pairs, also when something fails: who begins to listen in the middle of a run hears no exit
    from what was entered before. The methods are called in the thread or task that does the work, and what they raise
    ends that work.
    """

    @silent
    def on_template_enter(self, event: TemplateEntered) -> None:
        """A template is about to be rendered."""

    @silent
    def on_template_exit(self, event: TemplateExited) -> None:
        """A template was rendered, or failed."""

    @silent
    def on_model_call(self, call: ModelCall) -> None:
        """A model was called; the call is complete, also when it failed. Calls within it are in its ``inner``."""

    @silent
    def on_model_enter(self, event: ModelEntered) -> None:
        """A model is about to be asked; also one that another model asks while it answers."""

    @silent
    def on_model_resume(self, event: ModelEntered) -> None:
        """It goes to work: when it is asked, and again for every further piece of its stream."""

    @silent
    def on_model_suspend(self, event: ModelEntered) -> None:
        """It rests: it has given a piece of its stream, and whoever listens to it has the word; or it is done."""

    @silent
    def on_model_exit(self, event: ModelExited) -> None:
        """A model has answered, or failed."""

    @silent
    def on_live_call(self, event: LiveCall) -> None:
        """A real model is about to be called; what is raised here keeps it from being called."""

    @silent
    def on_tool_run(self, run: ToolRun) -> None:
        """A tool that a model asked for was run, or could not be; the model was not told yet."""

    @silent
    def on_tool_enter(self, event: ToolEntered) -> None:
        """A tool that a model asked for is about to be run, or cannot be."""

    @silent
    def on_tool_exit(self, event: ToolExited) -> None:
        """A tool has ended."""

    @silent
    def on_subroutine_enter(self, event: SubroutineEntered) -> None:
        """A subroutine begins."""

    @silent
    def on_subroutine_exit(self, event: SubroutineExited) -> None:
        """A subroutine has ended, and what returns to its parent is chosen; nothing was appended there yet."""

    @silent
    def on_suspend(self, event: RunSuspended) -> None:
        """A run that the program goes through step by step stops at a message or an event."""

    @silent
    def on_resume(self, event: RunResumed) -> None:
        """It goes on, or is closed."""

    @silent
    def on_part_wait(self, event: PartWaiting) -> None:
        """A child of a parallel template waits for something, in an event loop: the other children may go on."""


AnObserver = TypeVar("AnObserver", bound=Observer)


@contextmanager
def observing(observer: AnObserver) -> Iterator[AnObserver]:
    """Let an observer listen to every runner in the process, threads and tasks included.

    Raises:
        InvalidType: That is no observer.

    Example:
        >>> class Counter(Observer):
        ...     calls = 0
        ...
        ...     def on_model_call(self, call):
        ...         self.calls += 1
        >>> with observing(Counter()) as counter:
        ...     pass
        >>> counter.calls
        0
    """
    LISTENERS.add(check_kind(observer, Observer, "observer"))
    try:
        yield observer
    finally:
        LISTENERS.remove(observer)
