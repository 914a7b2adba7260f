"""The private hooks by which features take part in a test.

`run` calls them and knows no feature. A feature registers one plugin object by `features.join`, and keeps its data
about an attempt in ``attempt.stash``. A ``conftest.py`` cannot implement them: the hooks for projects are in
`pytest_templates.hooks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.run.features import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from antiphon import ModelCall
    from antiphon.observers import LiveCall, PartWaiting, RunResumed, RunSuspended, SubroutineEntered, SubroutineExited
    from pytest_templates.run.attempt import Attempt
    from pytest_templates.run.calls import CallSource
    from pytest_templates.run.ordering import ReverseOrder


class Life:
    """The hooks of an attempt of a test: questions about it, and its events in the order in which they happen."""

    @hookspec(firstresult=True)
    def runs_samples(self, attempt: Attempt) -> Callable[[], None] | None:
        """What runs the test in samples, each of them an attempt, by `repetition.run_sample`; ``None`` for one run.

        The call of the test is all there is to the attempt then: it is not opened, nor checked, and sets nothing up.
        """

    @hookspec
    def attempt_opens(self, attempt: Attempt) -> None:
        """Prepare what the markers of the test ask for; what has to be closed goes to ``attempt.resources``.

        It is called when pytest knows that the test is not skipped, and before its fixtures are set up.
        """

    @hookspec(firstresult=True)
    def asks_real_models(self, attempt: Attempt) -> bool | None:
        """Whether the test uses real models, recorded or live."""

    @hookspec
    def live_call_begins(self, attempt: Attempt, event: LiveCall) -> None:
        """A real model is about to be called; an error that is raised here prevents it, and reaches the program."""

    @hookspec
    def hints_at_refusal(self, attempt: Attempt, event: LiveCall) -> list[str]:  # type: ignore[empty-body]
        """What else is to be said where a call of a real model is refused; a line each."""

    @hookspec
    def before_sending(self, attempt: Attempt) -> None:
        """A request that costs money is about to be sent; an error that is raised here prevents it."""

    @hookspec(firstresult=True)
    def catches_live_calls(self, attempt: Attempt) -> bool | None:
        """Whether requests to real models are intercepted in this test, so that none needs to be refused."""

    @hookspec(firstresult=True)
    def source_of(self, attempt: Attempt, call: ModelCall) -> CallSource | None:
        """Where the answer to a model call came from."""

    @hookspec(firstresult=True)
    def answered_outside_of_engine(self, attempt: Attempt) -> bool | None:
        """Whether real models have answered requests that were not made by the engine."""

    @hookspec
    def model_called(self, attempt: Attempt, call: ModelCall, source: CallSource) -> None:
        """A model call has ended; an error that is raised here reaches the program."""

    @hookspec(firstresult=True)
    def fault_of(self, attempt: Attempt, call: ModelCall) -> str | None:
        """The fault that a test put in place of the answer to a call that has ended, or into it."""

    @hookspec
    def subroutine_entered(self, attempt: Attempt, event: SubroutineEntered) -> None:
        """A subroutine begins."""

    @hookspec
    def subroutine_left(self, attempt: Attempt, event: SubroutineExited) -> None:
        """A subroutine has ended."""

    @hookspec
    def subroutine_compared(self, attempt: Attempt, event: SubroutineExited) -> None:
        """The parent of a subroutine that has ended was compared with what it was; see ``attempt.failures``."""

    @hookspec
    def message_differs(self, attempt: Attempt, path: str | None) -> None:
        """A comparison has failed; the first message that is not as expected was said by the template at this path."""

    @hookspec
    def run_suspended(self, attempt: Attempt, event: RunSuspended) -> None:
        """A run that the program goes through step by step stops at a message or an event."""

    @hookspec
    def run_resumed(self, attempt: Attempt, event: RunResumed) -> None:
        """It goes on, or is closed."""

    @hookspec
    def part_waits(self, attempt: Attempt, event: PartWaiting) -> None:
        """A child of a parallel template waits for something, in an event loop: the others may go on."""

    @hookspec(firstresult=True)
    def redaction_of(self, attempt: Attempt) -> Callable[[str], str] | None:
        """What puts a placeholder in the place of secrets that only this attempt knows, beside the environment's."""

    @hookspec(firstresult=True)
    def answer_order(self, attempt: Attempt) -> ReverseOrder | None:
        """The order of scripted answers that are awaited at the same time; ``None`` for the usual one."""

    @hookspec
    def attempt_is_checked(self, attempt: Attempt) -> None:
        """The test has passed so far: add an error to ``attempt.failures`` for what it should have used and did not."""

    @hookspec(firstresult=True)
    def may_be_repeated(self, attempt: Attempt) -> bool | None:
        """Whether `attempt_has_gone_well` is to be called for this attempt, if that is so."""

    @hookspec
    def attempt_has_gone_well(self, attempt: Attempt) -> None:
        """The test and the tear-down of its own fixtures went well, and fixtures of wider scopes are still set up.

        A sample that failed by itself has gone well enough.

        What is to be said against it is added to ``attempt.failures``; `repetition.repeat` runs it once more.
        """

    @hookspec
    def attempt_closes(self, attempt: Attempt) -> None:
        """The resources are closed and the outcome is known: keep or drop what the test made."""

    @hookspec
    def attempt_is_interrupted(self, attempt: Attempt) -> None:
        """The run ends in the middle of the test: save what must not be lost."""

    @hookspec
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """A phase has a report: add data for the main process to that of the tear-down, which is the last."""


class Run:
    """Questions that features ask each other about a run."""

    @hookspec(firstresult=True)
    def models_in_place(self) -> tuple[Any, ...] | None:
        """The overrides of ``--templates-model``; see `cassettes.settings.Override`."""


class Summary:
    """The hooks of the reports at the end of a run, called in the main process."""

    @hookspec
    def report_arrives(self, report: pytest.TestReport) -> None:
        """A phase of a test was reported, perhaps by a worker, and its report carries data; see `ReportData`.

        A feature that wants every report, with data or without, has ``pytest_runtest_logreport``.
        """

    @hookspec
    def summary_counts(self) -> list[str]:  # type: ignore[empty-body]  # a specification
        """Parts of the summary line, such as ``"2 replayed"``."""

    @hookspec
    def summary_lines(self) -> list[str]:  # type: ignore[empty-body]  # as above
        """Lines below the summary line."""

    @hookspec
    def test_facts(self, reports: list[dict[str, Any]]) -> dict[str, Any]:  # type: ignore[empty-body]  # as above
        """Fields of a test in the report of the run, from the data that its reports carry; see `ReportData`."""

    @hookspec
    def run_facts(self) -> dict[str, Any]:  # type: ignore[empty-body]  # as above
        """Fields of the report of the run."""
