"""Runs blocking code from async code and the other way round, in any event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call a blocking function in a thread, so that the event loop goes on; context variables go with it.

    Works under asyncio and, where the program has loaded it, under trio.
    """
    if in_trio():
        result: T = await sys.modules["trio"].to_thread.run_sync(function, *arguments, abandon_on_cancel=True)
        return result
    return await asyncio.to_thread(function, *arguments)


async def pause() -> None:
    """Let the event loop go on with what else there is; whoever was cancelled ends here."""
    if in_trio():
        await sys.modules["trio"].lowlevel.checkpoint()
    else:
        await asyncio.sleep(0)


async def sleep(seconds: float) -> None:
    """Wait, and let the event loop go on meanwhile; whoever is cancelled ends here."""
    if in_trio():
        await sys.modules["trio"].sleep(seconds)
    else:
        await asyncio.sleep(seconds)


class Enough(Exception):
    """Raised by one of several that run at once: the others are cancelled."""


async def at_once(calls: Iterable[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Run async functions at the same time, until all have ended, or one of them raises ``Enough``."""
    try:
        if in_trio():
            async with sys.modules["trio"].open_nursery() as nursery:
                for call in calls:
                    nursery.start_soon(call)
        else:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(call())
    except* Enough:
        pass


def is_pending(result: object) -> bool:
    """Whether the result of a call is yet to be awaited, or gone through in an event loop."""
    return isawaitable(result) or isinstance(result, AsyncGenerator)


async def finished(result: Any) -> Any:
    """What a call results in: what it returned, awaited where need be; what an async generator yields as a list."""
    if isinstance(result, AsyncGenerator):
        return [item async for item in result]
    return await result if isawaitable(result) else result


def run_to_end(result: Any) -> Any:
    """What a call results in, in blocking code: in an event loop of its own, in a thread where one runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(finished(result))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, finished(result)).result()


def is_async(function: object) -> bool:
    """Whether a call of it has to be awaited; also of an object with an async ``__call__``, and of a ``partial``."""
    while isinstance(function, partial):
        function = function.func
    called: tuple[Any, ...] = (function, getattr(type(function), "__call__", None))  # noqa: B004  # wanted: the method
    return any(iscoroutinefunction(one) or isasyncgenfunction(one) for one in called)


def is_plain_function(given: object) -> bool:
    """Whether something can be called for its result: no class, and nothing async."""
    return callable(given) and not isinstance(given, type) and not is_async(given)


def in_trio() -> bool:
    """Whether the running event loop is trio's."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())
