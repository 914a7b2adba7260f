"""Calls of tools as values: what models do in scripts, and what tests expect of them."""

from __future__ import annotations

from typing import Any

from antiphon import ToolCall
from antiphon.errors import InvalidType


class CallTool(ToolCall):
    """A call of a tool: ``CallTool("get_weather", city="Oslo")``; in a script a step in which the model makes it.

    In a script a list or tuple of them is one step, too: an answer that calls several tools at once. Beside a text, and
    what else a provider would tell, they stand in a ``Reply``: ``Reply("Let me see.", tool_calls=[CallTool("zoom")])``.
    Their ids are made when they are played, the same ones in every run.

    Args:
        name: The name of the tool.
        **arguments: The arguments of the call. In a script they may be wrong ones; where a call is expected, they may
            be matchers, see ``assert_tools``.

    Raises:
        InvalidType: The name is no text.
    """

    def __init__(self, name: str, /, **arguments: Any) -> None:
        if not isinstance(name, str):
            raise InvalidType(f"CallTool takes the name of a tool, not {type(name).__name__}: {name!r}")
        super().__init__(id="", name=name, arguments=arguments)

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"CallTool({self.name!r}{given})"
