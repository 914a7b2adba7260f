"""The event loop in which real models are asked: one for the process, in a thread of its own.

A client's connections belong to the loop that opened them. With one loop, sync code, async code and every thread can
share one client, whether or not a loop of their own is running.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from antiphon.threads import in_thread, in_trio

T = TypeVar("T")

_starting = Lock()
_portals: list[BlockingPortal] = []


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in the loop and wait; context variables go with it."""
    return _portal().call(function, *arguments)


async def arun(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in the loop without blocking the caller's own; cancelling this cancels it."""
    if in_trio():
        return await in_thread(run, function, *arguments)
    return await asyncio.wrap_future(_portal().start_task_soon(function, *arguments))


def _portal() -> BlockingPortal:
    with _starting:
        if not _portals:
            starting = start_blocking_portal(name="antiphon-models")
            _portals.append(starting.__enter__())
            atexit.register(starting.__exit__, None, None, None)
        return _portals[0]
