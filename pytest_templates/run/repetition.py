"""Repeating an attempt of a test in the same process, unseen by everything that reports or counts.

An attempt is repeated when its own fixtures are torn down, and before that is reported, so that what is found can still
fail the test, in every process and with every plugin that runs tests again. Fixtures of wider scopes stay set up
meanwhile, also where they are to be torn down behind this test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, cast

import pluggy
import pytest

from pytest_templates.run.attempt import Attempt, attempt_of, repeating
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.clock import seconds

_OF_ONE_ATTEMPT: Final[tuple[str, ...]] = (  # what pytest keeps in a test while it runs it
    *("_request", "funcargs"),
    *("_instance", "_obj", "_excinfo"),  # of methods, and of unittest
    *("_report_sections", "user_properties"),
)
_REPORTING: Final = frozenset({"pytest_runtest_logreport", "pytest_exception_interact"})  # what subtests call


@dataclass(frozen=True, slots=True)
class Repetition:
    """How a repetition went.

    Attributes:
        attempt: The attempt that was made.
        reports: Those of its phases; nobody else gets to see them.
    """

    attempt: Attempt
    reports: list[pytest.TestReport]


def repeat(attempt: Attempt) -> Repetition:
    """Run a test once more. Its ``attempt`` is under way again afterwards.

    Raises:
        KeyboardInterrupt: The run is interrupted, or ended by `pytest.exit`.
    """
    item, under_way, start = attempt.item, under_way_in(attempt.item.config), seconds()
    with ExitStack() as stack:
        stack.enter_context(repeating(attempt))
        stack.enter_context(_like_new(item))
        stack.enter_context(_unreported(item.config.pluginmanager))
        stack.enter_context(warnings.catch_warnings(record=True))
        try:
            reports = [*_phases(item)]
        except BaseException:
            attempt_of(item).interrupt()
            raise
        finally:
            under_way.attempt = attempt
            attempt.repeated_for += seconds() - start
        return Repetition(attempt_of(item), reports)


@contextmanager
def wider_fixtures_last(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Let the tear-down of a test in a block leave fixtures of wider scopes; tear down those that end behind it."""
    state: Any = item.session._setupstate  # as plugins do that run tests again; there is no other way
    tear_down = state.teardown_exact
    state.teardown_exact = lambda _: tear_down(item.parent)

    def tear_down_rest() -> None:
        capture: Any = item.config.pluginmanager.getplugin("capturemanager")
        with nullcontext() if capture is None else capture.item_capture("teardown", item):
            tear_down(nextitem)

    try:
        try:
            yield
        finally:
            del state.teardown_exact
    except (KeyboardInterrupt, pytest.exit.Exception):
        raise  # the run ends, and pytest tears everything down
    except BaseException:
        tear_down_rest()
        raise
    tear_down_rest()


def _phases(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """Run the phases of a test, as pytest does where the same test follows."""
    setup = _phase(item, "setup", partial(item.ihook.pytest_runtest_setup, item=item))
    yield setup
    if setup.passed:
        yield _phase(item, "call", partial(item.ihook.pytest_runtest_call, item=item))
    yield _phase(item, "teardown", partial(item.ihook.pytest_runtest_teardown, item=item, nextitem=item))


def _phase(item: pytest.Item, when: Literal["setup", "call", "teardown"], run: Callable[[], Any]) -> pytest.TestReport:
    call = pytest.CallInfo.from_call(run, when=when, reraise=(pytest.exit.Exception, KeyboardInterrupt))
    return cast("pytest.TestReport", item.ihook.pytest_runtest_makereport(item=item, call=call))


@contextmanager
def _like_new(item: pytest.Item) -> Iterator[None]:
    """Let a test begin anew, with an instance of its class and fixtures of its own; then put back what it had."""
    state: dict[str, Any] = vars(item)
    before = {name: state[name] for name in _OF_ONE_ATTEMPT if name in state}
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


@contextmanager
def _unreported(plugins: pluggy.PluginManager) -> Iterator[None]:
    """Let nobody hear of what a test reports by itself, as subtests do."""

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], _: object) -> None:
        if hook in _REPORTING:
            cast("list[pluggy.HookImpl]", implementations).clear()  # a copy, made for this call

    undo = plugins.add_hookcall_monitoring(before, lambda *_: None)
    try:
        yield
    finally:
        undo()
