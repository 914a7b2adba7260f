"""The registry of observers, and how they are told of events.

Events are defined where they happen: a template's beside ``Template``, a subroutine's beside ``SubroutineTemplate``.
Their names and ``Observer`` stand in ``antiphon.observers``, above the templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])
Item = TypeVar("Item")

_SILENT: dict[str, Callable[..., Any]] = {}


def silent(method: Method) -> Method:
    """Mark a method of an observer that does nothing: as long as it is not overridden, it is not called."""
    _SILENT[method.__name__] = method
    return method


class Audience:
    """A fixed set of observers, with the methods that each of them overrides; immutable.

    Attributes:
        follows_models: Whether one of them wants to hear when a model is asked, and goes to work or rests.
        follows_tools: Whether one of them wants to hear when a tool begins or ends.
    """

    __slots__ = (
        *("observers", "template_enter", "template_exit", "subroutine_enter", "subroutine_exit"),
        *("live_call", "model_call", "tool_run", "suspend", "resume", "part_wait"),
        *("model_enter", "model_exit", "model_suspend", "model_resume", "tool_enter", "tool_exit"),
        *("follows_models", "follows_tools"),
    )

    def __init__(self, observers: tuple[object, ...] = ()) -> None:
        self.observers = observers
        self.template_enter = self._overriding("on_template_enter")
        self.template_exit = self._overriding("on_template_exit")
        self.live_call = self._overriding("on_live_call")
        self.model_call = self._overriding("on_model_call")
        self.tool_run = self._overriding("on_tool_run")
        self.subroutine_enter = self._overriding("on_subroutine_enter")
        self.subroutine_exit = self._overriding("on_subroutine_exit")
        self.suspend = self._overriding("on_suspend")
        self.resume = self._overriding("on_resume")
        self.part_wait = self._overriding("on_part_wait")
        self.model_enter = self._overriding("on_model_enter")
        self.model_exit = self._overriding("on_model_exit")
        self.model_suspend = self._overriding("on_model_suspend")
        self.model_resume = self._overriding("on_model_resume")
        self.tool_enter = self._overriding("on_tool_enter")
        self.tool_exit = self._overriding("on_tool_exit")
        self.follows_models = bool(self.model_enter or self.model_exit or self.model_suspend or self.model_resume)
        self.follows_tools = bool(self.tool_enter or self.tool_exit)

    def since(self, earlier: Audience) -> Audience:
        """Those who were there earlier, too: who has not heard of an enter does not hear of its exit."""
        if self is earlier:
            return self
        return Audience(tuple(one for one in self.observers if any(one is other for other in earlier.observers)))

    def _overriding(self, name: str) -> tuple[Callable[[Any], None], ...]:
        return tuple(getattr(one, name) for one in self.observers if getattr(type(one), name) is not _SILENT[name])


_changing_registries = Lock()


@contextmanager
def registered(registry: list[Item], item: Item) -> Iterator[None]:
    """Let a registry of the process hold something for the length of a block, in every thread and task."""
    with _changing_registries:
        registry.append(item)
    try:
        yield
    finally:
        with _changing_registries:
            registry.remove(item)  # once: another block may have it as well


class Listeners:
    """The registry of the process.

    Attributes:
        now: Those who listen now. It is replaced as a whole, so that runners in other threads may read it at any time.
    """

    __slots__ = ("_lock", "now")

    def __init__(self) -> None:
        self._lock = Lock()
        self.now = Audience()

    def add(self, observer: object) -> None:
        """Let an observer listen."""
        with self._lock:
            self.now = Audience((*self.now.observers, observer))

    def remove(self, observer: object) -> None:
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
        except BaseException as error:  # noqa: BLE001  # raised below, after the others were told
            raised = raised or error
    if raised is not None:
        raise raised


LISTENERS = Listeners()
