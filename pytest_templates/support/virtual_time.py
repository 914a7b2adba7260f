"""Virtual time: sleeping returns at once, and the seconds are added up.

Of models that make several attempts, only those waits are virtual that follow an answer of a double or of a recording,
in any test that uses one. Nothing is patched for that.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final
from unittest import mock

from antiphon.attempts import Wait, passing_waits
from antiphon.trace import CURRENT_CALL


class VirtualTime:
    """How long the program would have waited.

    Args:
        applies: Whether time is virtual for the thread and task that is about to sleep.

    Attributes:
        waited: How long, in seconds.
    """

    def __init__(self, applies: Callable[[], bool]) -> None:
        self.waited = 0.0
        self._applies = applies
        self._is_over = False

    def is_here(self) -> bool:
        """Whether time is virtual here; never after the block: libraries may still hold our ``sleep`` then."""
        return not self._is_over and self._applies()

    def pass_by(self, seconds: float) -> None:
        """Add to the time waited; nothing where the seconds are negative."""
        self.waited += max(0.0, seconds)

    def end(self) -> None:
        """Make time real everywhere from now on."""
        self._is_over = True


@contextmanager
def virtual_time(applies: Callable[[], bool] = lambda: True) -> Iterator[VirtualTime]:
    """Let the ``sleep`` of ``time``, ``asyncio``, ``anyio`` and ``trio`` return at once, for the length of a block.

    Clocks stay as they are. It holds for the whole process: for every thread and task, and for the clients of
    providers, which wait by these functions before they try again. Async sleeps still let other tasks run.

    Args:
        applies: Called in the thread and task that is about to sleep: whether its time is virtual. By default, all
            time is.
    """
    clock = VirtualTime(applies)
    loaded = [sys.modules[name] for name in ("anyio", "trio") if name in sys.modules]
    with ExitStack() as patches:
        patches.callback(clock.end)
        patches.enter_context(mock.patch.object(time, "sleep", _sleep(time.sleep, clock)))
        for module in (asyncio, *loaded):
            patches.enter_context(mock.patch.object(module, "sleep", _async_sleep(module.sleep, clock)))
        yield clock


_NOTE: Final = "pytest_templates.double"


def note_double(*, is_one: bool = True) -> None:
    """Note on the call under way whether it is answered by no real model: waits that follow it are virtual then."""
    call = CURRENT_CALL.get()
    if call is None:
        return
    if is_one:
        call.notes[_NOTE] = "yes"
    else:
        call.notes.pop(_NOTE, None)


def virtual_after_doubles() -> AbstractContextManager[None]:
    """Let the waits before another attempt take no time, for the length of a block, where a double has answered."""
    return passing_waits(_is_after_double)


def _is_after_double(wait: Wait) -> bool:
    return wait.after is not None and _NOTE in wait.after.notes


def _sleep(real: Callable[[float], None], clock: VirtualTime) -> Callable[[float], None]:
    def sleep(seconds: float, /) -> None:
        if clock.is_here():
            clock.pass_by(seconds)
        else:
            real(seconds)

    return sleep


def _async_sleep(real: Callable[..., Awaitable[Any]], clock: VirtualTime) -> Callable[..., Awaitable[Any]]:
    async def sleep(seconds: float, *result: Any, **named_result: Any) -> Any:
        if clock.is_here():
            clock.pass_by(seconds)
            seconds = min(seconds, 0)
        return await real(seconds, *result, **named_result)

    return sleep
