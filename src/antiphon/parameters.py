"""Checks of what is given to parameters."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.messages import Role

T = TypeVar("T")


def check_kind(given: T, kind: type[Any], parameter: str) -> T:
    """The object given to a parameter that takes those of one kind.

    Raises:
        InvalidType: It is of another kind.
    """
    if isinstance(given, kind):
        return given
    article = "an" if kind.__name__[0] in "AEIO" else "a"
    raise InvalidType(f"{parameter} takes {article} {kind.__name__}, not {shown(given, kind)}")


def check_text(given: object, parameter: str) -> str:
    """The text given to a parameter.

    Raises:
        InvalidType: It is no text.
    """
    if isinstance(given, str):
        return given
    raise InvalidType(f"{parameter} takes text, not {shown(given)}")


def check_count(given: object, parameter: str) -> int:
    """The number given to a parameter.

    Raises:
        InvalidType: It is no whole number.
        InvalidValue: It is less than 0.
    """
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidType(f"{parameter} is a number, not {shown(given)}")
    if given < 0:
        raise InvalidValue(f"{parameter} is a number, 0 or more, not {given}")
    return given


def check_role(given: object) -> Role:
    """The role given to a parameter.

    Raises:
        InvalidValue: There is no such role.
    """
    for known in get_args(Role):
        if given == known:
            return known  # type: ignore[no-any-return]  # one of Role's own values
    raise InvalidValue(f"{given!r} is no role; there are {', '.join(get_args(Role))}")
