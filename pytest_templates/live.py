"""Real models are called only by tests that ask for it."""

from __future__ import annotations

from typing import Final

import pytest

from antiphon.observers import LiveCall
from pytest_templates.errors import LiveCallRefused

_DOUBLES: Final = {"function", "test"}  # what pydantic-ai's own test doubles give as their provider


def is_double(event: LiveCall) -> bool:
    """Whether the model is one of pydantic-ai's test doubles, which call nobody."""
    return event.model.partition(":")[0] in _DOUBLES


def refusal(item: pytest.Item, event: LiveCall) -> LiveCallRefused:
    """The error for a test that calls a real model without having asked for it."""
    return LiveCallRefused(
        f"{item.nodeid} is about to call a real model, and is not marked for it\n"
        f"  model     {event.model}\n"
        f"  asked by  {event.path or 'code outside of templates'}\n"
        "\n"
        "Give the program a scripted_model() instead, or mark the test:\n"
        "  @pytest.mark.llm_cassette           its calls are recorded once, and replayed from then on\n"
        '  @pytest.mark.llm_live(reason="…")   it calls the model whenever it is run with --templates-live'
    )
