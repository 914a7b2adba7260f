"""Which guard watches the subroutines of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_templates import markers

if TYPE_CHECKING:
    from pytest_templates.guard import Guard
    from pytest_templates.options import Guarding


def guard_for(item: pytest.Item, mode: Guarding, complain: Callable[[Exception], None]) -> Guard | None:
    """The guard; ``None`` where it is turned off, for the run or for the test."""
    if mode == "off" or markers.has(item, "llm_isolation"):
        return None
    if mode == "precise":
        from pytest_templates.precise.guard import PreciseGuard

        return PreciseGuard(complain)
    from pytest_templates.guard import Guard

    return Guard(complain)
