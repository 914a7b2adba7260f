"""Captures the conversations of tests for the reports of a run; only where one is asked for."""

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
    from pytest_templates.reporting.recorder import ConversationRecorder
    from pytest_templates.run.calls import CallSource


_RECORDER: Final[pytest.StashKey[ConversationRecorder | None]] = pytest.StashKey()


class ConversationCapture(Feature):
    """Records what the engine tells, in the process that runs the tests, and sends it with their reports.

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
        """Record the call."""
        del source
        recorder = self._recorder_of(attempt)
        if recorder is not None:
            recorder.called(call)

    @hookimpl
    def subroutine_compared(self, attempt: Attempt, event: SubroutineExited) -> None:
        """Record that the isolation guard has looked at a subroutine."""
        recorder = self._recorder_of(attempt)
        if recorder is not None:
            recorder.subroutine_compared(event.parent.run, event.path)

    @hookimpl
    def run_suspended(self, attempt: Attempt, event: RunSuspended) -> None:
        """Record what was said in a run that the program goes through step by step."""
        recorder = self._recorder_of(attempt)
        if recorder is not None:
            recorder.suspended(event.session.run)

    @hookimpl
    def message_differs(self, attempt: Attempt, path: str | None) -> None:
        """Record where the test is about to fail."""
        recorder = self._recorder_of(attempt)
        if recorder is not None:
            recorder.message_differs(path)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record where the test has failed."""
        report = yield
        recorder = attempt_of(item).stash.get(_RECORDER, None)
        if report.failed and call.excinfo is not None and recorder is not None:
            recorder.failed(call.excinfo.value)
        return report

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send what was recorded along with the last report."""
        recorder = attempt.stash.get(_RECORDER, None)
        if report.when == "teardown" and recorder is not None:
            CONVERSATION.put(report, recorder.row())

    def pytest_unconfigure(self) -> None:
        """Stop listening."""
        self._listener.end()

    def _observer(self) -> Observer:
        from pytest_templates.reporting.recorder import ConversationObserver

        return ConversationObserver(self._recorder_of_run)

    def _recorder_of_run(self, run: Run) -> ConversationRecorder | None:
        attempt = self._under_way.attempt_of_run(run)
        return None if attempt is None else self._recorder_of(attempt)

    def _recorder_of(self, attempt: Attempt) -> ConversationRecorder | None:
        """The recorder of an attempt, made when something happens in it; ``None`` for one that is not reported."""
        with self._making:
            if _RECORDER not in attempt.stash:
                attempt.stash[_RECORDER] = None if attempt.repeats is not None else self._made(attempt)
            return attempt.stash[_RECORDER]

    def _made(self, attempt: Attempt) -> ConversationRecorder:
        from pytest_templates.reporting.recorder import ConversationRecorder

        return ConversationRecorder(attempt, self._root)
