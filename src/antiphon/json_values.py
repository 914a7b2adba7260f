"""Values as JSON that come back equal: what a program keeps in metadata, and what effects answered.

JSON has texts, numbers, lists and dicts. What else is known here is written as ``{"$antiphon": KIND, "value": ...}``:
tuples, sets, bytes, dates, decimals and the like, attachments and messages. Anything else has no such form.
"""

from __future__ import annotations

import datetime as dt
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from math import isfinite
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from pydantic import GetCoreSchemaHandler, TypeAdapter
from pydantic_core import core_schema

from antiphon.errors import AntiphonError, InvalidValue

T = TypeVar("T", bound=type[Any])
Place: TypeAlias = tuple[object, ...]

_MARK: Final = "$antiphon"
_DEEPEST: Final = 120  # levels of JSON; pydantic reads some 200, and a session has a few around its metadata

# By the name that is written: the class, and how it becomes JSON and is made of that.
_KINDS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "bytes": (bytes, lambda value: b64encode(value).decode(), b64decode),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "datetime": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "time": (dt.time, dt.time.isoformat, dt.time.fromisoformat),
    "timedelta": (
        dt.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: dt.timedelta(*parts),
    ),
    "decimal": (Decimal, str, Decimal),
    "uuid": (UUID, str, UUID),
    "path": (PurePath, str, Path),
    "float": (float, str, float),
}
_CONTAINERS: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_NESTED: Final = frozenset({list, dict, tuple, set, frozenset})
_NAMES: dict[type, str] = {kind: name for name, (kind, _, _) in _KINDS.items()} | {type(Path()): "path"}


def storable(kind: T) -> T:
    """Let the objects of a class of ours stand among values that are kept: its pydantic form is one that comes back."""

    @cache
    def adapter() -> TypeAdapter[Any]:
        return TypeAdapter(kind)

    def written(value: Any) -> Any:
        return json.loads(adapter().dump_json(value))

    def read(plain: Any) -> Any:
        return adapter().validate_json(json.dumps(plain))

    _KINDS[kind.__name__] = (kind, written, read)
    _NAMES[kind] = kind.__name__
    return kind


def as_json(value: Any, *place: object) -> Any:
    """A value in JSON's own kinds, of which ``from_json`` makes an equal one.

    Args:
        value: The value.
        *place: What it is called in errors, and the keys that lead to it.

    Raises:
        InvalidValue: There is no such form; the text names the key.
    """
    return _encoded(value, place, _refuse)


def is_json(value: Any, levels: int = 250) -> bool:
    """Whether a value holds nothing but JSON's own kinds, as what ``json.loads`` returns, in so many levels."""
    kind = type(value)
    if kind not in (dict, list):
        return kind in _PLAIN
    if kind is dict and not all(type(key) is str for key in value):
        return False
    items = value.values() if kind is dict else value
    return levels > 0 and all(is_json(item, levels - 1) for item in items)


def as_text(value: Any) -> Any:
    """A value as JSON; what has no such form as the text that describes it."""
    return _encoded(value, (), lambda unfit, _place, _reason: repr(unfit))


def from_json(plain: Any) -> Any:
    """The value of which ``as_json`` has made this.

    Raises:
        InvalidValue: Nothing of this form was made by it.
    """
    if isinstance(plain, list):
        return [from_json(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if _MARK not in plain:
        return {key: from_json(item) for key, item in plain.items()}
    name, value = plain[_MARK], plain.get("value")
    try:
        return _made(name, value)
    except AntiphonError:
        raise
    except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
        raise InvalidValue(f"that is no {name}: {value!r}") from error


def _made(name: Any, value: Any) -> Any:
    if name == "dict":
        return {from_json(key): from_json(item) for key, item in value}
    if name in _CONTAINERS:
        return _CONTAINERS[name](map(from_json, value))
    if name not in _KINDS:
        raise InvalidValue(f"{_MARK} names a kind of value that this version does not know: {name!r}")
    return _KINDS[name][2](value)


def _encoded(value: Any, place: Place, unfit: Callable[[Any, Place, str], Any]) -> Any:
    kind = type(value)  # exactly that: an object of a class derived from it would come back as something else
    if value is None or kind is bool or kind is int:
        return value
    if kind is str:
        return _text(value, place, unfit)
    if kind is float and isfinite(value):
        return value
    if kind in _NESTED:
        if len(place) > _DEEPEST:
            return unfit(value, place[:4], "it holds itself, or is nested too deep")
        if kind is list:
            return [_encoded(item, (*place, index), unfit) for index, item in enumerate(value)]
        if kind is dict:
            return _dict(value, place, unfit)
        several = [_encoded(item, (*place, index), unfit) for index, item in enumerate(value)]
        if kind is not tuple:
            several.sort(key=lambda one: json.dumps(one, default=repr))
        return {_MARK: kind.__name__, "value": several}
    return _of_kind(value, place, unfit)


def _text(value: str, place: Place, unfit: Callable[[Any, Place, str], Any]) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return unfit(value, place, "it holds half a character")
    return value


def _dict(value: dict[Any, Any], place: Place, unfit: Callable[[Any, Place, str], Any]) -> Any:
    if all(type(key) is str for key in value) and _MARK not in value:
        return {_text(key, place, unfit): _encoded(item, (*place, key), unfit) for key, item in value.items()}
    items = [[_encoded(key, (*place, key), unfit), _encoded(item, (*place, key), unfit)] for key, item in value.items()]
    return {_MARK: "dict", "value": items}


def _of_kind(value: Any, place: Place, unfit: Callable[[Any, Place, str], Any]) -> Any:
    name = _NAMES.get(type(value))
    if name is None:
        return unfit(
            value, place, f"an object of the class {type(value).__qualname__} has no JSON form that comes back"
        )
    _, encode, decode = _KINDS[name]
    try:
        plain = encode(value)
        comes_back = decode(plain) == value
    except (ValueError, ArithmeticError) as error:
        return unfit(value, place, str(error))
    return {_MARK: name, "value": plain} if comes_back else unfit(value, place, f"{value!r} does not come back equal")


def _refuse(value: Any, place: Place, reason: str) -> Any:
    del value
    name, keys = str(place[0]) if place else "the value", place[1:]
    where = name + "".join(f"[{key!r}]" for key in keys)
    raise InvalidValue(
        f"{where} cannot be saved: {reason}. What is saved holds texts, numbers, lists, tuples, sets and dicts, bytes, "
        "dates, decimals, paths, attachments and messages; of an object of pydantic keep its model_dump()"
    )


class Unsaved:
    """Stands for a value without a form that comes back, for a ``fallback`` that makes some text of it."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return repr(self._value)


def _leave_to_fallback(value: Any, place: Place, reason: str) -> Any:
    del place
    if type(value) in _NESTED or type(value) is str:
        raise ValueError(reason)  # the text of pydantic's own error
    return Unsaved(value)


class Kept:
    """Marks a field of a pydantic model, a dict of any values, whose values come back equal from JSON.

    In Python the dict is taken as it is.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The schema: as that of the field, and by the functions above for JSON."""
        plain = handler(source)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(from_json, plain),
            python_schema=plain,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: _encoded(value, (), _leave_to_fallback), when_used="json", return_schema=plain
            ),
        )
