"""The arguments of a call, compared with those that are expected: values, and matchers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import EllipsisType, UnionType
from typing import Any, Union, get_args, get_origin

from antiphon.errors import InvalidType
from pytest_templates.support.text import cut
from pytest_templates.tool_calls import CallTool


def check_matchers(call: CallTool) -> None:
    """Refuse what could never match, or not as it looks.

    Raises:
        InvalidType: A regular expression is one for bytes, or a type is one that ``isinstance`` does not know.
    """
    for name, value in call.arguments.items():
        _check(value, name, call)


def _check(value: object, place: str, call: CallTool) -> None:
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            _check(one, place, call)
    elif isinstance(value, re.Pattern) and isinstance(value.pattern, bytes):
        raise InvalidType(f"{place} of {call!r} is a regular expression for bytes, and what models give is text")
    elif get_origin(value) is not None and not _is_union(value):
        raise InvalidType(
            f"{place} of {call!r} is a type that isinstance does not know: give a plain type, a union of plain types, "
            "a function that looks at the value, or a list or dict of matchers"
        )


def _is_union(value: object) -> bool:
    is_union = get_origin(value) in (Union, UnionType)
    return is_union and all(isinstance(kind, type) for kind in get_args(value))


def differences(call: CallTool, given: Mapping[str, Any]) -> Iterator[str]:
    """What differs between the arguments that are expected and those that a model gave, a line each.

    Raises:
        Exception: Whatever a function among the expected arguments raises.
    """
    return _of_members(call.arguments, given, "", call)


def _of_members(expected: Mapping[Any, Any], given: Mapping[Any, Any], place: str, call: CallTool) -> Iterator[str]:
    for name, value in expected.items():
        if name in given:
            yield from _of_values(value, given[name], f"{place}{name}", call)
        else:
            yield f"{place}{name}: {described(value)} expected, not given"
    for name, value in given.items():
        if name not in expected:
            yield f"{place}{name}: {described(value)} given, not expected"


def _of_values(expected: object, given: object, place: str, call: CallTool) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(given, Mapping):
        yield from _of_members(expected, given, f"{place}.", call)
    elif isinstance(expected, list | tuple) and isinstance(given, list | tuple) and len(expected) == len(given):
        for index, (one, other) in enumerate(zip(expected, given, strict=True)):
            yield from _of_values(one, other, f"{place}[{index}]", call)
    elif not _fits(expected, given, place, call):
        yield f"{place}: {described(expected)} expected, {described(given)} given"


def _fits(expected: object, given: object, place: str, call: CallTool) -> bool:
    if expected is ... or expected is Any:
        return True
    if isinstance(expected, re.Pattern):
        return isinstance(given, str) and expected.search(given) is not None
    if isinstance(expected, type) or _is_union(expected):
        return _is_of(given, expected)
    if not callable(expected):
        return bool(expected == given)
    try:
        return bool(expected(given))
    except Exception as error:
        error.add_note(f"in the function for {place} of {call.name!r}, given {described(given)}")
        raise


def _is_of(given: object, kind: Any) -> bool:
    """Whether a value is of a type, as JSON tells them apart: ``True`` is no number."""
    if isinstance(given, bool):
        return not {bool, object}.isdisjoint(get_args(kind) or (kind,))
    return isinstance(given, kind)


def described(value: object) -> str:
    """A value, or a matcher, in few words."""
    match value:
        case EllipsisType():
            return "..."
        case type():
            return value.__name__
        case dict():
            return f"{{{', '.join(f'{key!r}: {described(one)}' for key, one in value.items())}}}"
        case list():
            return f"[{', '.join(map(described, value))}]"
    if callable(value) and get_origin(value) is None:
        return f"<{getattr(value, '__name__', type(value).__name__).strip('<>')}>"
    return cut(repr(value), 80)


def written(name: str, arguments: Mapping[str, Any]) -> str:
    """A call as Python would write it, cut where it is long."""
    return cut(f"{name}({', '.join(f'{key}={described(value)}' for key, value in arguments.items())})", 80)
