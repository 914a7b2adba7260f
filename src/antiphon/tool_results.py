"""What a model is told of a tool's result: text as it is, anything else as JSON."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from os import PathLike, fspath
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, SchemaSerializer, to_jsonable_python

from antiphon.errors import InvalidValue

Json: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None


def told(result: object) -> str:
    """What a model is told of a tool's result: text as it is, anything else as JSON.

    Objects of pydantic, dataclasses and attrs are told as what they hold, scalars and arrays of numpy as numbers, sets
    in an order that is the same in every process, bytes as the text that they are in UTF-8 or else in base64, and what
    can be gone through once as a list.

    Raises:
        InvalidValue: It has no JSON form, or what it holds has none; the text says what.
    """
    try:
        plain = _plain(result)
        text = plain if isinstance(plain, str) and isinstance(result, str) else _json(plain)
        text.encode()
    except UnicodeEncodeError as error:
        raise _untold(f"it holds half a character: {error}") from error
    except RecursionError as error:
        raise _untold("it holds itself (Circular reference), or is nested too deep") from error
    return text


def _json(plain: Json) -> str:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _untold(reason: str) -> InvalidValue:
    return InvalidValue(f"what the tool returned cannot be told to a model: {reason}")


def _plain(value: Any) -> Json:
    """A value in JSON's own kinds."""
    match value:
        case Enum():
            return _plain(value.value)
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return _finite(float(value))
    return _of_container(value)


def _of_container(value: Any) -> Json:
    match value:
        case BaseModel():
            return _by_pydantic(value)
        case PathLike():
            return _plain(fspath(value))
        case Mapping():
            return {_key(key): _plain(item) for key, item in value.items()}
        case bytes() | bytearray() | memoryview():
            return _of_bytes(bytes(value))
        case set() | frozenset():
            return sorted(map(_plain, value), key=_place)
        case Sequence() | AbstractSet() | ValuesView() | Iterator():
            return [_plain(item) for item in value]
    return _of_object(value)


def _of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return urlsafe_b64encode(value).decode()


def _finite(value: float) -> float:
    if not isfinite(value):
        raise _untold(f"{json.dumps(value)} is no number of JSON; return None or a text in its place")
    return value


def _key(key: object) -> str:
    if isinstance(key, tuple):
        return ",".join(map(_key, key))
    plain = _plain(key)
    return plain if isinstance(plain, str) else _json(plain)


def _place(plain: Json) -> tuple[int, float, str]:
    """Where a member of a set stands: numbers first."""
    return (0, plain, "") if isinstance(plain, int | float) else (1, 0, _json(plain))


def _of_object(value: Any) -> Json:
    kind: Any = type(value)
    parts: tuple[Any, ...] | None = getattr(kind, "__attrs_attrs__", None)
    if is_dataclass(kind) and not hasattr(kind, "__pydantic_serializer__"):
        parts = fields(kind)
    if parts is not None:
        return {part.name: _plain(getattr(value, part.name)) for part in parts}
    if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype"):
        is_time = value.dtype.kind in "mM"  # whose plain values are numbers of a unit that nobody says
        return _plain((value.astype(str) if is_time else value).tolist())
    return _by_pydantic(value)


def _by_pydantic(value: object) -> Json:
    """What pydantic makes of it: dates, decimals, ids, paths and the like, and objects of its own."""

    def unknown(inner: object) -> Json:
        if inner is value:
            raise _untold(
                f"an object of the class {type(value).__qualname__} has no JSON form; return text, numbers, lists and "
                "dicts of them, dataclasses or pydantic models"
            )
        return _plain(inner)

    try:
        plain = to_jsonable_python(value, fallback=unknown)
        serializer: SchemaSerializer | None = getattr(type(value), "__pydantic_serializer__", None)
        if serializer is not None:
            _refuse_lost(plain, serializer.to_python(value, warnings=False))
        return _plain(plain)
    except (PydanticSerializationError, UnicodeDecodeError) as error:
        raise _untold(str(error)) from error
    except TypeError as error:  # as of a date of pandas that is none
        raise _untold(f"an object of the class {type(value).__qualname__} has no JSON form: {error}") from error


def _refuse_lost(plain: object, held: object) -> None:
    """Refuse numbers that pydantic has made null: in a field of any type it does so with what is no number of JSON."""
    match plain, held:
        case None, float():
            _finite(held)
        case dict(), Mapping():
            for inner, inner_held in zip(plain.values(), held.values(), strict=False):
                _refuse_lost(inner, inner_held)
        case list(), Collection():
            for inner, inner_held in zip(plain, held, strict=False):
                _refuse_lost(inner, inner_held)
