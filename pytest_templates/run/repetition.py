"""Running a test several times in the same process: to check an attempt of it once more, or in samples.

Nobody else gets to see the reports of such a run. A repetition is not counted at all; samples are reported as parts of
one attempt, in the call of which they are run.

An attempt is repeated when its own fixtures are torn down, and before that is reported, so that what is found can still
fail the test, in every process and with every plugin that runs tests again. Fixtures of wider scopes stay set up
meanwhile, also where they are to be torn down behind this test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, Final, Literal, NamedTuple, cast

import pluggy
import pytest
from _pytest.subtests import failed_subtests_key

from pytest_templates.run.attempt import Attempt, attempt_of, beginning_with
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.clock import seconds
from pytest_templates.support.failures import pruned

_OF_ONE_ATTEMPT: Final[tuple[str, ...]] = (  # what pytest keeps in a test while it runs it
    *("_request", "funcargs"),
    *("_instance", "_obj", "_excinfo"),  # of methods, and of unittest
    *("_report_sections", "user_properties"),
)
_RUNNING: Final = ("setup", "runtest", "teardown", "repr_failure")  # the methods of a test by which pytest runs it
_REPORTING: Final = frozenset({"pytest_runtest_logreport", "pytest_exception_interact"})  # what subtests call


class PhaseRun(NamedTuple):
    """How a phase of a test went.

    Attributes:
        report: Its report; nobody else gets to see it.
        error: What it raised, also where that is expected or only skips the test; ``None`` for nothing.
    """

    report: pytest.TestReport
    error: BaseException | None


class Repetition(NamedTuple):
    """How a test went that was run once more, or as a sample.

    Attributes:
        attempt: The attempt that was made.
        phases: Its phases: set-up, call where that went well, and tear-down.
    """

    attempt: Attempt
    phases: list[PhaseRun]

    @property
    def reports(self) -> list[pytest.TestReport]:
        """Those of its phases."""
        return [phase.report for phase in self.phases]


def repeat(attempt: Attempt) -> Repetition:
    """Run a test once more. Its ``attempt`` is under way again afterwards.

    Raises:
        KeyboardInterrupt: The run is interrupted, or ended by `pytest.exit`.
    """
    start = seconds()
    try:
        with warnings.catch_warnings(record=True):
            return _run(attempt, lambda item: Attempt(item, attempt, sample=attempt.sample))
    finally:
        attempt.repeated_for += seconds() - start


def run_sample(whole: Attempt, number: int) -> Repetition:
    """Run a test as a sample, within the call of an attempt; see `running_in_samples`.

    Args:
        whole: The attempt, which is under way again afterwards.
        number: The number of the sample, from 1.

    Raises:
        KeyboardInterrupt: The run is interrupted, or ended by `pytest.exit`.
    """
    with _own_fixtures_alone(whole.item):
        sample = _run(whole, lambda item: Attempt(item, part_of=whole, sample=number))
    whole.add_sample(sample.reports)
    return sample


@contextmanager
def running_in_samples(attempt: Attempt, run: Callable[[], None]) -> Iterator[None]:
    """Let the call of a test run it in samples, in a block; it has no fixtures of its own to set up or tear down.

    Args:
        attempt: The attempt of the test.
        run: Runs the samples; what it raises, the call of the test does.
    """
    state: dict[str, Any] = vars(attempt.item)
    attempt.is_in_samples = True
    state |= {"setup": _nothing, "runtest": partial(_run_samples, attempt.item, run), "teardown": _nothing}
    state["repr_failure"] = partial(_shown, attempt.item)
    try:
        yield
    finally:
        for name in _RUNNING:
            del state[name]


def _nothing() -> None:
    pass


def _shown(item: pytest.Item, error: pytest.ExceptionInfo[BaseException], *_: object) -> Any:
    """A failure of a test that is run in samples: of one that none of the user's code has raised, its text alone.

    It keeps its class, so that a test may expect it by that.
    """
    if pruned(error.value.__traceback__) is None and not isinstance(error.value, pytest.fail.Exception):
        return error.getrepr(style="value")
    return type(item).repr_failure(item, error)


def _run_samples(item: pytest.Item, run: Callable[[], None]) -> None:
    __tracebackhide__ = True
    with _own_fixtures_alone(item):
        item.session._setupstate.teardown_exact(item)  # so that a sample sets it up
    run()


def _run(attempt: Attempt, make: Callable[[pytest.Item], Attempt]) -> Repetition:
    item, under_way = attempt.item, under_way_in(attempt.item.config)
    with ExitStack() as stack:
        stack.enter_context(beginning_with(make, attempt))
        stack.enter_context(_like_new(item))
        stack.enter_context(_unreported(item.config))
        try:
            phases = [*_phases(item)]
        except BaseException:
            attempt_of(item).interrupt()
            raise
        finally:
            under_way.attempt = attempt
        return Repetition(attempt_of(item), phases)


@contextmanager
def _own_fixtures_alone(item: pytest.Item) -> Iterator[None]:
    """Let the tear-down of a test in a block leave fixtures of wider scopes."""
    state: Any = item.session._setupstate  # as plugins do that run tests again; there is no other way
    tear_down = state.teardown_exact
    state.teardown_exact = lambda _: tear_down(item.parent)
    try:
        yield
    finally:
        del state.teardown_exact


@contextmanager
def wider_fixtures_last(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Let the tear-down of a test in a block leave fixtures of wider scopes; tear down those that end behind it."""

    def tear_down_rest() -> None:
        capture: Any = item.config.pluginmanager.getplugin("capturemanager")
        with nullcontext() if capture is None else capture.item_capture("teardown", item):
            item.session._setupstate.teardown_exact(nextitem)

    try:
        with _own_fixtures_alone(item):
            yield
    except (KeyboardInterrupt, pytest.exit.Exception):
        raise  # the run ends, and pytest tears everything down
    except BaseException:
        tear_down_rest()
        raise
    tear_down_rest()


def _phases(item: pytest.Item) -> Iterator[PhaseRun]:
    """Run the phases of a test, as pytest does where the same test follows."""
    setup = _phase(item, "setup", partial(item.ihook.pytest_runtest_setup, item=item))
    yield setup
    if setup.report.passed:
        yield _phase(item, "call", partial(item.ihook.pytest_runtest_call, item=item))
    yield _phase(item, "teardown", partial(item.ihook.pytest_runtest_teardown, item=item, nextitem=item))


def _phase(item: pytest.Item, when: Literal["setup", "call", "teardown"], run: Callable[[], Any]) -> PhaseRun:
    call = pytest.CallInfo.from_call(run, when=when, reraise=(pytest.exit.Exception, KeyboardInterrupt))
    report: pytest.TestReport = item.ihook.pytest_runtest_makereport(item=item, call=call)
    return PhaseRun(report, None if call.excinfo is None else call.excinfo.value)  # unittest's is known only now


@contextmanager
def _like_new(item: pytest.Item) -> Iterator[None]:
    """Let a test begin anew, with an instance of its class and fixtures of its own; then put back what it had."""
    state: dict[str, Any] = vars(item)
    before = {name: state[name] for name in (*_OF_ONE_ATTEMPT, *_RUNNING) if name in state}
    stashed = dict(item.stash._storage)  # plugins keep in it what belongs to one attempt, and take it away
    for name in _RUNNING:
        state.pop(name, None)
    state |= {"_report_sections": [], "user_properties": list(item.user_properties)}
    if before.get("_instance") is not None:
        del state["_instance"]
        state["_obj"] = None
    if "_request" in before:
        cast("Any", item)._initrequest()
    try:
        yield
    finally:
        for name in _OF_ONE_ATTEMPT:
            state.pop(name, None)
        state |= before
        item.stash._storage.clear()
        item.stash._storage.update(stashed)


@contextmanager
def _unreported(config: pytest.Config) -> Iterator[None]:
    """Let nobody hear of what a test reports by itself, as subtests do, and pytest not count those that fail."""

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], _: object) -> None:
        if hook in _REPORTING:
            cast("list[pluggy.HookImpl]", implementations).clear()  # a copy, made for this call

    undo = config.pluginmanager.add_hookcall_monitoring(before, lambda *_: None)
    failed_subtests = config.stash.get(failed_subtests_key, None)  # none without pytest's plugin
    counted = dict(failed_subtests or {})
    try:
        yield
    finally:
        undo()
        if failed_subtests is not None:
            failed_subtests.clear()
            failed_subtests.update(counted)
