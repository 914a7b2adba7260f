"""The second run: it runs the tests that are planned, and leaves what came of them to the first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_templates.attempts import REPORTED
from pytest_templates.twice.roles import FOLDER

PLAN: Final = "plan.json"
RESULT: Final = "result.json"


class Planned:
    """Runs the planned tests alone.

    Args:
        folder: Where the plan lies: a list of node ids.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plan = set(json.loads((folder / PLAN).read_text(encoding="utf-8")))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out all others."""
        others = [item for item in items if item.nodeid not in self._plan]
        items[:] = [item for item in items if item.nodeid in self._plan]
        config.hook.pytest_deselected(items=others)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist."""
        node.workerinput[FOLDER] = str(self._folder)


class Second:
    """Collects what came of the tests, from every process, and writes it.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a phase of a test says; the last of several attempts counts."""
        if report.when == "setup" or report.nodeid not in self._tests:
            self._tests[report.nodeid] = {"asked": [], "failure": ""}
        test = self._tests[report.nodeid]
        if not report.passed and not test["failure"]:
            test["failure"] = report.longreprtext or report.outcome
        test["asked"] += getattr(report, REPORTED, {}).get("asked", [])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write it."""
        (self._folder / RESULT).write_text(json.dumps(self._tests), encoding="utf-8")
