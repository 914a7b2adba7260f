"""Waiting that takes no time: what sleeps goes on at once, and the seconds are counted."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock


class VirtualTime:
    """How long the program would have waited.

    Args:
        applies: Asked by everybody who is about to sleep: whether time is virtual here.

    Attributes:
        waited: Seconds.
    """

    def __init__(self, applies: Callable[[], bool]) -> None:
        self.waited = 0.0
        self._applies = applies
        self._is_over = False

    def is_here(self) -> bool:
        """Whether time is virtual for who asks; never when the block has ended: libraries may still hold our sleep."""
        return not self._is_over and self._applies()

    def pass_by(self, seconds: float) -> None:
        """Let time pass; nothing for less than 0 seconds."""
        self.waited += max(0.0, seconds)

    def end(self) -> None:
        """From now on time is real for everybody."""
        self._is_over = True


@contextmanager
def virtual_time(applies: Callable[[], bool] = lambda: True) -> Iterator[VirtualTime]:
    """Let the ``sleep`` of ``time``, ``asyncio``, ``anyio`` and ``trio`` return at once, for the length of a block.

    Clocks stay as they are. It holds for the whole process: for every thread and task, and for the clients of
    providers, which wait by these functions before they try again. Async sleeps still let other tasks run.

    Args:
        applies: Asked by everybody who is about to sleep, in the thread and task that is; by default everybody's waits
            are virtual.
    """
    clock = VirtualTime(applies)
    loaded = [sys.modules[name] for name in ("anyio", "trio") if name in sys.modules]
    with ExitStack() as patches:
        patches.callback(clock.end)
        patches.enter_context(mock.patch.object(time, "sleep", _sleep(time.sleep, clock)))
        for module in (asyncio, *loaded):
            patches.enter_context(mock.patch.object(module, "sleep", _async_sleep(module.sleep, clock)))
        yield clock


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
