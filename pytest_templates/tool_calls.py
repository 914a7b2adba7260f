"""Calls of tools as values: what models do in scripts, and what tests expect of them."""

from __future__ import annotations

from typing import Any

from antiphon.errors import InvalidType


class CallTool:
    """A call of a tool: ``CallTool("get_weather", city="Oslo")``; in a script a step in which the model makes it.

    Args:
        name: The name of the tool.
        **arguments: The arguments of the call. In a script they may be wrong ones; where a call is expected, they may
            be matchers, see ``assert_tools``.

    Raises:
        InvalidType: The name is no text.
    """

    __slots__ = ("arguments", "name")

    def __init__(self, name: str, /, **arguments: Any) -> None:
        if not isinstance(name, str):
            raise InvalidType(f"CallTool takes the name of a tool, not {type(name).__name__}: {name!r}")
        self.name = name
        self.arguments = arguments

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"CallTool({self.name!r}{given})"
