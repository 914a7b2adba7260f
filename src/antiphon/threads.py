"""Runs blocking code from async code and the other way round, in any event loop.

Functions that need asyncio import it: it is a tenth of what there is to load, and programs that only block have no use
for it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterable
from contextvars import Context, ContextVar, copy_context
from functools import partial
from inspect import isasyncgenfunction, isawaitable, iscoroutinefunction
from types import coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class ThreadCount:
    """How many threads work at this moment for code in a context, and for contexts copied from it.

    Args:
        around: The count of the context that it was copied from; ``None`` for none.

    Attributes:
        number: How many.
    """

    __slots__ = ("_around", "number")

    def __init__(self, around: ThreadCount | None) -> None:
        self._around = around
        self.number = 0

    def add(self, number: int) -> None:
        """Count more, or with a negative number fewer."""
        self.number += number
        if self._around is not None:
            self._around.add(number)


THREADS: ContextVar[ThreadCount | None] = ContextVar("antiphon_threads", default=None)


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call a blocking function in a thread, so that the event loop goes on; context variables go with it.

    Works under asyncio and, where the program has loaded it, under trio.

    Raises:
        RuntimeError: The function raised ``StopIteration``, of which asyncio would never hear; as in a coroutine.
    """
    count = THREADS.get()
    if count is None:
        return await _in_thread(function, *arguments)
    count.add(1)
    try:
        return await _in_thread(function, *arguments)
    finally:
        count.add(-1)


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    if in_trio():
        result: T = await sys.modules["trio"].to_thread.run_sync(_called, function, *arguments, abandon_on_cancel=True)
        return result
    import asyncio

    return await asyncio.to_thread(_called, function, *arguments)


def _called(function: Callable[..., T], *arguments: object) -> T:
    try:
        return function(*arguments)
    except StopIteration as stop:
        raise RuntimeError(f"{getattr(function, '__qualname__', function)} raised StopIteration") from stop


async def pause() -> None:
    """Let the event loop go on with what else there is; whoever was cancelled ends here."""
    if in_trio():
        await sys.modules["trio"].lowlevel.checkpoint()
    else:
        import asyncio

        await asyncio.sleep(0)


def end_if_cancelled() -> None:
    """End a task of asyncio that was cancelled, also where something has made another error or an answer of that.

    Raises:
        asyncio.CancelledError: It was.
    """
    if is_cancelled():
        import asyncio

        raise asyncio.CancelledError


async def sleep(seconds: float) -> None:
    """Wait, and let the event loop go on meanwhile; whoever is cancelled ends here."""
    if in_trio():
        await sys.modules["trio"].sleep(seconds)
    else:
        import asyncio

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
            import asyncio

            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(call())
    except* Enough:
        pass


class Signal(Protocol):
    """What tasks wait for, until it is set."""

    def set(self) -> Any:
        """Let those go on that wait for it."""

    async def wait(self) -> Any:
        """Wait until it is set."""


def signal() -> Signal:
    """A signal of the running event loop, not set yet."""
    if in_trio():
        made: Signal = sys.modules["trio"].Event()
        return made
    import asyncio

    return asyncio.Event()


class Tasks:
    """Async functions that run at the same time, each in a task and in context variables of its own.

    Unlike with a task group, the task that goes on when one of them has something to say may be another one than the
    task that has started them, as with async generators. The functions raise nothing.
    """

    def __init__(self) -> None:
        self._running = 0
        self._all_ended = signal()
        self._cancels: list[Callable[[], object]] = []

    def start(self, function: Callable[[], Coroutine[Any, Any, None]], context: Context) -> None:
        """Start a function, in context variables that are given."""
        self._running += 1
        if in_trio():
            trio = sys.modules["trio"]
            scope = trio.CancelScope()
            trio.lowlevel.spawn_system_task(self._run_within, scope, function, context=context)
            self._cancels.append(scope.cancel)
        else:
            import asyncio

            task = asyncio.get_running_loop().create_task(function(), context=context)
            task.add_done_callback(self._ended)
            self._cancels.append(task.cancel)

    async def _run_within(self, scope: Any, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with scope:
                await function()
        finally:
            self._ended()

    def _ended(self, _: object = None) -> None:
        self._running -= 1
        if not self._running:
            self._all_ended.set()

    async def cancel(self) -> None:
        """Cancel those that have not ended, and wait until they have, also where that is cancelled itself."""
        for cancel in self._cancels:
            cancel()
        if in_trio():
            with sys.modules["trio"].CancelScope(shield=True):
                await self._wait()
        else:
            await self._wait_through_cancellations()

    async def _wait(self) -> None:
        if self._running:
            await self._all_ended.wait()

    async def _wait_through_cancellations(self) -> None:
        import asyncio

        cancelled: asyncio.CancelledError | None = None
        while self._running:
            try:
                await self._wait()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled


@coroutine
def stepwise(awaited: Awaitable[T], step: Callable[..., Any]) -> Generator[Any, Any, T]:
    """Wait for something step by step; the event loop sees what it would see without.

    Args:
        awaited: What is waited for.
        step: Called with a function and its argument, whenever it is to go on; it calls the function.
    """
    steps: Any = awaited.__await__()
    resume, value = steps.send, None
    while True:
        try:
            asked = step(resume, value)
        except StopIteration as stop:
            answer: T = stop.value
            return answer
        try:
            resume, value = steps.send, (yield asked)
        except GeneratorExit:
            step(lambda _: steps.close(), None)
            raise
        except BaseException as error:  # noqa: BLE001  # such as a cancellation, which is for what is waited for
            resume, value = steps.throw, error


class Owned(AsyncIterator[T]):
    """An async generator that whoever goes through it closes; the event loop does not, when that ends.

    It would close it while the generator that goes through it is being closed, which Python refuses.

    Args:
        steps: The generator, not begun.
    """

    __slots__ = ("_is_begun", "_steps")

    def __init__(self, steps: AsyncGenerator[T]) -> None:
        self._steps = steps
        self._is_begun = False

    def __anext__(self) -> Awaitable[T]:
        if self._is_begun:
            return self._steps.__anext__()
        self._is_begun = True
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        try:
            return self._steps.__anext__()
        finally:
            sys.set_asyncgen_hooks(*hooks)

    async def aclose(self) -> None:
        """Leave it where it is, with its clean-up."""
        await self._steps.aclose()


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
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

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


def is_cancelled() -> bool:
    """Whether the running task of asyncio was cancelled, whatever became of that; trio cancels again and again."""
    if in_trio():
        return False
    import asyncio

    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
