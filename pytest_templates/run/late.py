"""Failures that come when their test is over, or in a process that it has forked: the run fails for them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from pytest_templates.run.processes import fail_run, is_worker
from pytest_templates.support.failures import failure_text

_LATE: Final = pytest.StashKey["LateFailures"]()
_SENT: Final = "templates_late_failures"


class LateFailure(NamedTuple):
    """A failure that came too late, or from elsewhere.

    Attributes:
        nodeid: The test that it belongs to, or what else it belongs to.
        text: What went wrong.
        where: Where it came up, in words.
    """

    nodeid: str
    text: str
    where: str = "in what it left running"


class LateFailures:
    """Collects the failures of tests that are over, in this process and in those that it has forked.

    Args:
        config: The run.

    Attributes:
        found: Those that are known so far.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._process = os.getpid()
        self._folder = Path(tempfile.gettempdir()) / f"pytest-templates-{secrets.token_hex(8)}"
        self.found: list[LateFailure] = []

    @property
    def is_forked(self) -> bool:
        """Whether this process was forked from the one that runs the tests."""
        return os.getpid() != self._process

    def add(self, nodeid: str, error: Exception, where: str = LateFailure._field_defaults["where"]) -> None:
        """Take a failure of a test that is over, or was forked off."""
        failure = LateFailure(nodeid, failure_text([error]), where)
        if self.is_forked:
            self._send(failure)
        else:
            self.found.append(failure)

    def _send(self, failure: LateFailure) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        written = self._folder / f"{secrets.token_hex(8)}.part"
        written.write_text(json.dumps(failure), encoding="utf-8")
        written.rename(written.with_suffix(".json"))

    def of_forked(self, nodeid: str) -> list[str]:
        """The texts of what has failed so far in processes that a test has forked, each once."""
        self._receive()
        of_test = [failure for failure in self.found if failure.nodeid == nodeid]
        self.found = [failure for failure in self.found if failure.nodeid != nodeid]
        return [failure.text for failure in of_test]

    def _receive(self) -> None:
        if self.is_forked or not self._folder.is_dir():
            return
        for file in sorted(self._folder.glob("*.json")):
            self.found.append(LateFailure(*json.loads(file.read_text(encoding="utf-8"))))
            file.unlink()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run; in a worker, tell the main process."""
        self._receive()
        if not self.is_forked:
            shutil.rmtree(self._folder, ignore_errors=True)
        if is_worker(self._config):
            output: dict[str, Any] = getattr(self._config, "workeroutput", {})
            output[_SENT] = [[*failure] for failure in self.found]
        elif self.found:
            fail_run(session)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker has found."""
        self.found += [LateFailure(*row) for row in getattr(node, "workeroutput", {}).get(_SENT, ())]


def collect(config: pytest.Config) -> None:
    """Collect late failures from now on."""
    late = config.stash[_LATE] = LateFailures(config)
    config.pluginmanager.register(late, "templates-late-failures")


def late_failures_in(config: pytest.Config) -> LateFailures:
    """What comes too late in a run."""
    return config.stash[_LATE]


class Failures(list[Exception]):
    """The errors that fail a test; those that come too late, or in a forked process, fail the run.

    Args:
        item: The test.
        watch: Called with the first of them, before it is added.

    Attributes:
        is_over: Whether the test is over.
    """

    def __init__(self, item: pytest.Item, watch: Callable[[], None]) -> None:
        super().__init__()
        self._watch = watch
        self._settled: set[int] = set()
        self._nodeid = item.nodeid
        self._late: LateFailures | None = item.config.stash.get(_LATE, None)
        self.is_over = False

    def append(self, error: Exception, /) -> None:
        """Add an error."""
        if not self:
            self._watch()
        if self._late is not None and (self.is_over or self._late.is_forked):
            self._late.add(self._nodeid, error)
        super().append(error)

    def extend(self, errors: Iterable[Exception], /) -> None:
        """Add errors."""
        for error in errors:
            self.append(error)

    def settle(self, error: BaseException) -> None:
        """Let an error be one that the test expects: where it is one of these, it fails nothing."""
        self._settled.update(id(one) for one in self if one is error)

    def unsettled(self, begin: int = 0) -> list[Exception]:
        """Those that the test does not expect, from one on."""
        return [error for error in self[begin:] if id(error) not in self._settled]

    def add_those_of_forked(self) -> None:
        """Add what has failed so far in processes that the test has forked."""
        texts = [] if self._late is None else self._late.of_forked(self._nodeid)
        if texts:
            from pytest_templates.errors import TestingError

            self.extend(TestingError(f"in a process that the test has forked: {text}") for text in texts)
