"""The processes of a run: the main process, which the user started, the workers of pytest-xdist, and forked ones."""

from __future__ import annotations

import os
from typing import Any, Final

import pytest


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker: it runs tests, and the main process reports them."""
    return hasattr(config, "workerinput")


def has_workers(config: pytest.Config) -> bool:
    """Whether this process is the main process of a run with workers, in the words of `xdist.is_xdist_controller`."""
    return not is_worker(config) and config.getoption("dist", "no") != "no"


def worker_input(config: pytest.Config) -> dict[str, Any]:
    """What the main process has sent to this worker; empty in the main process."""
    return getattr(config, "workerinput", {})


def worker_output(config: pytest.Config) -> dict[str, Any]:
    """What this worker sends to the main process when it ends; nobody reads it in the main process."""
    return getattr(config, "workeroutput", {})


def worker_of(report: pytest.TestReport) -> str | None:
    """The worker that has sent a report to the main process, such as ``"gw0"``; ``None`` for none."""
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return None if gateway is None else str(gateway.id)


def fail_run(session: pytest.Session) -> None:
    """Make a run fail that has succeeded so far."""
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


class _Forks:
    """Counts how often this process has forked. A forked process goes on from its parent's count."""

    def __init__(self) -> None:
        self.number = 0
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_parent=self.count)

    def count(self) -> None:
        self.number += 1


_forks: Final = _Forks()


def processes_forked() -> int:
    """How many processes this one has forked so far, by ``os.fork`` and what builds on it."""
    return _forks.number
