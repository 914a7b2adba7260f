"""The order of answers that are awaited at the same time."""

from __future__ import annotations

from typing import Final

from antiphon.threads import pause
from pytest_templates.run.under_way import current_attempt

_QUIET: Final = 20  # iterations of the event loop without a newcomer, after which none is expected


class ReverseOrder:
    """Lets tasks that wait at the same time go on in the reverse of the order in which they came.

    No clock is involved: after some iterations of the event loop without a newcomer, the last task goes on.
    """

    def __init__(self) -> None:
        self._waiting: list[object] = []

    async def turn(self) -> None:
        """Wait until it is the turn of the current task."""
        own = object()
        self._waiting.append(own)
        try:
            seen: list[object] = []
            quiet = 0
            while quiet < _QUIET or self._waiting[-1] is not own:
                await pause()
                quiet = quiet + 1 if seen == self._waiting else 0
                seen = [*self._waiting]
        finally:
            self._waiting.remove(own)


async def in_turn() -> None:
    """Wait for the turn of the current task, in a test that wants another order of answers than the usual one."""
    attempt = current_attempt()
    order = None if attempt is None else attempt.hook.answer_order(attempt=attempt)
    if order is not None:
        await order.turn()
