"""Limits on spending in a run: ``llm_budget`` for a test, ``templates_budget`` for a run, ``--templates-max-cost``."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CallSource
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.markers import Marker
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker

if TYPE_CHECKING:
    from antiphon import ModelCall
    from antiphon.observers import LiveCall
    from pytest_templates.spending.limits import Limits
    from pytest_templates.spending.llm_budget import Budget


def _dollars(given: str | None, config: pytest.Config) -> Decimal | None:
    del config
    if given is None:
        return None
    from pytest_templates.support.money import dollars

    try:
        return dollars(given)
    except ValueError as error:
        raise ValueError(f"it takes {error}") from error


def _limits(lines: list[str], config: pytest.Config) -> Limits | None:
    del config
    if not lines:
        return None
    from pytest_templates.spending.limits import limits_in

    return limits_in(lines)


MAX_COST: Option[Decimal | None] = Option(
    "--templates-max-cost",
    metavar="USD",
    help="call no real model any more when its calls have cost as much",
    read=_dollars,
    repeated=None,
)
BUDGET: Option[Limits | None] = Option(
    ini="templates_budget",
    ini_type="linelist",
    help="what a whole run may spend, one limit a line, such as: cost = 0.50",
    read=_limits,
    repeated=None,
)
OPTIONS = Options(MAX_COST, BUDGET)


def llm_budget(
    calls: object = None,
    input_tokens: object = None,
    output_tokens: object = None,
    cost: object = None,
    models: object = None,
) -> Limits:
    """Fail this test when its models spend more (cost in US dollars), or when it calls others than these models."""
    from pytest_templates.spending.limits import limits_of

    return limits_of(calls=calls, input_tokens=input_tokens, output_tokens=output_tokens, cost=cost, models=models)


MARKER = Marker(llm_budget)
_BUDGET: Final = pytest.StashKey["Budget"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Limit what tests, and the run, may spend."""
    OPTIONS.read(config)
    MARKER.register(config)
    join(config, TestBudgets(), "test-budgets")
    limit, budget = MAX_COST.of(config), BUDGET.of(config)
    if limit is not None:
        from pytest_templates.spending.max_cost import CostLimit

        join(config, CostLimit.of(config, limit), "cost-limit")
    if budget is not None and not is_worker(config):
        from pytest_templates.spending.templates_budget import RunBudget

        config.pluginmanager.register(RunBudget(config, budget), "templates-run-budget")


class TestBudgets(Feature):
    """Checks the budgets of marked tests."""

    __test__ = False  # pytest collects classes whose names begin with Test

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Begin to count the calls of a marked test, of all of its samples together."""
        found, whole = MARKER.read_all(attempt.item), attempt.whole
        if found and _BUDGET not in whole.stash:
            from functools import reduce

            from pytest_templates.spending import llm_budget

            # of several limits of one kind, that of the closest marker holds
            limits = reduce(lambda closer, farther: closer.or_else(farther), found)
            whole.stash[_BUDGET] = llm_budget.Budget(attempt.item.nodeid, limits, whole.failures.append)

    @hookimpl(trylast=True)
    def live_call_begins(self, attempt: Attempt, event: LiveCall) -> None:
        """Refuse a call that would exceed the budget."""
        budget = _budget_of(attempt)
        if budget is not None:
            budget.check(event.model)

    @hookimpl(trylast=True)
    def model_called(self, attempt: Attempt, call: ModelCall, source: CallSource) -> None:
        """Count the call."""
        budget = _budget_of(attempt)
        if budget is not None:
            budget.add(call, source.name)


def _budget_of(attempt: Attempt) -> Budget | None:
    stash = attempt.whole.stash
    if _BUDGET not in stash:
        return None
    return stash[_BUDGET]
