"""``--templates-max-cost``: a limit on what real models may cost in a run, checked before each request."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CallSource
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.processes import worker_input
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.money import money

if TYPE_CHECKING:
    from antiphon import ModelCall


_SHARED: Final = "templates_costs"


UNPRICED: Final = ReportData[list[str]]("unpriced")  # models of a test whose price is not known


class CostLimit(Feature):
    """Refuses requests once the calls of a run have reached the limit.

    All processes of the run share a file to which each adds a line for the cost of a call.

    Args:
        path: The file.
        limit: US dollars, 0 or more.
    """

    def __init__(self, path: Path, limit: Decimal) -> None:
        self._path = path
        self._limit = limit
        self._unpriced: set[str] = set()

    @classmethod
    def of(cls, config: pytest.Config, limit: Decimal) -> CostLimit:
        """The limit of a run; a worker of pytest-xdist uses the file of the main process."""
        shared = worker_input(config).get(_SHARED)
        if shared is not None:
            return cls(Path(shared), limit)
        folder = TemporaryDirectory(prefix="templates-")
        config.add_cleanup(folder.cleanup)
        return cls(Path(folder.name, "costs"), limit)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send the path of the file to a worker of pytest-xdist."""
        node.workerinput[_SHARED] = str(self._path)

    @hookimpl
    def before_sending(self, attempt: Attempt) -> None:
        """Refuse a request when the limit is reached.

        Raises:
            BudgetExceeded: The limit is reached.
        """
        from antiphon.call_recorder import used_within

        within = used_within()
        total = self._total + (0 if within is None else within.cost or 0)
        if total < self._limit:
            return
        from pytest_templates.errors import BudgetExceeded
        from pytest_templates.support.client_errors import as_client_error

        refused = BudgetExceeded(
            f"{attempt.item.nodeid} is about to call a real model, and --templates-max-cost={self._limit} is reached\n"
            f"  spent in this run  {money(total)}\n\n"
            "What tests that passed have recorded is kept. Raise the limit, or go on another time with\n"
            "--templates-record=missing."
        )
        if not any(
            isinstance(one, BudgetExceeded) for one in attempt.failures
        ):  # one error is enough for calls that are made at the same time
            attempt.failures.append(refused)
        raise as_client_error(refused)

    @hookimpl
    def model_called(self, attempt: Attempt, call: ModelCall, source: CallSource) -> None:
        """Add the cost of a call."""
        if not source.was_sent:
            return
        cost = None if call.usage is None else call.usage.cost
        if cost is not None:
            self._add(cost)
        elif call.error is None:
            attempt.stash.setdefault(_UNPRICED, set()).add(call.model)

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send the models whose price is not known along with the report."""
        if report.when != "teardown":
            return
        unpriced = set(attempt.stash.get(_UNPRICED, ()))
        if attempt.hook.answered_outside_of_engine(attempt=attempt):
            unpriced.add("calls from outside of the engine")
        if unpriced:
            UNPRICED.put(report, sorted(unpriced))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the models whose price is not known."""
        self._unpriced.update(*UNPRICED.all_of(report))

    @hookimpl
    def summary_lines(self) -> list[str]:
        """The models whose price is not known."""
        names = ", ".join(sorted(self._unpriced))
        return [f"no price is known, and --templates-max-cost did not count: {names}"] if names else []

    def _add(self, cost: Decimal) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)  # a worker on another machine has a file of its own
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(file, f"{cost}\n".encode())  # in one system call: other processes write as well
        finally:
            os.close(file)

    @property
    def _total(self) -> Decimal:
        """US dollars, of the calls whose price is known."""
        lines = self._path.read_text(encoding="ascii").split() if self._path.exists() else ()
        return sum(map(Decimal, lines), Decimal(0))


_UNPRICED: Final = pytest.StashKey[set[str]]()
