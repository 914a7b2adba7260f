"""In a Python that a test has started: the guard of the network, put in place by our ``sitecustomize``."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.hosts import HostPattern
from pytest_templates.cassettes.network_guard import guarded
from pytest_templates.cassettes.processes.injected.sitecustomize import Opened, opened_in, tell


def guard_this_process(state: str, opened: Opened) -> None:
    """Put the guard of the network in place in a process that a test has started, for its whole life.

    It lets everything through once the test is over.

    Args:
        state: The file that says what is open.
        opened: What was open when the process began.
    """

    def left_alone(host: str, port: int | None) -> bool:
        return not Path(state).exists() or any(pattern.matches(host, port) for pattern in ignored)

    ignored = [HostPattern(name, port) for name, port in opened["ignored"]]
    guarding = ExitStack()
    guarding.enter_context(
        guarded(
            f"{opened['test']} (in process {os.getpid()}, which it started)",
            partial(_complain, state),
            replays=False,
            left_alone=left_alone,
            remedy="make it in the process of the test, or in one that is forked from it: there it is recorded.",
        )
    )
    _FOR_LIFE.append(guarding)


_FOR_LIFE: Final[list[ExitStack]] = []  # an ExitStack that nobody holds would close its contexts


def _complain(state: str, error: Exception) -> None:
    """Tell an error to the test that is under way, if there still is one."""
    opened = opened_in(state)
    if opened is not None:
        tell(opened["messages"], {"error": f"{type(error).__name__}: {error}"})
