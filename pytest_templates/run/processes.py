"""The processes of a run: the one that the user started, and the workers of pytest-xdist."""

from __future__ import annotations

from typing import Any

import pytest


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker: it runs tests, and another one hears of them all."""
    return hasattr(config, "workerinput")


def worker_input(config: pytest.Config) -> dict[str, Any]:
    """What the main process has told this worker; empty where this is none."""
    return getattr(config, "workerinput", {})


def fail_run(session: pytest.Session) -> None:
    """Fail a run that has gone well so far."""
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
