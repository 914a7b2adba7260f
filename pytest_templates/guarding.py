"""Which guard watches the subroutines of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_templates import markers
from pytest_templates.options import OPTIONS
from pytest_templates.twice.roles import is_second

if TYPE_CHECKING:
    from pytest_templates.guard import Guard


def guard_for(item: pytest.Item, complain: Callable[[Exception], None]) -> Guard | None:
    """The guard; ``None`` where it is turned off, for the run or for the test."""
    options = item.config.stash[OPTIONS]
    if options.isolation == "off" or markers.has(item, "llm_isolation"):
        return None
    if options.isolation == "precise":
        from pytest_templates.precise.guard import PreciseGuard

        return PreciseGuard(complain, reverse=not options.twice or is_second(item.config))
    from pytest_templates.guard import Guard

    return Guard(complain)
