"""Waiting that takes no time: what sleeps goes on at once, and the seconds are counted."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock


class VirtualTime:
    """How long the program would have waited.

    Attributes:
        waited: Seconds.
    """

    def __init__(self) -> None:
        self.waited = 0.0

    def pass_by(self, seconds: float) -> None:
        """Let time pass; nothing for less than 0 seconds."""
        self.waited += max(0.0, seconds)


@contextmanager
def virtual_time() -> Iterator[VirtualTime]:
    """Let the ``sleep`` of ``time``, ``asyncio``, ``anyio`` and ``trio`` return at once, for the length of a block.

    Clocks stay as they are. It holds for the whole process: for every thread and task, and for the clients of
    providers, which wait by these functions before they try again. Async sleeps still let other tasks run.
    """
    clock = VirtualTime()

    def sleep(seconds: float, /) -> None:
        clock.pass_by(seconds)

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(time, "sleep", sleep))
        for name in ("asyncio", "anyio", "trio"):
            module: Any = sys.modules.get(name)
            if module is not None:
                patches.enter_context(mock.patch.object(module, "sleep", _async_sleep(module.sleep, clock)))
        yield clock


def _async_sleep(real: Callable[..., Awaitable[Any]], clock: VirtualTime) -> Callable[..., Awaitable[Any]]:
    async def sleep(seconds: float, *result: Any, **named_result: Any) -> Any:
        clock.pass_by(seconds)
        return await real(min(seconds, 0), *result, **named_result)

    return sleep
