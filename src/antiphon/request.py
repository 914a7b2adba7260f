"""What is asked of a model beside the messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from antiphon.tools import Tool


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked for; ``session.request`` while it is called.

    Attributes:
        tools: The tools that it may ask for.
        output_type: What its answer has to be: a type that pydantic can validate; ``None`` for any text.
    """

    tools: tuple[Tool[..., Any], ...] = ()
    output_type: Any = None

    @property
    def output_schema(self) -> dict[str, Any] | None:
        """The JSON schema of the output type; ``None`` where there is none."""
        return None if self.output_type is None else TypeAdapter(self.output_type).json_schema()


ANY_TEXT = Request()
