"""Resources that are open in an event loop: each until its owner is collected, at the latest until the loop ends."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from contextvars import Context
from weakref import finalize


class Resources:
    """Async context managers that are entered and exited in one event loop.

    Args:
        loop: The event loop; the coroutines run in it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[AsyncExitStack, None] = {}  # in the order in which they were entered
        self._leaving: set[asyncio.Task[None]] = set()

    async def enter(self, resource: AbstractAsyncContextManager[object], owner: object) -> None:
        """Enter a context manager; it is left when its owner, which it must not hold, is collected."""
        entered = AsyncExitStack()
        await entered.enter_async_context(resource)
        self._open[entered] = None
        finalize(owner, self._leave_soon, entered).atexit = False  # at exit, leave_all() does it

    async def leave_all(self) -> None:
        """Leave what is open, the last first, also where one cannot be left."""
        async with AsyncExitStack() as everything:
            for entered in self._open:
                everything.push_async_exit(entered)
            self._open.clear()
            await asyncio.gather(*self._leaving)

    def _leave_soon(self, entered: AsyncExitStack) -> None:
        """Called by the garbage collector: in any thread, in the midst of anything, and so without waiting.

        The context is an empty one: that of the midst of a trio program says that all within it runs under trio.
        """
        with suppress(RuntimeError):  # the loop has ended, and left everything
            self._loop.call_soon_threadsafe(self._leave, entered, context=Context())

    def _leave(self, entered: AsyncExitStack) -> None:
        if entered in self._open:
            del self._open[entered]
            task = self._loop.create_task(entered.aclose())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
