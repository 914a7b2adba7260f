"""Runs blocking code from async code, in any event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
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


def run_to_end(function: Callable[..., Awaitable[T]], arguments: dict[str, Any]) -> T:
    """Run an async function from blocking code: in an event loop of its own, in a thread where one runs already."""

    async def call() -> T:
        return await function(**arguments)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(call())
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, call()).result()


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
