"""What models spent, added up and held against limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase

from pytest_templates.run.calls import CallRow
from pytest_templates.spending.limits import Limits
from pytest_templates.support.text import money, table


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum of model calls.

    Attributes:
        calls: How many calls.
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

    def asking(self, model: str) -> Tally:
        """The sum with a call more, of which nothing is known but its model."""
        return replace(self, calls=self.calls + 1, models=self.models | {model})

    def adding(self, call: CallRow) -> Tally:
        """The sum with a call more."""
        return replace(
            self.asking(call["model"]),
            input_tokens=self.input_tokens + call["input_tokens"],
            output_tokens=self.output_tokens + call["output_tokens"],
            cost=self.cost + Decimal(call["cost"] or 0),
            unpriced=self.unpriced | ({call["model"]} if call["unpriced"] else set()),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One limit beside what was spent.

    Attributes:
        kind: What is limited, in words.
        spent: How much was spent, in words.
        limit: How much may be, in words; ``""`` for any amount.
        objection: Why the limit does not hold; ``""`` where it does.
    """

    kind: str
    spent: str
    limit: str
    objection: str = ""


def compared(tally: Tally, limits: Limits) -> list[Entry]:
    """A sum beside its limits; a limit of the cost does not hold where a price is not known."""
    return [
        _number("calls", tally.calls, limits.calls),
        _number("input tokens", tally.input_tokens, limits.input_tokens),
        _number("output tokens", tally.output_tokens, limits.output_tokens),
        _cost(tally, limits.cost),
        *_models(tally.models, limits.models),
    ]


def table_of(entries: list[Entry]) -> str:
    """What was spent, beside its limits."""
    return table(("", "spent", "limit", ""), [(one.kind, one.spent, one.limit, one.objection) for one in entries])


def _number(kind: str, spent: int, limit: int | None) -> Entry:
    if limit is None:
        return Entry(kind, f"{spent:,}", "")
    return Entry(kind, f"{spent:,}", f"{limit:,}", "too many" if spent > limit else "")


def _cost(tally: Tally, limit: Decimal | None) -> Entry:
    spent = money(tally.cost) + (" and more" if tally.unpriced else "")
    if limit is None:
        return Entry("cost", spent, "")
    unknown = f"no price is known for {', '.join(sorted(tally.unpriced))}" if tally.unpriced else ""
    return Entry("cost", spent, money(limit), "too much" if tally.cost > limit else unknown)


def _models(called: frozenset[str], allowed: tuple[str, ...] | None) -> Iterator[Entry]:
    if allowed is None:
        return
    for model in sorted(called):
        fits = any(model == name or fnmatchcase(model, name) for name in allowed)
        yield Entry("model", model, ", ".join(allowed) or "none", "" if fits else "not allowed")
