"""Answers of a type: taken out of a model's text, and what a model is told where that fails."""

from __future__ import annotations

import re
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from antiphon.errors import InvalidType, shown

T = TypeVar("T")


class OutputType(Generic[T]):
    """A type that a model's answer has to be.

    Args:
        kind: Anything that pydantic can validate: a model, a dataclass, ``list[int]``, a ``Literal``.

    Raises:
        InvalidType: pydantic cannot validate it.
    """

    def __init__(self, kind: Any) -> None:
        if isinstance(kind, str):
            raise InvalidType(f"output_type takes a type that pydantic can validate, not {shown(kind)}")
        try:
            self._adapter: TypeAdapter[T] = TypeAdapter(kind)
        except (PydanticSchemaGenerationError, PydanticUserError, LookupError, TypeError) as error:
            raise InvalidType(f"output_type takes a type that pydantic can validate, not {kind!r}: {error}") from error

    def parsed(self, text: str) -> T:
        """The object in an answer: its JSON, with or without a code fence around it.

        Raises:
            ValidationError: There is none, or it does not fit.
        """
        fenced = _FENCE.fullmatch(text.strip())
        return self._adapter.validate_json(fenced["json"] if fenced else text)


def problems_of(error: ValidationError) -> str:
    """What is wrong with an answer, a line each."""
    return "\n".join(f"- {'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in error.errors())


def re_ask(problems: str) -> str:
    """What a model is told whose answer does not fit."""
    return f"Your answer could not be used:\n{problems}\nAnswer again, with the corrected JSON alone."


_FENCE = re.compile(r"```(?:json)?\s*\n(?P<json>.*?)\n?```", re.DOTALL | re.IGNORECASE)
