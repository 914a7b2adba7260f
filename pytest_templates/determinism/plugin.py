"""``--templates-twice``: tests are run a second time, in replay, to find prompts that are not deterministic."""

from __future__ import annotations

import pytest

from pytest_templates.determinism import roles
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker

TWICE = Option[bool](
    "--templates-twice",
    help="run each test that asks models a second time, in replay, to find prompts that are not deterministic",
    action="store_true",
    default=False,
)
OPTIONS = Options(TWICE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    OPTIONS.add(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Find out whether this is the second of two runs."""
    roles.enter(config)


def pytest_configure(config: pytest.Config) -> None:
    """Register what this process has to do, in its role."""
    OPTIONS.read(config)
    if not TWICE.of(config):
        return
    join(config, CallSender(), "twice-sender")
    folder = roles.folder_of_second(config)
    if folder is None and is_worker(config):
        return
    from pytest_templates.determinism.runs import FirstRun, PlannedTests, SecondRun

    if folder is None:
        config.pluginmanager.register(FirstRun(config), "templates-first")
        return
    config.pluginmanager.register(PlannedTests(folder, config), "templates-planned")
    if not is_worker(config):
        config.pluginmanager.register(SecondRun(folder), "templates-second")


class CallSender(Feature):
    """Sends the calls of a test's models with its last report."""

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send them."""
        if report.when == "teardown":
            from pytest_templates.determinism.compare import calls_in

            calls = calls_in(attempt)
            if calls:
                roles.RECORDED_CALLS.put(report, calls)
