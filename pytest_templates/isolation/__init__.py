"""The isolation guard, which notices when a subroutine changes its parent, and `assert_isolated`.

`assert_isolated` is imported when it is first used: it needs the engine, and every pytest run imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_templates.isolation.assertion import assert_isolated

__all__ = ["assert_isolated"]

if not TYPE_CHECKING:  # for type checkers, only the name above exists

    def __getattr__(name: str) -> object:
        if name != "assert_isolated":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from pytest_templates.isolation.assertion import assert_isolated

        return assert_isolated
