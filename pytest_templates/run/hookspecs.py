"""The private hooks by which features take part in the life of a test.

`run` calls them and knows no feature; a feature registers one plugin object by `features.join`, and keeps what it knows
of an attempt in ``attempt.stash``. They are no interface for projects, and no ``conftest.py`` can implement them: those
that projects implement are in `pytest_templates.hooks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.run.features import hookspec

if TYPE_CHECKING:
    from antiphon import ModelCall
    from antiphon.observers import LiveCall, SubroutineEntered, SubroutineExited
    from pytest_templates.run.attempt import Attempt
    from pytest_templates.run.calls import CallSource
    from pytest_templates.run.ordering import ReverseOrder


class Life:
    """What happens to an attempt of a test, in this order."""

    @hookspec
    def attempt_opens(self, attempt: Attempt) -> None:
        """The test is to run: open what its markers ask for.

        Pytest has seen that it is not skipped, and its fixtures are not made yet. What has to be closed goes to
        ``attempt.resources``.
        """

    @hookspec(firstresult=True)
    def asks_real_models(self, attempt: Attempt) -> bool | None:
        """Whether the test is about real models, recorded or live."""

    @hookspec
    def live_call_begins(self, attempt: Attempt, event: LiveCall) -> None:
        """A real model is about to be called; what is raised keeps it from being called."""

    @hookspec
    def before_sending(self, attempt: Attempt) -> None:
        """A request is about to leave the machine, and will be paid for; what is raised keeps it from being sent."""

    @hookspec(firstresult=True)
    def catches_live_calls(self, attempt: Attempt) -> bool | None:
        """Whether calls of real models are caught, so that none gets past unnoticed."""

    @hookspec(firstresult=True)
    def source_of(self, attempt: Attempt, call: ModelCall) -> CallSource | None:
        """Where the answer to a call came from, and whether a real model was asked now."""

    @hookspec(firstresult=True)
    def answered_outside_of_engine(self, attempt: Attempt) -> bool | None:
        """Whether real models have answered calls that were not made by the engine."""

    @hookspec
    def model_called(self, attempt: Attempt, call: ModelCall, source: CallSource) -> None:
        """A model call has ended; what is raised reaches the program."""

    @hookspec
    def subroutine_entered(self, attempt: Attempt, event: SubroutineEntered) -> None:
        """A subroutine begins."""

    @hookspec
    def subroutine_left(self, attempt: Attempt, event: SubroutineExited) -> None:
        """A subroutine has ended."""

    @hookspec(firstresult=True)
    def answer_order(self, attempt: Attempt) -> ReverseOrder | None:
        """In which order scripted answers come that are awaited at the same time; the usual one, if nobody says."""

    @hookspec
    def attempt_settles(self, attempt: Attempt) -> None:
        """The test is over and did not fail: add to ``attempt.failures`` what it should have used up."""

    @hookspec
    def attempt_closes(self, attempt: Attempt) -> None:
        """The resources are closed, and it is known whether the test went well: keep or drop what it made."""

    @hookspec
    def attempt_is_interrupted(self, attempt: Attempt) -> None:
        """The run ends in the midst of the test: leave what it made so that nothing is lost."""

    @hookspec
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """A phase was reported: add to the last report, that of the tear-down, what has to reach the main process."""


class Run:
    """What features tell each other of a run."""

    @hookspec(firstresult=True)
    def models_in_place(self) -> tuple[Any, ...] | None:
        """Which templates ask other models in this run; see `cassettes.settings.Override`."""


class Summary:
    """What features say at the end of a run, in the process that hears of every test."""

    @hookspec
    def summary_counts(self) -> list[str]:  # type: ignore[empty-body]  # a specification
        """Parts of the summary line, such as ``"2 replayed"``."""

    @hookspec
    def summary_lines(self) -> list[str]:  # type: ignore[empty-body]  # as above
        """Lines below the summary line."""

    @hookspec
    def test_facts(self, reports: list[dict[str, Any]]) -> dict[str, Any]:  # type: ignore[empty-body]  # as above
        """Fields of a test in the report of the run, from what its attempts brought; see `ReportData`."""

    @hookspec
    def run_facts(self) -> dict[str, Any]:  # type: ignore[empty-body]  # as above
        """Fields of the report of the run."""
