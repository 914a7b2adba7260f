"""In which order answers that are awaited at the same time come."""

from __future__ import annotations

from typing import Final

from antiphon.threads import pause
from pytest_templates.run.engine import Watch

_QUIET: Final = 20  # turns of the event loop in which nobody asks: then nobody else is about to


class Reversed:
    """Lets those who wait at the same time go on in the reverse of the order in which they came.

    Nobody waits for a clock: where the event loop turns a few times without a newcomer, the last one goes on.
    """

    def __init__(self) -> None:
        self._waiting: list[object] = []

    async def turn(self) -> None:
        """Wait until it is one's turn."""
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
    """Wait for one's turn, in a test whose guard wants another order than the usual one."""
    attempt = Watch.current_attempt()
    guard = None if attempt is None else attempt.guard
    if guard is not None and guard.order is not None:
        await guard.order.turn()
