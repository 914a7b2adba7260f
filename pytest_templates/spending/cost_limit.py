"""What real models cost in a run, and where it stops."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from antiphon import ModelCall


_SHARED = "templates_costs"


class Account:
    """What was paid for so far, by every process of a run: each adds lines to one file.

    Attributes:
        path: The file.
        limit: US dollars, 0 or more.
    """

    def __init__(self, path: Path, limit: Decimal) -> None:
        self.path = path
        self.limit = limit

    @classmethod
    def of(cls, config: pytest.Config, limit: Decimal) -> Account:
        """The run's account: in a worker of xdist the one that was begun where it was started."""
        shared: dict[str, Any] = getattr(config, "workerinput", {})
        if _SHARED in shared:
            return cls(Path(shared[_SHARED]), limit)
        folder = TemporaryDirectory(prefix="templates-")
        config.add_cleanup(folder.cleanup)
        return cls(Path(folder.name, "costs"), limit)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Let a worker of xdist add to it."""
        node.workerinput[_SHARED] = str(self.path)

    def add(self, cost: Decimal) -> None:
        """Add what a call has cost, in US dollars."""
        self.path.parent.mkdir(parents=True, exist_ok=True)  # a worker on another machine has an account of its own
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(file, f"{cost}\n".encode())  # in one step: other processes write as well
        finally:
            os.close(file)

    @property
    def total(self) -> Decimal:
        """US dollars, of the calls whose price is known."""
        lines = self.path.read_text(encoding="ascii").split() if self.path.exists() else ()
        return sum(map(Decimal, lines), Decimal(0))


ACCOUNT = pytest.StashKey[Account]()


def open_account(config: pytest.Config, limit: Decimal | None) -> None:
    """Begin to add up what the run costs, where there is a limit."""
    if limit is not None:
        account = config.stash[ACCOUNT] = Account.of(config, limit)
        config.pluginmanager.register(account, "templates-costs")


class Spending:
    """What one test may spend.

    Args:
        account: The run's.
        test: The test's node id.
        complain: Told, once, when no more may be spent.

    Attributes:
        unpriced: The models whose price is not known.
    """

    def __init__(self, account: Account, test: str, complain: Callable[[Exception], None]) -> None:
        self._account = account
        self._test = test
        self._complain = complain
        self._told = False
        self.unpriced: set[str] = set()

    def check(self) -> None:
        """Before a request is sent.

        Raises:
            BudgetExceeded: The limit is reached.
        """
        total, limit = self._account.total, self._account.limit
        if total < limit:
            return
        from pytest_templates.errors import BudgetExceeded
        from pytest_templates.support.client_errors import passed_on

        refused = BudgetExceeded(
            f"{self._test} is about to call a real model, and --templates-max-cost={limit} is reached\n"
            f"  spent in this run  ${total:f}\n\n"
            "What tests that passed have recorded is kept. Raise the limit, or go on another time with\n"
            "--templates-record=missing."
        )
        if not self._told:  # calls that are made at once are refused at once
            self._told = True
            self._complain(refused)
        raise passed_on(refused)

    def add(self, call: ModelCall) -> None:
        """Add what a call has cost."""
        cost = None if call.usage is None else call.usage.cost
        if cost is not None:
            self._account.add(cost)
        elif call.error is None:
            self.unpriced.add(call.model)
