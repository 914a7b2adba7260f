"""The event loop in which real models are asked: one for the process, in a thread of its own.

A client's connections belong to the loop that opened them. With one loop, sync code, async code and every thread can
share one client, whether or not a loop of their own is running.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass
from math import inf
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from antiphon.providers.resources import Resources
from antiphon.threads import in_trio

T = TypeVar("T")

_starting = Lock()
_started: list[tuple[BlockingPortal, Resources]] = []


def run(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in the loop and wait; context variables go with it. Interrupting this cancels it."""
    running = _portal().start_task_soon(function, *arguments)
    try:
        return running.result()
    except BaseException:
        running.cancel()
        raise


async def arun(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an async function in the loop without blocking the caller's own; cancelling this cancels it."""
    running, ended = _portal().start_task_soon(function, *arguments), _mailbox()
    running.add_done_callback(ended.put)
    try:
        await ended.get()
    except BaseException:
        running.cancel()
        raise
    return running.result()


def stream(function: Callable[..., AsyncGenerator[T]], *arguments: object) -> Generator[T]:
    """Run an async generator in the loop; yields what it yields. Closing this early cancels it, and waits for that."""
    pieces: SimpleQueue[T | _End] = SimpleQueue()
    producing = _portal().start_task_soon(_produce, function, arguments, pieces.put)
    try:
        while not isinstance(piece := pieces.get(), _End):
            yield piece
        producing.result()
    finally:
        if producing.cancel():
            while not isinstance(pieces.get(), _End):
                pass


async def astream(function: Callable[..., AsyncGenerator[T]], *arguments: object) -> AsyncGenerator[T]:
    """Run an async generator in the loop without blocking the caller's own; closing this early cancels it."""
    pieces = _mailbox()
    producing = _portal().start_task_soon(_produce, function, arguments, pieces.put)
    try:
        while not isinstance(piece := await pieces.get(), _End):
            yield piece
        producing.result()
    finally:
        producing.cancel()


class _End:
    """Marks the end of the pieces."""


async def _produce(
    function: Callable[..., AsyncGenerator[T]], arguments: tuple[object, ...], put: Callable[[T | _End], None]
) -> None:
    try:
        async with aclosing(function(*arguments)) as produced:
            async for piece in produced:
                put(piece)
    finally:
        put(_End())


@dataclass(frozen=True, slots=True)
class _Mailbox:
    """Passes items from another thread to a task.

    Attributes:
        put: Called in any thread; where the task's event loop has ended nobody waits, and nothing is done.
        get: Called by the task.
    """

    put: Callable[[Any], None]
    get: Callable[[], Awaitable[Any]]


def _mailbox() -> _Mailbox:
    """A mailbox for the running task, of asyncio or of trio."""
    if in_trio():
        trio = sys.modules["trio"]
        send, receive = trio.open_memory_channel(inf)
        token, ended = trio.lowlevel.current_trio_token(), trio.RunFinishedError
        return _Mailbox(lambda piece: _unless(ended, token.run_sync_soon, send.send_nowait, piece), receive.receive)
    pieces: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    return _Mailbox(
        lambda piece: _unless(RuntimeError, loop.call_soon_threadsafe, pieces.put_nowait, piece), pieces.get
    )


def _unless(ended: type[Exception], call_soon: Callable[..., object], function: Callable[..., Any], thing: Any) -> None:
    with suppress(ended):
        call_soon(function, thing)


def keep_open(resource: AbstractAsyncContextManager[object], owner: object) -> None:
    """Enter an async context manager in the loop; it is left when its owner is collected, or the process ends."""
    portal, resources = _loop()
    portal.call(resources.enter, resource, owner)


def _portal() -> BlockingPortal:
    return _loop()[0]


def _loop() -> tuple[BlockingPortal, Resources]:
    with _starting:
        if not _started:
            portal, thread = _started_portal()
            _started.append((portal, Resources(portal.call(asyncio.get_running_loop))))
            atexit.register(_stop, thread, os.getpid())
        return _started[0]


def _started_portal() -> tuple[BlockingPortal, Thread]:
    """A loop in a thread, and the way into it.

    anyio's own context manager for this would, in a process that was forked, be left when it is collected, and wait
    there for ever for a thread that only its parent has.
    """
    ready: Future[BlockingPortal] = Future()

    async def serve() -> None:
        async with BlockingPortal() as portal:
            ready.set_result(portal)
            await portal.sleep_until_stopped()

    def turn() -> None:
        try:
            anyio.run(serve)
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            elif not _is_late(error):
                raise

    thread = Thread(target=turn, name="antiphon-models", daemon=True)
    thread.start()
    return ready.result(), thread


def _is_late(error: BaseException) -> bool:
    """Whether all that failed is asyncio's own ending of a loop at exit, when no thread can be started any more."""
    return isinstance(error, RuntimeError) and "interpreter shutdown" in str(error)


def _stop(thread: Thread, process: int) -> None:
    if os.getpid() != process:
        return  # a forked process inherits the exit handlers, but not the thread
    portal, resources = _started[0]
    portal.call(resources.leave_all)
    portal.call(_forgive_unfinished_generators)
    portal.call(portal.stop)
    thread.join()


def _begin_anew() -> None:
    """In a process that was forked: the loop and its thread are the parent's, and so are the connections in it."""
    global _starting  # noqa: PLW0603  # another thread of the parent may have held it
    _starting = Lock()
    _started.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


async def _forgive_unfinished_generators() -> None:
    """Say nothing of generators that cannot be closed when the loop ends.

    A client whose stream failed leaves a chain of them half way, held by the traceback. The loop closes all links at
    once, each closes the next, and so it is complained that one is closed already.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "asyncgen" not in context:
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(handle)
