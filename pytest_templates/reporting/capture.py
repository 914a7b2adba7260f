"""Captures conversations for reports, as pytest captures output: only where a report is asked for."""

from __future__ import annotations

from collections.abc import Generator
from threading import Lock
from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.reporting.conversation_rows import CONVERSATION
from pytest_templates.run.attempt import Attempt, attempt_of
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.engine import EngineListener

if TYPE_CHECKING:
    from antiphon import ModelCall
    from antiphon.observers import Observer, RunSuspended, SubroutineExited
    from antiphon.session import Run
    from pytest_templates.reporting.conversation_log import ConversationLog
    from pytest_templates.run.calls import CallSource


_LOG: Final[pytest.StashKey[ConversationLog | None]] = pytest.StashKey()


class ConversationCapture(Feature):
    """Logs what the engine tells, in the process that runs the tests, and sends it with their reports.

    Args:
        config: The run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._under_way = under_way_in(config)
        self._making = Lock()
        self._listener = EngineListener(self._observer)

    @hookimpl(tryfirst=True)  # before a feature that adds a failure for the call
    def model_called(self, attempt: Attempt, call: ModelCall, source: CallSource) -> None:
        """Log the call."""
        del source
        log = self._log_of(attempt)
        if log is not None:
            log.called(call)

    @hookimpl
    def subroutine_compared(self, attempt: Attempt, event: SubroutineExited) -> None:
        """Log that the isolation guard has looked at a subroutine."""
        log = self._log_of(attempt)
        if log is not None:
            log.subroutine_compared(event.parent.run, event.path)

    @hookimpl
    def run_suspended(self, attempt: Attempt, event: RunSuspended) -> None:
        """Log what was said in a run that the program goes through step by step."""
        log = self._log_of(attempt)
        if log is not None:
            log.suspended(event.session.run)

    @hookimpl
    def message_differs(self, attempt: Attempt, path: str | None) -> None:
        """Log where the test is about to fail."""
        log = self._log_of(attempt)
        if log is not None:
            log.message_differs(path)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Log where the test has failed."""
        report = yield
        log = attempt_of(item).stash.get(_LOG, None)
        if report.failed and call.excinfo is not None and log is not None:
            log.failed(call.excinfo.value)
        return report

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send the log along with the last report."""
        log = attempt.stash.get(_LOG, None)
        if report.when == "teardown" and log is not None:
            CONVERSATION.put(report, log.row())

    def pytest_unconfigure(self) -> None:
        """Stop listening."""
        self._listener.end()

    def _observer(self) -> Observer:
        from pytest_templates.reporting.conversation_log import ConversationObserver

        return ConversationObserver(self._log_of_run)

    def _log_of_run(self, run: Run) -> ConversationLog | None:
        attempt = self._under_way.attempt_of_run(run)
        return None if attempt is None else self._log_of(attempt)

    def _log_of(self, attempt: Attempt) -> ConversationLog | None:
        """The log of an attempt, made when something happens in it; ``None`` for one that is not reported."""
        with self._making:
            if _LOG not in attempt.stash:
                attempt.stash[_LOG] = None if attempt.repeats is not None else self._made(attempt)
            return attempt.stash[_LOG]

    def _made(self, attempt: Attempt) -> ConversationLog:
        from pytest_templates.reporting.conversation_log import ConversationLog

        return ConversationLog(attempt, self._root)
