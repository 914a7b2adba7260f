"""Real models are called only by tests that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from antiphon.observers import LiveCall
from pytest_templates.errors import LiveCallRefused
from pytest_templates.run.markers import has

if TYPE_CHECKING:
    from pytest_templates.run.attempt import Attempt


_DOUBLES: Final = {"function", "test"}  # what pydantic-ai's own test doubles give as their provider


def check(attempt: Attempt, event: LiveCall) -> None:
    """Before a test calls a real model.

    Raises:
        LiveCallRefused: It is marked neither ``llm_cassette`` nor ``llm_live``.
        BudgetExceeded: The run has cost as much as it may.
    """
    if attempt.cassette is not None or is_double(event.model):
        return
    if not has(attempt.item, "llm_live"):
        refused = _refusal(attempt.item, event)
        attempt.verdicts.append(refused)
        raise refused
    if attempt.spending is not None:
        attempt.spending.check()


def is_double(model: str) -> bool:
    """Whether the name of a model is that of one of pydantic-ai's test doubles."""
    return model.partition(":")[0] in _DOUBLES


def _refusal(item: pytest.Item, event: LiveCall) -> LiveCallRefused:
    return LiveCallRefused(
        f"{item.nodeid} is about to call a real model, and is not marked for it\n"
        f"  model     {event.model}\n"
        f"  asked by  {event.path or 'code outside of templates'}\n"
        "\n"
        "Give the program a scripted_model() instead, or mark the test:\n"
        "  @pytest.mark.llm_cassette           its calls are recorded once, and replayed from then on\n"
        '  @pytest.mark.llm_live(reason="…")   it calls the model whenever it is run with --templates-live'
    )
