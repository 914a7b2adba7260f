"""Running blocking code from async code, whichever event loop runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call a blocking function in a thread, so that the event loop goes on; context variables go with it.

    Works under asyncio and, where the program has loaded it, under trio.
    """
    if in_trio():
        result: T = await sys.modules["trio"].to_thread.run_sync(function, *arguments, abandon_on_cancel=True)
        return result
    return await asyncio.to_thread(function, *arguments)


def in_trio() -> bool:
    """Whether the running event loop is trio's."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())
