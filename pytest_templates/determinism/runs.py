"""The two runs of ``--templates-twice``: the first has its tests run again and compares, the second runs them."""

from __future__ import annotations

import json
from collections.abc import Generator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_templates.cassettes.reading.calls import RecordedCall
from pytest_templates.determinism.rerun import ChangedEnvironment, run_again
from pytest_templates.determinism.roles import FOLDER, PLAN, RECORDED_CALLS, RESULT, Outcome
from pytest_templates.redaction.secrets import secrets_of
from pytest_templates.run.features import Feature
from pytest_templates.run.processes import worker_input
from pytest_templates.run.terminal import print_line
from pytest_templates.support.text import counted, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class PlannedTests(Feature):
    """Deselects all tests but the planned ones.

    Args:
        folder: The folder with the plan, a list of node ids; the main process reads it, and sends it to its workers.
        config: Of this process, a worker or not.
    """

    def __init__(self, folder: Path, config: pytest.Config) -> None:
        self._folder = folder
        sent = worker_input(config).get(PLAN)
        self._plan = set(json.loads((folder / PLAN).read_text(encoding="utf-8")) if sent is None else sent)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect all others."""
        others = [item for item in items if item.nodeid not in self._plan]
        items[:] = [item for item in items if item.nodeid in self._plan]
        config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Pass the folder on to a worker of xdist, and the plan: on another machine there is no such folder."""
        node.workerinput[FOLDER] = str(self._folder)
        node.workerinput[PLAN] = sorted(self._plan)


class SecondRun(Feature):
    """Collects the outcomes of the tests, from every process, and writes them.

    Args:
        folder: The folder of the plan.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tests: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of a phase of a test; the last of several attempts counts."""
        if report.when == "setup" or report.nodeid not in self._tests:
            self._tests[report.nodeid] = {"calls": [], "failure": ""}
        test = self._tests[report.nodeid]
        if not report.passed and not test["failure"]:
            test["failure"] = report.longreprtext or report.outcome
        test["calls"] += chain.from_iterable(RECORDED_CALLS.all_of(report))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the outcomes, without secrets."""
        text = json.dumps(secrets_of().replace_in(self._tests))
        (self._folder / RESULT).write_text(text, encoding="utf-8")


class FirstRun(Feature):
    """Collects the calls of all tests, runs the tests again, and fails those whose calls are not the same.

    Args:
        config: Of the run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: set[str] = set()
        self._calls: dict[str, list[RecordedCall]] = {}
        self._last: dict[str, pytest.TestReport] = {}
        self._text = "no test was run twice: the run has ended early"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of a phase of a test; the last of several attempts counts."""
        if report.when == "setup":
            self._failed.discard(report.nodeid)
            self._calls.pop(report.nodeid, None)
        if not report.passed or hasattr(report, "wasxfail"):
            self._failed.add(report.nodeid)
        calls = [*chain.from_iterable(RECORDED_CALLS.all_of(report))]
        if report.when == "teardown" and calls:
            self._calls[report.nodeid] = secrets_of().replace_in(calls)
            self._last[report.nodeid] = report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Run the tests again that passed and called a model."""
        result = yield
        planned = [test for test in self._calls if test not in self._failed]
        if planned:
            self._run_again(planned)
        else:
            self._text = "no test was run twice: none that passed has asked a model"
        return result

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the outcome."""
        terminalreporter.line(visible_lines(f"templates: {self._text}"))

    def _run_again(self, planned: list[str]) -> None:
        from pytest_templates.determinism.compare import verdict

        print_line(self._config, f"templates: running {counted(len(planned), 'test')} a second time")
        environment = ChangedEnvironment.choose()
        outcomes = run_again(self._config, planned, environment)
        verdicts = {test: verdict(self._calls[test], outcomes.get(test), environment.description) for test in planned}
        wrong = {test: error for test, error in verdicts.items() if error is not None}
        for test, error in wrong.items():
            self._config.hook.pytest_runtest_logreport(report=_failure(self._last[test], error))
        self._text = f"{counted(len(planned), 'test')} run twice, {len(wrong)} not deterministic"


def _failure(last: pytest.TestReport, error: Exception) -> pytest.TestReport:
    """One more report of the teardown of a test, which fails it after it was reported."""
    return pytest.TestReport(
        nodeid=last.nodeid,
        location=last.location,
        keywords=last.keywords,
        outcome="failed",
        longrepr=f"{type(error).__name__}: {error}",
        when="teardown",
    )
