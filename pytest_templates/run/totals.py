"""Model calls added up by template and model, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final

from pytest_templates.run.call_rows import CallRow
from pytest_templates.support.money import money
from pytest_templates.support.text import OUTSIDE, counted, table


@dataclass(frozen=True, slots=True)
class Sum:
    """Calls of models, added up.

    Attributes:
        calls: How many.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, of the calls whose price is known.
        unpriced: How many billed calls there are whose price is not known.
        seconds: How long they took together, in seconds.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Sent and received."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Sum) -> Sum:
        return Sum(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
            self.seconds + other.seconds,
        )


def sum_of(rows: Iterable[CallRow]) -> Sum:
    """Calls added up."""
    calls = tuple(rows)
    return Sum(
        calls=len(calls),
        input_tokens=sum(call["input_tokens"] for call in calls),
        output_tokens=sum(call["output_tokens"] for call in calls),
        cost=sum((Decimal(call["cost"]) for call in calls if call["cost"] is not None), Decimal(0)),
        unpriced=sum(1 for call in calls if call["unpriced"]),
        seconds=sum(call["seconds"] for call in calls),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Sum):
    """The calls of one model by one template, added up.

    Attributes:
        template: The template's id or path; ``""`` for calls from outside of templates.
        model: The model's name.
        sources: Where the answers came from.
    """

    template: str
    model: str
    sources: tuple[str, ...]


class Totals:
    """Calls added up by template and model, as they come: nothing else is kept of a call."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], _Group] = {}

    def add(self, call: CallRow) -> None:
        """Add a call."""
        key = call["template_id"], call["model"]
        if key not in self._groups:
            self._groups[key] = _Group()
        self._groups[key].add(call)

    @property
    def lines(self) -> list[Line]:
        """A line for each template and model, in the order in which they first came."""
        return [group.line(template, model) for (template, model), group in self._groups.items()]


class _Group:
    def __init__(self) -> None:
        self._sum = Sum()
        self._sources: set[str] = set()

    def add(self, call: CallRow) -> None:
        self._sum += sum_of([call])
        self._sources.add(call["source"])

    def line(self, template: str, model: str) -> Line:
        return Line(template=template, model=model, sources=tuple(sorted(self._sources)), **asdict(self._sum))


def lines_of(calls: Iterable[CallRow]) -> list[Line]:
    """The calls added up by template and model, in the order in which they first appear."""
    totals = Totals()
    for call in calls:
        totals.add(call)
    return totals.lines


HEADS: Final = ("template", "model", "calls", "tokens in", "tokens out", "cost", "answers from")
NUMBERS: Final = frozenset({"calls", "tokens in", "tokens out", "cost"})  # the heads of columns of numbers


def table_of(lines: Sequence[Line], width: int | None = None) -> str:
    """A table with a row for each line; where there is a width, in so many columns of a terminal."""
    return table(HEADS, [cells_of(line) for line in lines], numbers=NUMBERS, width=width)


def cost_of(dollars: Decimal, unpriced: int) -> str:
    """What calls cost, in a sentence; nothing that is unknown reads as if it were free.

    Args:
        dollars: The sum of the prices that are known.
        unpriced: How many calls are not in it because their price is not known.
    """
    if not unpriced:
        return money(dollars)
    unknown = f"cost of {counted(unpriced, 'call')} unknown"
    return f"{cost_cell(dollars, unpriced)} ({unknown})" if dollars else unknown


def cost_cell(dollars: Decimal, unpriced: int) -> str:
    """The same in a table, under a head that says cost."""
    if not unpriced:
        return money(dollars)
    return f"{money(dollars)} and more" if dollars else "unknown"


def template_name(line: Line) -> str:
    """The name of a template in a table."""
    return line.template or OUTSIDE


def cells_of(line: Line) -> tuple[str, ...]:
    """A line as a row of a table."""
    return (
        template_name(line),
        line.model,
        f"{line.calls:,}",
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        cost_cell(line.cost, line.unpriced),
        ", ".join(line.sources),
    )
