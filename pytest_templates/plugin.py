"""The plugin's hooks: a switchboard, each hook hands over at once.

This module is imported by every pytest run on a machine where antiphon is installed, so it loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_templates import hooks
from pytest_templates.cassettes import recording, rerecorded, unused
from pytest_templates.cassettes.redaction.reports import Hiding
from pytest_templates.coverage import plugin as coverage
from pytest_templates.determinism import roles
from pytest_templates.isolation import plugin as isolation
from pytest_templates.lock import plugin as lock
from pytest_templates.model_override import plugin as model_override
from pytest_templates.reporting import json_file, sections
from pytest_templates.reporting.terminal import Summary
from pytest_templates.run import attempt, markers, options
from pytest_templates.run.engine import Watch
from pytest_templates.run.phases import Phase
from pytest_templates.snapshots.plugin import Refusal
from pytest_templates.spending import cost_limit, run_budget

pytest_plugins = ["pytest_templates.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Announce the hooks that this plugin calls."""
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Learn whether this is the second of two runs."""
    roles.enter(config)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options, announce the markers, and watch the engine as soon as a program loads it."""
    config.stash[options.OPTIONS] = roles.options_for(config, options.read(config))
    markers.announce(config)
    config.stash[attempt.WATCH] = Watch.begin()
    config.pluginmanager.register(Summary(config), "templates-summary")
    config.pluginmanager.register(attempt.Opening(), "templates-opening")
    config.stash[attempt.HIDING] = Hiding()
    config.pluginmanager.register(config.stash[attempt.HIDING], "templates-hiding")
    config.pluginmanager.register(recording.Run(config), "templates-run")
    cost_limit.open_account(config, config.stash[options.OPTIONS].max_cost)
    unused.watch(config)
    coverage.register(config)
    config.pluginmanager.register(Refusal(config), "templates-snapshots")
    run_budget.watch(config)
    json_file.watch(config)
    lock.watch(config)
    isolation.watch(config)
    sections.watch(config)
    model_override.check(
        config.stash[options.OPTIONS].overrides, recording=config.stash[options.OPTIONS].record != "none"
    )
    rerecorded.watch(config)
    roles.play(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Watch no longer."""
    if attempt.WATCH in config.stash:
        attempt.interrupt(config)
        config.stash[attempt.WATCH].end()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let go of a test when it is over, in all of its attempts."""
    try:
        return (yield)
    finally:
        attempt.forget(item)


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem() -> Generator[None, Any, Any]:
    """Refuse markers with arguments that nobody knows."""
    collected = yield
    markers.check(collected)
    return collected


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that call real models, unless they are wanted."""
    if not config.stash[options.OPTIONS].live:
        markers.skip_live(items)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Begin an attempt of a test."""
    __tracebackhide__ = True
    with Phase(attempt.begin(item), "setup"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Hold the test to what happened in it, also where the program swallowed it."""
    __tracebackhide__ = True
    with Phase(attempt.of(item), "call"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """End an attempt of a test."""
    __tracebackhide__ = True
    with Phase(attempt.of(item), "teardown"):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send what models did in the test along with its last report, as plain data, and no secret in any."""
    report = yield
    attempt.of(item).reported(report)
    return report
