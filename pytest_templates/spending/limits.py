"""Limits on what models may spend, in a test or in a run; the sum of what they spent, and how the two compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from pytest_templates.run.call_rows import CallRow
from pytest_templates.run.totals import cost_cell
from pytest_templates.support.money import dollars, money
from pytest_templates.support.text import table

if TYPE_CHECKING:
    from antiphon import Usage


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on spending; ``None`` for no limit.

    Attributes:
        calls: The most calls of models, those that fail included.
        input_tokens: The most tokens that may be sent.
        output_tokens: The most tokens that may be received.
        cost: The most US dollars.
        models: The names of the models that may be called, as globs.
    """

    calls: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None
    models: tuple[str, ...] | None = None

    def or_else(self, others: Limits) -> Limits:
        """These limits; where one is missing, that of the others."""
        pairs = {kind: (getattr(self, kind), getattr(others, kind)) for kind in KINDS}
        return Limits(**{kind: other if own is None else own for kind, (own, other) in pairs.items()})


KINDS: Final = tuple(field.name for field in fields(Limits))


def limits_of(**given: Any) -> Limits:
    """The limits in the arguments of a marker; ``None`` for no limit.

    Raises:
        ValueError: A value is no limit of its kind, or there is no limit at all.
    """
    limits = {kind: _CHECKS[kind](kind, value) for kind, value in given.items() if value is not None}
    if not limits:
        raise ValueError(f"it names no limit: give one of {', '.join(KINDS)}")
    return Limits(**limits)


def limits_in(lines: Iterable[str]) -> Limits:
    """The limits in lines of an ini file, such as ``cost = 0.50``; names of models are separated by commas.

    Raises:
        ValueError: A line is no limit, or there are two of one kind.
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


@dataclass(frozen=True, slots=True)
class Tally:
    """What models have spent: a sum of model calls.

    Attributes:
        calls: The number of calls.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, of the calls whose price is known.
        models: The names of the models that were called.
        unpriced: The names of the real models whose price is not known.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    models: frozenset[str] = frozenset()
    unpriced: frozenset[str] = frozenset()

    def with_call_of(self, model: str) -> Tally:
        """The sum with one more call, of which only the model is known."""
        return replace(self, calls=self.calls + 1, models=self.models | {model})

    def with_usage(self, usage: Usage) -> Tally:
        """The sum with what a part of a call has used."""
        return replace(
            self,
            input_tokens=self.input_tokens + usage.input_tokens,
            output_tokens=self.output_tokens + usage.output_tokens,
            cost=self.cost + (usage.cost or 0),
        )

    def with_call(self, call: CallRow) -> Tally:
        """The sum with one more call; an answer that a cache of the program has kept is none."""
        if call["source"] == "cache":
            return self
        return replace(
            self.with_call_of(call["model"]),
            models=self.models | {call["model"], *call["inner"]},
            input_tokens=self.input_tokens + call["input_tokens"],
            output_tokens=self.output_tokens + call["output_tokens"],
            cost=self.cost + Decimal(call["cost"] or 0),
            unpriced=self.unpriced | ({call["model"]} if call["unpriced"] else set()),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """A limit, and what was spent of it.

    Attributes:
        kind: What is limited, in words.
        spent: How much was spent, in words.
        limit: The limit, in words; ``""`` for none.
        objection: Why the limit does not hold, in words; ``""`` where it does.
    """

    kind: str
    spent: str
    limit: str
    objection: str = ""


def compared(tally: Tally, limits: Limits) -> list[Entry]:
    """A sum compared with limits; a limit on the cost does not hold where a price is not known."""
    return [
        _number_entry("calls", tally.calls, limits.calls),
        _number_entry("input tokens", tally.input_tokens, limits.input_tokens),
        _number_entry("output tokens", tally.output_tokens, limits.output_tokens),
        _cost_entry(tally, limits.cost),
        *_model_entries(tally.models, limits.models),
    ]


def table_of_limits(entries: list[Entry]) -> str:
    """A table of what was spent, and the limits."""
    return table(("", "spent", "limit", ""), [(one.kind, one.spent, one.limit, one.objection) for one in entries])


def _number_entry(kind: str, spent: int, limit: int | None) -> Entry:
    if limit is None:
        return Entry(kind, f"{spent:,}", "")
    return Entry(kind, f"{spent:,}", f"{limit:,}", "too many" if spent > limit else "")


def _cost_entry(tally: Tally, limit: Decimal | None) -> Entry:
    spent = cost_cell(tally.cost, len(tally.unpriced))
    if limit is None:
        return Entry("cost", spent, "")
    unknown = f"no price is known for {', '.join(sorted(tally.unpriced))}" if tally.unpriced else ""
    return Entry("cost", spent, money(limit), "too much" if tally.cost > limit else unknown)


def _model_entries(called: frozenset[str], allowed: tuple[str, ...] | None) -> Iterator[Entry]:
    if allowed is None:
        return
    for model in sorted(called):
        fits = any(model == name or fnmatchcase(model, name) for name in allowed)
        yield Entry("model", model, ", ".join(allowed) or "none", "" if fits else "not allowed")
