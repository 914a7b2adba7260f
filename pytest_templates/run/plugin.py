"""The hooks of pytest that drive the attempts of tests, and the fixture ``llm_trace``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.run import attempt, hookspecs, late, markers, under_way
from pytest_templates.run.attempt import Attempt, attempt_of
from pytest_templates.run.features import Feature, manager_of
from pytest_templates.run.phases import Phases
from pytest_templates.run.processes import has_workers, is_worker
from pytest_templates.run.report_data import brought_by, drop_brought
from pytest_templates.run.under_way import attempt_of_fixture

if TYPE_CHECKING:
    from antiphon import Trace

_PHASES = pytest.StashKey[Phases]()


@pytest.fixture
def llm_trace() -> Trace:
    """The trace of every model call made during the test so far, by any runner, thread or task."""
    return attempt_of_fixture().trace


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Add the private hooks, and listen to the engine as soon as a program loads it."""
    manager = manager_of(config)
    for specs in (hookspecs.Life, hookspecs.Run, hookspecs.Summary):
        manager.add_hookspecs(specs)
    under_way.listen(config)
    late.collect(config)
    if is_worker(config) or has_workers(config):
        from pytest_templates.run import machines

        machines.watch(config)
    config.pluginmanager.register(Opening(), "templates-opening")
    if not is_worker(config):
        config.pluginmanager.register(Receiving(config), "templates-receiving")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop listening; interrupt a test that is still under way, as after Ctrl-C: it gets no tear-down."""
    in_run = under_way.under_way_in(config)
    if in_run.attempt is not None:
        in_run.attempt.interrupt()
    in_run.end()


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Check the markers of the tests that are collected."""
    collected = yield
    markers.check_collected(collected)
    return collected


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Forget a test when all of its attempts are over."""
    try:
        return (yield)
    finally:
        attempt.forget(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Begin an attempt of a test."""
    __tracebackhide__ = True
    begun = attempt.begin(item)
    under_way.under_way_in(item.config).attempt = begun
    with _phases_of(begun).phase("setup"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Make the test fail for errors that the program swallowed."""
    __tracebackhide__ = True
    with _phases_of(attempt_of(item)).phase("call"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """End an attempt of a test."""
    __tracebackhide__ = True
    current = attempt_of(item)
    phases = _phases_of(current)
    try:
        with phases.phase("teardown"):
            is_checked = current.repeats is None and not current.is_in_samples
            if not (is_checked and current.hook.may_be_repeated(attempt=current)):
                return (yield)
            from pytest_templates.run.repetition import wider_fixtures_last

            with wider_fixtures_last(item, nextitem) if current.part_of is None else nullcontext():
                result = yield
                phases.end_of_own_fixtures()
            return result
    finally:
        under_way.under_way_in(item.config).attempt = None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Check and complete the report of a phase; that of a mere repetition goes nowhere."""
    report = yield
    current = attempt_of(item)
    _phases_of(current).check_report(report)
    if current.repeats is None:
        current.report(report)
    return report


class Opening(Feature):
    """Prepares what a test's markers ask for: after pytest has checked for skips, before fixtures are set up."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Check the markers, and open the attempt."""
        try:
            markers.check_item(item)  # tests that pytest did not collect as functions were not checked yet
        except pytest.Collector.CollectError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None  # said once
        current = attempt_of(item)
        is_whole = current.part_of is None and current.repeats is None
        samples = current.hook.runs_samples(attempt=current) if is_whole else None
        if samples is None:
            current.open()
        else:
            from pytest_templates.run.repetition import running_in_samples

            current.resources.enter_context(running_in_samples(current, samples))


class Receiving(Feature):
    """Tells features of the reports that carry their data, in the main process, and keeps none of that data.

    Args:
        config: The run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._hook = manager_of(config).hook

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, object, object]:
        """Pass on a report that carries something, which most do not; all other plugins have heard of it then."""
        result = yield
        if brought_by(report):
            self._hook.report_arrives(report=report)
            drop_brought(report)
        return result


def _phases_of(current: Attempt) -> Phases:
    try:
        return current.stash[_PHASES]
    except KeyError:
        phases = current.stash[_PHASES] = Phases(current)
        return phases
