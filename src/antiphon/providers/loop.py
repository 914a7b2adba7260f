"""The event loop in which real models are asked: one for the process, in a thread of its own.

A client's connections belong to the loop that opened them. With one loop, sync code, async code and every thread can
share one client, whether or not a loop of their own is running.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from threading import Lock
from typing import TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from antiphon.threads import in_thread, in_trio

T = TypeVar("T")

_starting = Lock()
_started: list[tuple[BlockingPortal, AsyncExitStack]] = []


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in the loop and wait; context variables go with it."""
    return _portal().call(function, *arguments)


async def arun(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in the loop without blocking the caller's own; cancelling this cancels it."""
    if in_trio():
        return await in_thread(run, function, *arguments)
    return await asyncio.wrap_future(_portal().start_task_soon(function, *arguments))


def keep_open(resource: AbstractAsyncContextManager[object]) -> None:
    """Enter an async context manager in the loop; it is left when the process ends."""
    portal, resources = _loop()
    portal.call(resources.enter_async_context, resource)


def _portal() -> BlockingPortal:
    return _loop()[0]


def _loop() -> tuple[BlockingPortal, AsyncExitStack]:
    with _starting:
        if not _started:
            starting = start_blocking_portal(name="antiphon-models")
            _started.append((starting.__enter__(), AsyncExitStack()))
            atexit.register(_stop, starting)
        return _started[0]


def _stop(starting: AbstractContextManager[BlockingPortal]) -> None:
    portal, resources = _started[0]
    portal.call(resources.aclose)
    starting.__exit__(None, None, None)
