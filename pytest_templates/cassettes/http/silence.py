"""What is heard behind the last piece of a stream that the recorded program left: nothing, for a while.

The recorded program may have left because it had waited long enough (`asyncio.timeout`), or some other task or thread
may have read ahead for it. In replay whoever reads on is told nothing, as on a silent line, for as long as the program
may need to leave again.
"""

from __future__ import annotations

import asyncio
from threading import Event, current_thread, main_thread
from typing import Final

from pytest_templates.cassettes.recorded import CANCELLATION, Truncation
from pytest_templates.support.clock import seconds

_MARGIN: Final = 0.5  # seconds


class Silence:
    """The silence behind the last piece of a replayed stream.

    Args:
        cut: Where the recorded stream was broken off; ``None`` where it came to its end.
        is_pulled: Whether nobody reads ahead for the program.
    """

    def __init__(self, cut: Truncation | None, *, is_pulled: bool) -> None:
        self._cut = cut
        self._is_pulled = is_pulled
        self._began = seconds()
        self._left = Event()

    @property
    def is_left(self) -> bool:
        """Whether the program has left the stream."""
        return self._left.is_set()

    def leave(self) -> None:
        """The program leaves the stream."""
        self._left.set()

    def keep(self) -> None:
        """Wait until the program has left, or might have."""
        if self._is_read_ahead() and current_thread() is not main_thread():
            self._left.wait(self._patience())

    async def akeep(self) -> None:
        """The same without blocking the event loop. The task may be cancelled meanwhile, as it was when recorded."""
        was_cancelled = self._cut is not None and self._cut.by == CANCELLATION
        if was_cancelled or (self._is_read_ahead() and not _is_only_task()):
            await self._wait()

    async def _wait(self) -> None:
        """Wait in a thread: the clock of an event loop stands still where a test has frozen time."""
        from anyio import CapacityLimiter, to_thread  # httpx brings it

        wait, limiter = self._left.wait, CapacityLimiter(1)
        try:
            await to_thread.run_sync(wait, self._patience(), abandon_on_cancel=True, limiter=limiter)
        except BaseException:  # it was cancelled: the thread ends, too, for which Python would wait at its end
            self.leave()
            raise

    def _is_read_ahead(self) -> bool:
        return self._cut is not None and self._cut.is_leaving and not self._is_pulled

    def _patience(self) -> float:
        """How long the program may take from now on to leave, in seconds: twice as long as the recorded one took."""
        at = self._cut.at if self._cut else 0.0
        return max(0.0, 2 * at + _MARGIN - (seconds() - self._began))


def _is_only_task() -> bool:
    """Whether nobody else is there in this event loop who could leave a stream; of trio that is not known."""
    try:
        return len(asyncio.all_tasks()) == 1
    except RuntimeError:
        return False
