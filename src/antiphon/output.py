"""Typed answers: parsed from a model's text, and what a model is told where that fails."""

from __future__ import annotations

import json
import re
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from antiphon.errors import InvalidType, in_words, shown

T = TypeVar("T")


class OutputType(Generic[T]):
    """The type that a model's answer must have.

    Args:
        kind: Anything that pydantic can validate and describe by a JSON schema: a model, a dataclass, ``list[int]``, a
            ``Literal``.

    Raises:
        InvalidType: pydantic cannot validate it, or has no JSON schema by which a model could be told of it.
    """

    def __init__(self, kind: Any) -> None:
        if isinstance(kind, str):
            raise InvalidType(f"{_WANTED}, not {shown(kind)}")
        try:
            self._adapter: TypeAdapter[T] = TypeAdapter(kind)
            json.dumps(self._adapter.json_schema())
        except Exception as error:  # of pydantic, of its core, and of what a type brings along itself
            raise InvalidType(f"{_WANTED}, not {in_words(kind)}: {error}") from error

    def parsed(self, text: str) -> T:
        """The object in an answer: its JSON, with or without a code fence around it.

        Raises:
            ValidationError: There is none, or it does not fit.
        """
        fenced = _FENCE.fullmatch(text.strip())
        return self._adapter.validate_json(fenced["json"] if fenced else text)


_WANTED = "output_type takes a type that pydantic can validate, and describe by a JSON schema"


def is_whole(text: str) -> bool:
    """Whether JSON that could be read is known to be all of it: of a number there may be more to come."""
    return not text.rstrip()[-1:].isdigit()


def problems_of(error: ValidationError) -> str:
    """What is wrong with an answer, a line each."""
    return "\n".join(f"- {'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in error.errors())


def re_ask(problems: str) -> str:
    """What a model is told whose answer does not fit."""
    return f"Your answer could not be used:\n{problems}\nAnswer again, with the corrected JSON alone."


_FENCE = re.compile(r"```(?:json)?\s*\n(?P<json>.*?)\n?```", re.DOTALL | re.IGNORECASE)
