"""In a Python that a test has started: the guard of the network, put in place by our ``sitecustomize``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from pytest_templates.cassettes.hosts import HostPattern
from pytest_templates.cassettes.network_guard import guarded


def guard_this_process(
    test: str, ignored: Sequence[tuple[str, int | None]], is_open: Callable[[], bool], complain: Callable[[str], None]
) -> None:
    """Put the guard of the network in place in a process that a test has started, for its whole life.

    It lets everything through once the test is over.

    Args:
        test: The test's node id.
        ignored: The hosts that are left alone: names, and ports where only those are.
        is_open: Whether a cassette is open now in the process that started this one.
        complain: Takes the text of an error.
    """
    patterns = [HostPattern(name, port) for name, port in ignored]

    def left_alone(host: str, port: int | None) -> bool:
        return not is_open() or any(pattern.matches(host, port) for pattern in patterns)

    guarding = ExitStack()
    guarding.enter_context(
        guarded(
            f"{test} (in process {os.getpid()}, which it started)",
            lambda error: complain(f"{type(error).__name__}: {error}"),
            replays=False,
            left_alone=left_alone,
            remedy="make it in the process of the test, or in one that is forked from it: there it is recorded.",
        )
    )
    _FOR_LIFE.append(guarding)


_FOR_LIFE: Final[list[ExitStack]] = []  # an ExitStack that nobody holds would close its contexts
