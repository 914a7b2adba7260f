"""The clock by which the plugin measures: it goes on where a test has stopped, or set, the time of the process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timezone
from time import perf_counter


def seconds(clock: Callable[[], float] = perf_counter) -> float:
    """Seconds since some moment: the difference of two says how long something took.

    Args:
        clock: Stands here, and under no name of this module: tools that freeze time, such as freezegun, put another
            function under every name, in every module, that stands for a clock. They come when a test runs, and this
            module is imported by the plugin before.
    """
    return clock()


def now(clock: Callable[[timezone], datetime] = datetime.now) -> str:
    """This moment in UTC, to the second, as ISO 8601 has it: ``2026-11-29T23:02:33Z``.

    Args:
        clock: As of `seconds`.
    """
    return clock(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
