"""What ``--templates-lock`` does: every process observes, the one that the user started compares or writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_templates.cassettes.collection import RunCollection
from pytest_templates.cassettes.options import RECORD
from pytest_templates.cassettes.places import store_with
from pytest_templates.cassettes.plugin import CASSETTE
from pytest_templates.cassettes.unused import wants_everything
from pytest_templates.lock.comparison import Facts, ObservedRun, changes, updated
from pytest_templates.lock.rows import PROMPTS, RecordedFiles
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.machines import view_of_main
from pytest_templates.run.processes import fail_run
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.engine import EngineListener
from pytest_templates.support.files import path_within
from pytest_templates.support.text import visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.storage.store import Store
    from pytest_templates.lock.observer import PromptObserver


class PromptSender(Feature):
    """Observes this process from when the engine is loaded, and sends what it saw with the last report of each test.

    Args:
        config: The configuration of this process, a worker or not.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._main = view_of_main(config)
        self._under_way = under_way_in(config)
        self._replays = RECORD.of(config) == "none"
        self._listener: EngineListener[PromptObserver] = EngineListener(self._observer)

    def _observer(self) -> PromptObserver:
        from pytest_templates.lock.observer import PromptObserver

        return PromptObserver(self._root, self._is_listening)

    def _is_listening(self) -> bool:
        return self._under_way.listening is not None and not self._under_way.is_repeating

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send what the test rendered, and its files that a change may have made stale."""
        if report.when == "teardown" and self._listener.observer is not None:
            observed = self._listener.observer.take()
            if observed is not None:
                PROMPTS.put(report, {**observed, **self._files(attempt)})

    def _files(self, attempt: Attempt) -> RecordedFiles:
        cassette = self._cassette_that_may_be_stale(attempt)
        return {
            "cassette": None if cassette is None else self._main.path(cassette.path),
            "snapshots": [] if attempt.passed else self._unmet_snapshots(attempt.item),
        }

    def _cassette_that_may_be_stale(self, attempt: Attempt) -> OpenCassette | None:
        """The cassette that a test replays, unless all of it was played and nothing else was asked for."""
        cassette = attempt.stash.get(CASSETTE, None)
        if cassette is None or not self._replays or attempt.passed:
            return None
        return cassette if cassette.misses or cassette.unplayed else None

    def _unmet_snapshots(self, item: pytest.Item) -> list[str]:
        """The files of a test's ``llm_snapshot`` that its conversations have not met, from the root directory on."""
        if "llm_snapshot" not in getattr(item, "fixturenames", ()):
            return []
        from pytest_templates.snapshots.extension import unmet_snapshots

        return [(path_within(file, self._root) or file).as_posix() for file in unmet_snapshots(item)]

    def pytest_unconfigure(self) -> None:
        """Stop observing."""
        self._listener.end()


class PromptLock(Feature):
    """Adds up what every process sends, and compares it with the file or writes it at the end.

    Args:
        config: The run.
        wanted: Whether to compare, or to write.
        locked: What the file says; ``None`` where there is none.
        collected: Knows whether every test was collected.
    """

    def __init__(
        self,
        config: pytest.Config,
        wanted: Literal["check", "update"],
        locked: Facts | None,
        collected: RunCollection,
    ) -> None:
        self._config = config
        self._wanted = wanted
        self._locked: Facts = locked or {}
        self._collected = collected
        self._observed = ObservedRun()
        self._ended: set[str] = set()
        self._skipped = False
        self._lines: list[str] = []
        self._text = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report carries."""
        self._skipped = self._skipped or report.skipped
        if report.when == "teardown":
            self._ended.add(report.nodeid)
        for row in PROMPTS.all_of(report):
            self._observed.add(report.nodeid, row)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Compare or write, and fail a run where something has changed."""
        whole = exitstatus == pytest.ExitCode.OK and self._is_whole
        went_well = self._check(whole) if self._wanted == "check" else self._write(whole)
        if not went_well:
            fail_run(session)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the outcome."""
        if self._lines:
            terminalreporter.section("templates lock")
        for line in self._lines or [self._text]:
            terminalreporter.line(visible_lines(line))

    @hookimpl
    def run_facts(self) -> dict[str, Any]:
        """What the changes of templates that were rendered make stale."""
        from pytest_templates.lock.report import stale_files

        if not self._locked:
            return {"stale": []}  # nothing has changed: all is new
        found = changes(self._locked, self._observed.facts, whole=False)
        return {"stale": stale_files(found, self._observed, self._stores, self._config.rootpath)}

    @property
    def _stores(self) -> Callable[[Path], Store]:
        return partial(store_with, config=self._config)

    @property
    def _is_whole(self) -> bool:
        """Whether every test of the project has run to its end, so that what was not rendered no longer exists."""
        found = self._collected.found
        everything = found is not None and not found["left_out"] and len(self._ended) == found["tests"]
        return everything and not self._skipped and wants_everything(self._config)

    def _check(self, whole: bool) -> bool:
        from pytest_templates.lock.report import check_lines, unchanged_line

        found = changes(self._locked, self._observed.facts, whole=whole)
        self._lines = check_lines(found, self._locked, self._observed, self._stores, self._config.rootpath)
        self._text = unchanged_line(self._locked, self._observed.facts)
        return not found

    def _write(self, whole: bool) -> bool:
        from pytest_templates.errors import LockError
        from pytest_templates.lock.file import NAME, write_lock
        from pytest_templates.lock.report import update_line

        new = updated(self._locked, self._observed.facts, whole=whole)
        self._text = update_line(self._locked, new, self._observed.facts)
        if new == self._locked:
            return True
        try:
            write_lock(self._config.rootpath / NAME, new)
        except LockError as error:
            self._lines = str(error).splitlines()
        return not self._lines
