"""``--templates-max-cost``: what real models cost in a run, and where it stops."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CallSource
from pytest_templates.run.features import hookimpl
from pytest_templates.run.processes import worker_input
from pytest_templates.run.report_data import ReportData
from pytest_templates.support.text import money

if TYPE_CHECKING:
    from antiphon import ModelCall


_SHARED: Final = "templates_costs"


UNPRICED: Final = ReportData[list[str]]("unpriced")  # the models of a test whose calls could not be counted


class CostLimit:
    """Lets no request be sent once the calls of a run have cost as much as they may.

    What was paid for is known to every process of the run: each adds lines to one file.

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
        """That of a run: in a worker of xdist with the file that was begun where it was started."""
        told = worker_input(config)
        if _SHARED in told:
            return cls(Path(told[_SHARED]), limit)
        folder = TemporaryDirectory(prefix="templates-")
        config.add_cleanup(folder.cleanup)
        return cls(Path(folder.name, "costs"), limit)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Let a worker of xdist add to it."""
        node.workerinput[_SHARED] = str(self._path)

    @hookimpl
    def before_sending(self, attempt: Attempt) -> None:
        """Refuse a request when the limit is reached.

        Raises:
            BudgetExceeded: It is.
        """
        total = self._total
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
        if not any(isinstance(one, BudgetExceeded) for one in attempt.failures):  # calls at once are refused at once
            attempt.failures.append(refused)
        raise as_client_error(refused)

    @hookimpl
    def model_called(self, attempt: Attempt, call: ModelCall, source: CallSource) -> None:
        """Add what a call has cost."""
        if not source.was_sent:
            return
        cost = None if call.usage is None else call.usage.cost
        if cost is not None:
            self._add(cost)
        elif call.error is None:
            attempt.stash.setdefault(_UNPRICED, set()).add(call.model)

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send what could not be counted."""
        if report.when != "teardown":
            return
        unpriced = set(attempt.stash.get(_UNPRICED, ()))
        if attempt.hook.answered_outside_of_engine(attempt=attempt):
            unpriced.add("calls from outside of the engine")
        if unpriced:
            UNPRICED.put(report, sorted(unpriced))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what could not be counted."""
        self._unpriced.update(UNPRICED.of(report) or ())

    @hookimpl
    def summary_lines(self) -> list[str]:
        """What could not be counted."""
        names = ", ".join(sorted(self._unpriced))
        return [f"no price is known, and --templates-max-cost did not count: {names}"] if names else []

    def _add(self, cost: Decimal) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)  # a worker on another machine has a file of its own
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(file, f"{cost}\n".encode())  # in one step: other processes write as well
        finally:
            os.close(file)

    @property
    def _total(self) -> Decimal:
        """US dollars, of the calls whose price is known."""
        lines = self._path.read_text(encoding="ascii").split() if self._path.exists() else ()
        return sum(map(Decimal, lines), Decimal(0))


_UNPRICED: Final = pytest.StashKey[set[str]]()
