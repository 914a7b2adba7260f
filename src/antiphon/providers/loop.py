"""The event loop in which real models are asked: one for the process, in a thread of its own.

A client's connections belong to the loop that opened them. With one loop, sync code, async code and every thread can
share one client, whether or not a loop of their own is running.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, aclosing
from queue import SimpleQueue
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


def stream(function: Callable[..., AsyncGenerator[T]], *arguments: object) -> Generator[T]:
    """Run an async generator in the loop, and yield what it yields; closing this early cancels it, and waits for that."""
    pieces: SimpleQueue[T | _End] = SimpleQueue()
    producing = _portal().start_task_soon(_produce, function, arguments, pieces)
    try:
        while not isinstance(piece := pieces.get(), _End):
            yield piece
        producing.result()
    finally:
        _stop_producing(producing, pieces)


async def astream(function: Callable[..., AsyncGenerator[T]], *arguments: object) -> AsyncGenerator[T]:
    """Run an async generator in the loop without blocking the caller's own; the rest is as with ``stream``."""
    pieces: SimpleQueue[T | _End] = SimpleQueue()
    producing = _portal().start_task_soon(_produce, function, arguments, pieces)
    try:
        while not isinstance(piece := await in_thread(pieces.get), _End):
            yield piece
        producing.result()
    finally:
        _stop_producing(producing, pieces)


class _End:
    """Comes after the last piece."""


async def _produce(
    function: Callable[..., AsyncGenerator[T]], arguments: tuple[object, ...], pieces: SimpleQueue[T | _End]
) -> None:
    try:
        async with aclosing(function(*arguments)) as produced:
            async for piece in produced:
                pieces.put(piece)
    finally:
        pieces.put(_End())


def _stop_producing(producing: Future[None], pieces: SimpleQueue[T | _End]) -> None:
    if not producing.done() and producing.cancel():
        while not isinstance(pieces.get(), _End):
            pass


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
