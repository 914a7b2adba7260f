"""The option ``--templates-lock``: noticed in every process, compared or written by the one that users started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.cassettes.collection import Collected, collecting
from pytest_templates.cassettes.unused import wants_everything
from pytest_templates.run import attempt
from pytest_templates.run.options import OPTIONS
from pytest_templates.support.environment import in_ci
from pytest_templates.support.loading import WhenLoaded

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.lock.facts import Facts
    from pytest_templates.lock.observer import Noticing


_SENT: Final = "templates_lock"  # the attribute of a report that carries what a test rendered


def watch(config: pytest.Config) -> None:
    """Compare or write, where the options say so.

    Raises:
        pytest.UsageError: There is nothing to compare with, the file cannot be read, or it is not written here.
    """
    wanted = config.stash[OPTIONS].lock
    if wanted is None or config.option.collectonly:
        return
    config.pluginmanager.register(Sender(config), "templates-lock-sender")
    collected = collecting(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Lock(config, _locked(config), collected), "templates-lock")


def _locked(config: pytest.Config) -> Facts | None:
    from pytest_templates.errors import LockError
    from pytest_templates.lock.file import NAME, read_lock

    wanted = config.stash[OPTIONS].lock
    if wanted == "update" and in_ci():
        raise pytest.UsageError(
            f"--templates-lock=update was given where the environment variable CI is set: {NAME} is not written here.\n"
            "Write it elsewhere and commit it, or unset CI."
        )
    try:
        locked = read_lock(config.rootpath / NAME)
    except LockError as error:
        raise pytest.UsageError(str(error)) from error
    if wanted == "check" and locked is None:
        raise pytest.UsageError(
            f"--templates-lock=check: there is no {NAME} in {config.rootpath}\n"
            "Write it with --templates-lock=update, and commit it."
        )
    return locked


class Sender:
    """Notices in this process, from when the engine is loaded, and sends it along with every test's last report.

    Args:
        config: Of this process, a worker's or the one that users started.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._watch = config.stash[attempt.WATCH]
        self._replays = config.stash[OPTIONS].record == "none"
        self._noticing: Noticing | None = None
        self._waiting = WhenLoaded("antiphon", self._listen)

    def _listen(self) -> None:
        from antiphon.observers import LISTENERS
        from pytest_templates.lock.observer import Noticing

        self._noticing = Noticing(self._root, self._watch)
        LISTENERS.add(self._noticing)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        """Send what the test rendered, and where it keeps what it remembers."""
        report = yield
        if report.when == "teardown" and self._noticing is not None:
            row = self._noticing.taken()
            if row is not None:
                vars(report)[_SENT] = {**row, **self._files(item)}
        return report

    def _files(self, item: pytest.Item) -> dict[str, Any]:
        from pytest_templates.lock.report import snapshots_of

        cassette = attempt.of(item).cassette
        replayed = None if cassette is None or not self._replays else str(cassette.path)
        return {"cassette": replayed, "snapshots": snapshots_of(item, self._root)}

    def pytest_unconfigure(self) -> None:
        """Notice no longer."""
        self._waiting.forget()
        if self._noticing is not None:
            from antiphon.observers import LISTENERS

            LISTENERS.remove(self._noticing)


class Lock:
    """Adds up what every process sends, and compares or writes it at the end.

    Args:
        config: Where the options stand.
        locked: What the file says; ``None`` where there is none.
        collected: Knows whether every test was collected.
    """

    def __init__(self, config: pytest.Config, locked: Facts | None, collected: Collected) -> None:
        from pytest_templates.lock.facts import Seen

        self._config = config
        self._locked: Facts = locked or {}
        self._collected = collected
        self._seen = Seen()
        self._ended: set[str] = set()
        self._skipped = False
        self._lines: list[str] = []
        self._said = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report brings."""
        self._skipped = self._skipped or report.skipped
        if report.when == "teardown":
            self._ended.add(report.nodeid)
        row = getattr(report, _SENT, None)
        if row is not None:
            self._seen.add(report.nodeid, row)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Compare or write, and fail a run where something has changed."""
        whole = exitstatus == pytest.ExitCode.OK and self._saw_everything
        went_well = self._checks(whole) if self._config.stash[OPTIONS].lock == "check" else self._writes(whole)
        if not went_well and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Say it."""
        if self._lines:
            terminalreporter.section("templates lock")
        for line in self._lines or [self._said]:
            terminalreporter.line(line)

    @property
    def _saw_everything(self) -> bool:
        """Whether every test of the project has run to its end, so that what was not rendered is not there any more."""
        found = self._collected.found
        everything = found is not None and not found["left_out"] and len(self._ended) == found["tests"]
        return everything and not self._skipped and wants_everything(self._config)

    def _checks(self, whole: bool) -> bool:
        from pytest_templates.lock.facts import changes
        from pytest_templates.lock.report import checked, same

        found = changes(self._locked, self._seen.facts, whole=whole)
        store = self._config.stash[OPTIONS].store
        self._lines = checked(found, self._locked, self._seen, store, self._config.rootpath)
        self._said = same(self._locked, self._seen.facts)
        return not found

    def _writes(self, whole: bool) -> bool:
        from pytest_templates.errors import LockError
        from pytest_templates.lock.facts import updated
        from pytest_templates.lock.file import NAME, write_lock
        from pytest_templates.lock.report import written

        new = updated(self._locked, self._seen.facts, whole=whole)
        self._said = written(self._locked, new, self._seen.facts)
        if new == self._locked:
            return True
        try:
            write_lock(self._config.rootpath / NAME, new)
        except LockError as error:
            self._lines = str(error).splitlines()
        return not self._lines
