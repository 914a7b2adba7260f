"""Limits of what models may spend, in a test or in a whole run: checked where they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent; of each, ``None`` for any amount.

    Attributes:
        calls: How many calls of models, those that failed included.
        input_tokens: How many tokens may be sent.
        output_tokens: How many tokens may be received.
        cost: US dollars.
        models: The names of the models that may be called, as globs.
    """

    calls: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None
    models: tuple[str, ...] | None = None

    def or_else(self, others: Limits) -> Limits:
        """These limits, and where there is none that of the others."""
        pairs = {kind: (getattr(self, kind), getattr(others, kind)) for kind in KINDS}
        return Limits(**{kind: other if own is None else own for kind, (own, other) in pairs.items()})


KINDS: Final = tuple(field.name for field in fields(Limits))


def limits_of(**given: Any) -> Limits:
    """The limits as Python code gives them; ``None`` stands for none.

    Raises:
        ValueError: One is no limit of its kind, or there is none at all.
    """
    limits = {kind: _CHECKS[kind](kind, value) for kind, value in given.items() if value is not None}
    if not limits:
        raise ValueError(f"it names no limit: give one of {', '.join(KINDS)}")
    return Limits(**limits)


def limits_in(lines: Iterable[str]) -> Limits:
    """The limits in lines such as ``cost = 0.50``; names of models are separated by commas.

    Raises:
        ValueError: A line is no limit, or there are two of a kind.
    """
    given: dict[str, object] = {}
    for line in filter(str.strip, lines):
        kind, _, text = (part.strip() for part in line.partition("="))
        if kind not in KINDS or not text:
            raise ValueError(f"{line.strip()!r} is no limit: a line is one of {', '.join(KINDS)}, as in cost = 0.50")
        if kind in given:
            raise ValueError(f"{kind} has two limits")
        given[kind] = _READERS.get(kind, _count_in)(text)
    return limits_of(**given)


def dollars(given: object) -> Decimal:
    """A sum of money: a number, or a text such as ``0.50``.

    Raises:
        ValueError: It is none, or below 0.
    """
    try:
        sum_of_money = Decimal("NaN" if isinstance(given, bool) else str(given))
    except InvalidOperation:
        sum_of_money = Decimal("NaN")
    if not sum_of_money.is_finite() or sum_of_money < 0:
        raise ValueError("US dollars, 0 or more, such as 0.50")
    return sum_of_money


def _count(kind: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"{kind} is a whole number, 0 or more, not {given!r}")
    return given


def _cost(kind: str, given: object) -> Decimal:
    try:
        return dollars(given)
    except ValueError as error:
        raise ValueError(f"{kind} is {error}, not {given!r}") from None


def _names(kind: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) and name.strip() for name in given):
        raise ValueError(f"{kind} is a list of names, or of globs of them, not {given!r}")
    return tuple(given)


def _count_in(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


_CHECKS: Final[dict[str, Callable[[str, object], Any]]] = {
    **dict.fromkeys(("calls", "input_tokens", "output_tokens"), _count),
    "cost": _cost,
    "models": _names,
}
_READERS: Final[dict[str, Callable[[str], object]]] = {
    "cost": str,
    "models": lambda text: [name.strip() for name in text.split(",")],
}
