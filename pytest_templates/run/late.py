"""Failures that no test can report any more, for which the run fails.

A thread or task that a test has left running may fail when that test has its outcome. A process that a test has forked
has a copy of the test, and no way to fail the one that pytest reports: it writes its failures to files of a temporary
folder, where the process that runs the tests finds them. A worker of pytest-xdist sends all of it when it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from pytest_templates.run.features import Feature
from pytest_templates.run.processes import fail_run, is_worker, processes_forked
from pytest_templates.support.failures import failure_text

_LATE: Final = pytest.StashKey["LateFailures"]()
_SENT: Final = "templates_late_failures"


class LateFailure(NamedTuple):
    """A failure that its test does not report.

    Attributes:
        nodeid: The id of the test, or the name of the worker that it is about.
        text: The error, as it is printed.
        where: Where the error came up, as it is printed behind the test.
    """

    nodeid: str
    text: str
    where: str = "in what it left running"


class LateFailures(Feature):
    """Collects these failures in one process; the main process has those of all workers in the end.

    Args:
        config: The configuration of this process.

    Attributes:
        found: The failures so far.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._process = os.getpid()
        self._forked = processes_forked()
        self._folder = Path(tempfile.gettempdir()) / f"pytest-templates-{os.urandom(8).hex()}"
        self.found: list[LateFailure] = []

    @property
    def is_forked(self) -> bool:
        """Whether this process was forked from the one that runs the tests."""
        return os.getpid() != self._process

    def add(self, nodeid: str, error: Exception, where: str = LateFailure._field_defaults["where"]) -> None:
        """Add a failure: here, or in a forked process to the files that the process of the tests reads."""
        failure = LateFailure(nodeid, failure_text([error]), where)
        if self.is_forked:
            self._send(failure)
        else:
            self.found.append(failure)

    def _send(self, failure: LateFailure) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        written = self._folder / f"{os.urandom(8).hex()}.part"
        written.write_text(json.dumps(failure), encoding="utf-8")
        written.rename(written.with_suffix(".json"))

    def of_forked(self, nodeid: str) -> list[str]:
        """Take out the failures that a test's forked processes have written so far, and return their texts.

        The test itself is still under way, and can report them. Most runs fork nothing, and look for no files.
        """
        if processes_forked() != self._forked:
            self._receive()
        if not self.found:
            return []
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
        """Fail the run if there are failures; in a worker, send them to the main process, which does."""
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
        """Add the failures that a worker has sent."""
        self.found += [LateFailure(*row) for row in getattr(node, "workeroutput", {}).get(_SENT, ())]


def collect(config: pytest.Config) -> None:
    """Begin to collect the late failures of a run."""
    late = config.stash[_LATE] = LateFailures(config)
    config.pluginmanager.register(late, "templates-late-failures")


def late_failures_in(config: pytest.Config) -> LateFailures:
    """The collected late failures of a run."""
    return config.stash[_LATE]


class Failures(list[Exception]):
    """The errors that fail one test. One that is added when the test is over, or in a forked process, is late as well.

    Args:
        item: The test.
        watch: Called before the first error is added.

    Attributes:
        is_over: Whether the test is over.
    """

    def __init__(self, item: pytest.Item, watch: Callable[[], None]) -> None:
        super().__init__()
        self._watch: Callable[[], None] | None = watch
        self._settled: set[int] = set()
        self._nodeid = item.nodeid
        self._late: LateFailures | None = item.config.stash.get(_LATE, None)
        self.is_over = False

    def append(self, error: Exception, /) -> None:
        """Add an error."""
        watch = self._watch  # the test may end meanwhile, in another thread
        if not self and watch is not None:
            watch()
        if self._late is not None and (self.is_over or self._late.is_forked):
            self._late.add(self._nodeid, error)
        super().append(error)

    def extend(self, errors: Iterable[Exception], /) -> None:
        """Add errors."""
        for error in errors:
            self.append(error)

    def end(self) -> None:
        """Take note that the test is over: what it has left running may keep this list, and nothing else of it."""
        self.is_over = True
        self._watch = None

    def settle(self, error: BaseException) -> None:
        """Mark an error as expected by the test, as one that ``pytest.raises`` has caught: it does not fail the test.

        An error that is not in this list is left alone.
        """
        self._settled.update(id(one) for one in self if one is error)

    def unsettled(self, begin: int = 0) -> list[Exception]:
        """The errors from a position on that are not marked as expected."""
        if len(self) == begin:  # as of most tests, at all times
            return []
        return [error for error in self[begin:] if id(error) not in self._settled]

    def add_those_of_forked(self) -> None:
        """Add the failures that the test's forked processes have written so far, so that the test reports them."""
        texts = [] if self._late is None else self._late.of_forked(self._nodeid)
        if texts:
            from pytest_templates.errors import TestingError

            self.extend(TestingError(f"in a process that the test has forked: {text}") for text in texts)
