"""Listening to every runner of the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from antiphon.calls import ModelCall, ToolRun
from antiphon.parameters import check_kind
from antiphon.session import Session

if TYPE_CHECKING:
    from antiphon.templates.base import Template  # which tells observers of itself


@dataclass(frozen=True, slots=True)
class TemplateEntered:
    """A template is about to be rendered.

    Attributes:
        template: The template.
        path: Its path, iterations included.
        depth: How many subroutines deep; 0 outside of any.
        session: The session it is rendered in, before its before-transforms.
    """

    template: Template
    path: str
    depth: int
    session: Session


@dataclass(frozen=True, slots=True)
class TemplateExited:
    """A template was rendered, or failed.

    Attributes:
        template: The template.
        path: Its path, iterations included.
        depth: How many subroutines deep; 0 outside of any.
        session: The session as it is after the after-transforms.
        error: What ended it early: an error, or the signal of a break or an end; ``None`` when it ran to its end.
    """

    template: Template
    path: str
    depth: int
    session: Session
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class SubroutineEntered:
    """A subroutine begins; its before-transforms have run, its session does not exist yet.

    Attributes:
        template: The subroutine's template.
        path: Its path, iterations included.
        depth: How many subroutines deep its parent is; 0 outside of any.
        parent: The parent's session.
    """

    template: Template
    path: str
    depth: int
    parent: Session


@dataclass(frozen=True, slots=True)
class SubroutineExited:
    """A subroutine has ended; nothing was squashed into its parent yet.

    Attributes:
        template: The subroutine's template.
        path: Its path, iterations included.
        depth: How many subroutines deep its parent is; 0 outside of any.
        parent: The parent's session.
        child: The subroutine's session; ``None`` when it failed before there was one.
        error: What ended it early; ``None`` when it ran to its end.
    """

    template: Template
    path: str
    depth: int
    parent: Session
    child: Session | None
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A real model is about to be called.

    Attributes:
        model: The name of the model.
        path: The path of the template that asks; ``None`` for a call from outside of templates.
    """

    model: str
    path: str | None


class Observer:
    """Override what you want to hear of; the rest costs nothing.

    Enter and exit come in pairs, also when something fails: who begins to listen in the middle of a run hears no exit
    from what was entered before. The methods are called in the thread or task that does the work, and what they raise
    ends that work.
    """

    def on_template_enter(self, event: TemplateEntered) -> None:
        """A template is about to be rendered."""

    def on_template_exit(self, event: TemplateExited) -> None:
        """A template was rendered, or failed."""

    def on_model_call(self, call: ModelCall) -> None:
        """A model was called; the call is complete, also when it failed."""

    def on_live_call(self, event: LiveCall) -> None:
        """A real model is about to be called; what is raised here keeps it from being called."""

    def on_tool_run(self, run: ToolRun) -> None:
        """A tool that a model asked for was run, or could not be; the model was not told yet."""

    def on_subroutine_enter(self, event: SubroutineEntered) -> None:
        """A subroutine begins."""

    def on_subroutine_exit(self, event: SubroutineExited) -> None:
        """A subroutine has ended; nothing was squashed yet."""


class Audience:
    """Some observers, and which of their methods hear of what; it never changes."""

    __slots__ = (
        *("observers", "template_enter", "template_exit", "subroutine_enter", "subroutine_exit"),
        *("live_call", "model_call", "tool_run"),
    )

    def __init__(self, observers: tuple[Observer, ...] = ()) -> None:
        self.observers = observers
        self.template_enter = self._overriding("on_template_enter")
        self.template_exit = self._overriding("on_template_exit")
        self.live_call = self._overriding("on_live_call")
        self.model_call = self._overriding("on_model_call")
        self.tool_run = self._overriding("on_tool_run")
        self.subroutine_enter = self._overriding("on_subroutine_enter")
        self.subroutine_exit = self._overriding("on_subroutine_exit")

    def since(self, earlier: Audience) -> Audience:
        """Those who were there earlier, too: who has not heard of an enter does not hear of its exit."""
        if self is earlier:
            return self
        return Audience(tuple(one for one in self.observers if any(one is other for other in earlier.observers)))

    def _overriding(self, name: str) -> tuple[Callable[[Any], None], ...]:
        silent = getattr(Observer, name)
        return tuple(getattr(one, name) for one in self.observers if getattr(type(one), name) is not silent)


class Listeners:
    """Who listens.

    Attributes:
        now: Those who listen now. It is replaced as a whole, so that runners in other threads may read it at any time.
    """

    __slots__ = ("_lock", "now")

    def __init__(self) -> None:
        self._lock = Lock()
        self.now = Audience()

    def add(self, observer: Observer) -> None:
        """Let an observer listen."""
        with self._lock:
            self.now = Audience((*self.now.observers, observer))

    def remove(self, observer: Observer) -> None:
        """Let an observer stop to listen."""
        with self._lock:
            self.now = Audience(tuple(other for other in self.now.observers if other is not observer))


def tell(listeners: tuple[Callable[[Any], None], ...], event: object) -> None:
    """Tell every listener of an event, also where one of them raises.

    Raises:
        BaseException: What the first of them raised that did.
    """
    raised: BaseException | None = None
    for listen in listeners:
        try:
            listen(event)
        except BaseException as error:  # noqa: BLE001  # raised below, when the others were told
            raised = raised or error
    if raised is not None:
        raise raised


LISTENERS = Listeners()

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
