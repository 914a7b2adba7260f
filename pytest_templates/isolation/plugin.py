"""The isolation guard in a run: its option ``--templates-isolation``, and the marker ``llm_isolation``."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, get_args

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.markers import Marker, reason_of
from pytest_templates.run.options import REPEATED, Option, Options
from pytest_templates.run.processes import is_worker
from pytest_templates.run.report_data import ReportData
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.engine import EngineListener
from pytest_templates.support.text import as_text, counted

if TYPE_CHECKING:
    from antiphon.observers import (
        Observer,
        PartWaiting,
        RunResumed,
        RunSuspended,
        SubroutineEntered,
        SubroutineExited,
    )
    from antiphon.session import Run
    from pytest_templates.isolation.guard import Guard
    from pytest_templates.run.ordering import ReverseOrder

Mode: TypeAlias = Literal["on", "precise", "off"]
Unseen: TypeAlias = Literal["report", "fail", "ignore"]

MODE = Option[Mode](
    "--templates-isolation",
    ini="templates_isolation",
    choices=get_args(Mode),
    default="on",
    help="whether every subroutine is watched for changes of its parent (default: on); precise also names the "
    "template that did it, and finds what both share and what is changed around them",
    ini_help="whether every subroutine is watched: on, precise or off",
)
UNSEEN = Option[Unseen](
    ini="templates_isolation_unseen",
    choices=get_args(Unseen),
    default="report",
    help="what is done with values of parents of which only the identity can be compared: report, fail or ignore",
)
OPTIONS = Options(MODE, UNSEEN)


def llm_isolation(mode: object, *, reason: object) -> None:
    """Do not watch the subroutines of this test, for a reason."""
    if mode != "off":
        raise ValueError(f'the only mode is "off", not {mode!r}')
    reason_of(reason)


MARKER = Marker(llm_isolation)


class IsolationRow(TypedDict):
    """What the guard found in an attempt of a test.

    Attributes:
        subroutines: How many were checked.
        unseen: What in their parents was compared by identity alone: one path for every type.
        violations: The text of each.
    """

    subroutines: int
    unseen: list[str]
    violations: list[str]


ISOLATION: Final = ReportData[IsolationRow]("isolation")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Watch subroutines, unless the run turns it off."""
    OPTIONS.read(config)
    MARKER.register(config)
    mode = MODE.of(config)
    if mode != "off":
        repeats = config.stash.get(REPEATED, False)
        config.stash[_WATCHING] = Isolation(mode, UNSEEN.of(config), repeats=repeats)
        join(config, config.stash[_WATCHING], "isolation")
    if mode == "precise":
        config.pluginmanager.register(TemplateEvents(config), "templates-isolation-templates")
    if not is_worker(config):
        join(config, Summary(), "isolation-summary")


class Isolation(Feature):
    """Lets a guard watch the subroutines of every test.

    Args:
        mode: Which guard.
        unseen: What is done with values of which only the identity can be compared.
        repeats: Whether the run repeats another one.
    """

    def __init__(self, mode: Mode, unseen: Unseen, *, repeats: bool) -> None:
        self._is_precise = mode == "precise"
        self._unseen = unseen
        self._repeats = repeats
        self._making = Lock()

    @hookimpl
    def subroutine_entered(self, attempt: Attempt, event: SubroutineEntered) -> None:
        """Let the guard read the parent's state."""
        guard = self.guard_of(attempt)
        if guard is not None:
            guard.entered(event)

    @hookimpl
    def subroutine_left(self, attempt: Attempt, event: SubroutineExited) -> None:
        """Let the guard compare the parent's state."""
        guard = self.guard_of(attempt)
        if guard is not None and guard.exited(event):
            attempt.hook.subroutine_compared(attempt=attempt, event=event)

    @hookimpl
    def run_suspended(self, attempt: Attempt, event: RunSuspended) -> None:
        """Let the guard compare the parents' states, before the program does what it likes with them."""
        guard = attempt.stash.get(GUARD, None)
        if guard is not None:
            guard.suspended(event)

    @hookimpl
    def run_resumed(self, attempt: Attempt, event: RunResumed) -> None:
        """Let the guard read the parents' states anew."""
        guard = attempt.stash.get(GUARD, None)
        if guard is not None:
            guard.resumed(event)

    @hookimpl
    def part_waits(self, attempt: Attempt, event: PartWaiting) -> None:
        """Let the guard compare the parents' states, before other subroutines go on that run at the same time."""
        guard = attempt.stash.get(GUARD, None)
        if guard is not None:
            guard.waiting(event)

    @hookimpl
    def attempt_is_checked(self, attempt: Attempt) -> None:
        """Let the guard compare the states of parents whose subroutines have not ended."""
        if GUARD not in attempt.stash:
            return
        guard = attempt.stash[GUARD]
        if guard is not None:
            guard.check()

    @hookimpl
    def answer_order(self, attempt: Attempt) -> ReverseOrder | None:
        """Let answers come in the order that the guard asks for."""
        guard = self.guard_of(attempt)
        return None if guard is None else guard.order

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send what the guard found along with the report."""
        if report.when != "teardown" or GUARD not in attempt.stash:
            return
        guard = attempt.stash[GUARD]
        if guard is None or not (guard.checked or guard.unseen):
            return
        from pytest_templates.errors import IsolationViolation

        violations = [as_text(str(one)) for one in attempt.failures if isinstance(one, IsolationViolation)]
        unseen = sorted(guard.unseen.values()) if self._unseen == "report" else []
        ISOLATION.put(report, {"subroutines": guard.checked, "unseen": unseen, "violations": violations})

    def guard_of(self, attempt: Attempt) -> Guard | None:
        """The guard of an attempt, made when it is first asked for; ``None`` where the test's marker turns it off."""
        with self._making:
            if GUARD not in attempt.stash:
                attempt.stash[GUARD] = None if MARKER.is_on(attempt.item) else self._guard(attempt)
            return attempt.stash[GUARD]

    def _guard(self, attempt: Attempt) -> Guard:
        from pytest_templates.isolation.state_hook import custom_states

        report, custom, fails = attempt.failures.append, custom_states(attempt), self._unseen == "fail"
        if self._is_precise:
            from pytest_templates.isolation.precise import PreciseGuard

            # --templates-twice compares two runs: the first has the usual order, the second the reverse
            is_first_of_two = bool(attempt.item.config.getoption("--templates-twice", False)) and not self._repeats
            return PreciseGuard(report, custom, unseen_fails=fails, reverse=not is_first_of_two)
        from pytest_templates.isolation.guard import Guard

        return Guard(report, custom, unseen_fails=fails)


GUARD: Final = pytest.StashKey["Guard | None"]()
_WATCHING: Final = pytest.StashKey[Isolation]()


def guard_of(attempt: Attempt) -> Guard | None:
    """The guard that watches the subroutines of an attempt; ``None`` where it is turned off."""
    watching = attempt.item.config.stash.get(_WATCHING, None)
    return None if watching is None else watching.guard_of(attempt)


class TemplateEvents(Feature):
    """Passes the templates that begin and end to the precise guard of the test under way.

    Args:
        config: The run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._under_way = under_way_in(config)
        self._listener = EngineListener(self._observer)

    def pytest_unconfigure(self) -> None:
        """Stop listening."""
        self._listener.end()

    def _observer(self) -> Observer:
        from pytest_templates.isolation.observer import TemplateObserver

        return TemplateObserver(self._guard)

    def _guard(self, run: Run) -> Guard | None:
        attempt = self._under_way.attempt_of_run(run)
        return None if attempt is None else attempt.stash.get(GUARD, None)


class Summary(Feature):
    """Adds up what the guards of all tests found."""

    def __init__(self) -> None:
        self._checked = 0
        self._unseen: set[str] = set()

    @hookimpl
    def report_arrives(self, report: pytest.TestReport) -> None:
        """Collect what a report carries."""
        for row in ISOLATION.all_of(report):
            self._checked += row["subroutines"]
            self._unseen.update(row["unseen"])

    @hookimpl
    def summary_counts(self) -> list[str]:
        """How many subroutines were checked."""
        return [f"{counted(self._checked, 'subroutine')} checked"] if self._checked else []

    @hookimpl
    def summary_lines(self) -> list[str]:
        """What could be compared by identity alone."""
        unseen = sorted(self._unseen)
        how = "pytest_templates_state(value) in conftest.py can say what their state is"
        return [f"isolation told apart by identity alone: {', '.join(unseen)}; {how}"] if unseen else []

    @hookimpl
    def test_facts(self, reports: list[dict[str, Any]]) -> dict[str, Any]:
        """What the guard found in all attempts of a test."""
        attempts = ISOLATION.all_within(reports)
        subroutines = sum(attempt["subroutines"] for attempt in attempts)
        violations = [text for attempt in attempts for text in attempt["violations"]]
        return {"isolation": {"subroutines": subroutines, "violations": violations} if subroutines else None}
