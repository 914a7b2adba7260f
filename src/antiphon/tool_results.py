"""What a model is told of what a tool returned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from os import PathLike, fspath
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from antiphon.errors import InvalidValue


def told(result: object) -> str:
    """What a model is told of a tool's result: text as it is, anything else as JSON.

    JSON is made of what has one form in it: numbers, booleans, ``None``, lists, sets, mappings, generators,
    dataclasses, attrs and pydantic models, enums, dates and times, ``Decimal``, ``UUID``, paths, arrays and scalars of
    numpy. Bytes are told as the text that they encode in UTF-8, and in base64 where they encode none.

    Raises:
        InvalidValue: It has no JSON form, or holds something that has none: an object of another class, ``nan``, a
            cycle.
    """
    text = str.__str__(result) if isinstance(result, str) else _JsonMaker().json(result)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _untold(f"it holds half a character: {error}") from error
    return text


class _JsonMaker:
    """Makes JSON of one result, and remembers what stood in the way."""

    def __init__(self) -> None:
        self._reason: str | None = None

    def json(self, result: object) -> str:
        try:
            text = self._made_of(result)
            if "NaN" in text or "Infinity" in text:
                json.loads(text, parse_constant=self._refuse_number)
        except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
            raise _untold(self._reason or str(error)) from error
        return text

    def _made_of(self, result: object) -> str:
        try:
            return to_json(result, fallback=self._plain, inf_nan_mode="constants").decode()
        except PydanticSerializationError:
            if self._reason is not None:
                raise
        # Bytes that encode no text are one reason left: all bytes are told in base64 then.
        return to_json(result, fallback=self._plain, inf_nan_mode="constants", bytes_mode="base64").decode()

    def _plain(self, value: Any) -> Any:
        """A value of a class that pydantic does not know, in terms of those that it does."""
        kind = type(value)
        if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
            return value.tolist()
        if hasattr(kind, "__attrs_attrs__"):
            return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
        if isinstance(value, PathLike):
            return fspath(value)
        if isinstance(value, Mapping):
            return dict(value)
        if isinstance(value, Sequence | AbstractSet):
            return list(value)
        self._reason = (
            f"an object of the class {kind.__qualname__} has no JSON form; return text, numbers, lists and dicts of "
            "them, dataclasses or pydantic models"
        )
        raise TypeError(self._reason)

    def _refuse_number(self, constant: str) -> None:
        self._reason = f"{constant} is no number of JSON; return None or a text in its place"
        raise ValueError(self._reason)


def _untold(reason: str) -> InvalidValue:
    return InvalidValue(f"what the tool returned cannot be told to a model: {reason}")
