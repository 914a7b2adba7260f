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
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from math import inf
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, Final, Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import anyio
from anyio.from_thread import BlockingPortal

from antiphon.errors import InvalidValue
from antiphon.providers.resources import Resources
from antiphon.threads import in_trio

T = TypeVar("T")

_starting = Lock()
_started: list[_Loop] = []
_at_exit = Event()


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
    """Run an async generator in the loop; yields what it yields. Closing this early cancels it, and waits for that.

    It goes on for the next piece only when that is asked for, so a program that leaves has left the model there too.
    """
    pieces: SimpleQueue[T | _End] = SimpleQueue()
    producer = _Producer(function, arguments, pieces.put)
    try:
        while not isinstance(piece := _next(producer, pieces), _End):
            yield piece
        producer.raise_error()
    finally:
        if producer.leave():
            producer.ended.wait()


def _next(producer: _Producer[T], pieces: SimpleQueue[T | _End]) -> T | _End:
    producer.ask()
    return pieces.get()


async def astream(function: Callable[..., AsyncGenerator[T]], *arguments: object) -> AsyncGenerator[T]:
    """As `stream`, without blocking the caller's own loop."""
    pieces = _mailbox()
    producer = _Producer(function, arguments, pieces.put)
    piece: T | _End | None = None
    try:
        while not isinstance(piece := await _anext(producer, pieces), _End):
            yield piece
        producer.raise_error()
    finally:
        if not isinstance(piece, _End) and producer.leave():
            with anyio.CancelScope(shield=True):
                while not isinstance(await pieces.get(), _End):
                    pass


async def _anext(producer: _Producer[T], pieces: _Mailbox) -> T | _End:
    producer.ask()
    piece: T | _End = await pieces.get()
    return piece


_Begun: TypeAlias = "WeakKeyDictionary[AsyncGenerator[Any], None]"  # in the order in which they were begun
_BEGUN: ContextVar[_Begun | None] = ContextVar("begun", default=None)


def _note_begun(note: Callable[[AsyncGenerator[Any]], None] | None, generator: AsyncGenerator[Any]) -> None:
    """Note an async generator that is begun, for the stream that it is a part of and for the loop."""
    begun = _BEGUN.get()
    if begun is not None:
        begun[generator] = None
    if note is not None:
        note(generator)


async def _close(begun: _Begun) -> None:
    """Close the generators that a client has left half way, to be closed when they are collected: the inner ones first.

    The innermost holds the connection.
    """
    async with AsyncExitStack() as closing:
        for generator in tuple(begun):
            closing.push_async_callback(generator.aclose)


class _End:
    """Marks the end of the pieces."""


_END: Final = _End()


class _Producer(Generic[T]):
    """An async generator in the loop that makes a piece whenever it is asked for one.

    Args:
        function: The generator.
        arguments: What it is given.
        put: Takes every piece, and the mark of the end.

    Attributes:
        ended: Set when the generator is closed.
    """

    def __init__(
        self,
        function: Callable[..., AsyncGenerator[T]],
        arguments: tuple[object, ...],
        put: Callable[[T | _End], None],
    ) -> None:
        self.ended = Event()
        self._wanted = asyncio.Semaphore(0)
        self._is_idle = False
        self._is_left = False
        self._process = os.getpid()
        self._loop = _loop()
        self._running = self._loop.portal.start_task_soon(self._produce, function, arguments, put)

    def ask(self) -> None:
        """Let it make one more.

        Raises:
            InvalidValue: It belongs to the parent of this process.
        """
        if self._is_inherited():
            raise InvalidValue(
                "this stream was begun before the process was forked, and its connection belongs to the parent: "
                "read it there, or begin another one here"
            )
        self._loop.asyncio.call_soon_threadsafe(self._wanted.release)

    def leave(self) -> bool:
        """Let it end; returns whether that can be waited for, as it cannot where it is another process's."""
        if self._is_inherited():
            return False
        with suppress(RuntimeError):  # the loop has ended, and so has this
            self._loop.asyncio.call_soon_threadsafe(self._leave)
        return True

    def _leave(self) -> None:
        if self._is_idle:
            self._is_left = True
            self._wanted.release()
        else:
            self._running.cancel()

    def raise_error(self) -> None:
        """Raise what the generator has raised; where it was cancelled, that it was."""
        self._running.result()

    def _is_inherited(self) -> bool:
        return os.getpid() != self._process

    async def _produce(
        self,
        function: Callable[..., AsyncGenerator[T]],
        arguments: tuple[object, ...],
        put: Callable[[T | _End], None],
    ) -> None:
        begun: _Begun = WeakKeyDictionary()
        _BEGUN.set(begun)
        try:
            async with aclosing(function(*arguments)) as produced:
                while await self._is_wanted() and not isinstance(piece := await anext(produced, _END), _End):
                    put(piece)
            if self._is_left:
                await _close(begun)
        finally:
            self.ended.set()
            put(_END)

    async def _is_wanted(self) -> bool:
        """Wait until it is asked for one more, or left."""
        self._is_idle = True
        await self._wanted.acquire()
        self._is_idle = False
        return not self._is_left


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
    running = _loop()
    running.portal.call(running.resources.enter, resource, owner)


@dataclass(frozen=True, slots=True)
class _Loop:
    """The loop, and what goes on in it.

    Attributes:
        asyncio: The loop itself.
        portal: The way into it.
        resources: What is open in it.
        thread: Where it runs.
    """

    asyncio: asyncio.AbstractEventLoop
    portal: BlockingPortal
    resources: Resources
    thread: Thread


def _portal() -> BlockingPortal:
    return _loop().portal


def _loop() -> _Loop:
    with _starting:
        if not _started:
            _started.append(_started_loop())
            atexit.register(_stop, _started[0], os.getpid())
        return _started[0]


def _started_loop() -> _Loop:
    """A loop in a thread.

    anyio's own context manager for this would, in a process that was forked, be left when it is collected, and wait
    there for ever for a thread that only its parent has.
    """
    ready: Future[_Loop] = Future()
    has_served = Event()

    async def serve() -> None:
        sys.set_asyncgen_hooks(firstiter=partial(_note_begun, sys.get_asyncgen_hooks().firstiter))
        running = asyncio.get_running_loop()
        resources = Resources(running)
        async with BlockingPortal() as portal:
            ready.set_result(_Loop(running, portal, resources, thread))
            await portal.sleep_until_stopped()
        await resources.leave_all()
        _forgive_unfinished_generators(running)
        has_served.set()

    def turn() -> None:
        try:
            anyio.run(serve)
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            elif not (has_served.is_set() and _at_exit.is_set()):
                raise  # else asyncio could not end the loop: no thread can be started at exit any more

    thread = Thread(target=turn, name="antiphon-models", daemon=True)
    thread.start()
    return ready.result()


def _stop(loop: _Loop, process: int) -> None:
    if os.getpid() != process:
        return  # a forked process inherits the exit handlers, but not the thread
    _at_exit.set()
    loop.portal.call(loop.portal.stop, True)  # a stream that was not closed would wait for ever to be asked for more
    loop.thread.join()


def _begin_anew() -> None:
    """In a process that was forked: the loop and its thread are the parent's, and so are the connections in it."""
    global _starting  # noqa: PLW0603  # another thread of the parent may have held it
    _starting = Lock()
    _started.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _forgive_unfinished_generators(loop: asyncio.AbstractEventLoop) -> None:
    """Say nothing of generators that cannot be closed when the loop ends.

    A client whose stream failed leaves a chain of them half way, held by the traceback. The loop closes all links at
    once, each closes the next, and so it is complained that one is closed already.
    """

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "asyncgen" not in context:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
