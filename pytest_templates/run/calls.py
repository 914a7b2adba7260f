"""Model calls as plain data that reports carry between processes, and their sums by template and model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict

from pytest_templates.run.report_data import ReportData
from pytest_templates.support.text import OUTSIDE, as_text, counted, money, table

if TYPE_CHECKING:
    from antiphon import ModelCall


Source: TypeAlias = Literal["script", "cassette", "recorded", "model"]

UNBILLED: Final = {"function", "test", "local"}  # providers without a bill: test doubles, and models on this machine


@dataclass(frozen=True, slots=True)
class CallSource:
    """Where the answer to a model call came from.

    Attributes:
        name: A script, a cassette that was replayed, one that is being recorded, or the model itself.
        was_sent: Whether a request was sent to a real model now.
    """

    name: Source
    was_sent: bool = False


class CallRow(TypedDict):
    """A model call, as plain data.

    Attributes:
        template_id: The template's id, or its path without iterations; ``""`` for code outside of templates.
        template_path: The template's path; ``None`` for code outside of templates.
        model: The name of the model that was asked.
        served_by: The name that the provider reported, where it did.
        chosen_by: Who chose the model.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, as a decimal number; ``None`` where the price is not known.
        unpriced: Whether the call is billed, and its price is not known.
        seconds: How long the call took, in seconds.
        source: Where the answer came from.
        error: The type and the text of the error that the call raised; ``None`` where it raised none.
    """

    template_id: str
    template_path: str | None
    model: str
    served_by: str | None
    chosen_by: str
    input_tokens: int
    output_tokens: int
    cost: str | None
    unpriced: bool
    seconds: float
    source: Source
    error: str | None


CALLS: Final = ReportData[list[CallRow]]("calls")


def row_of(call: ModelCall, source: Source) -> CallRow:
    """A model call as plain data."""
    usage = call.usage
    cost = None if usage is None else usage.cost
    return {
        "template_id": call.template_id,
        "template_path": call.template_path,
        "model": call.model,
        "served_by": call.served_by,
        "chosen_by": call.chosen_by,
        "input_tokens": 0 if usage is None else usage.input_tokens,
        "output_tokens": 0 if usage is None else usage.output_tokens,
        "cost": None if cost is None else f"{cost:f}",
        "unpriced": cost is None and call.error is None and _is_billed(call),
        "seconds": call.seconds,
        "source": source,
        "error": None if call.error is None else as_text(f"{type(call.error).__name__}: {call.error}"),
    }


def _is_billed(call: ModelCall) -> bool:
    """Whether a provider sends a bill for a call, or did when it was recorded."""
    from antiphon.connect import ConnectedModel

    return isinstance(call.origin, ConnectedModel) and call.model.partition(":")[0] not in UNBILLED


@dataclass(frozen=True, slots=True)
class Line:
    """The calls of one model by one template, added up.

    Attributes:
        template: The template's id or path; ``""`` for calls from outside of templates.
        model: The model's name.
        calls: The number of calls.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, of the calls whose price is known.
        unpriced: The number of billed calls whose price is not known.
        seconds: How long the calls took together, in seconds.
        sources: Where the answers came from.
    """

    template: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    unpriced: int
    seconds: float
    sources: tuple[str, ...]


def lines_of(calls: Iterable[CallRow]) -> list[Line]:
    """The calls added up by template and model, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[CallRow]] = {}
    for call in calls:
        groups.setdefault((call["template_id"], call["model"]), []).append(call)
    return [line_of(template, model, group) for (template, model), group in groups.items()]


def line_of(template: str, model: str, calls: list[CallRow]) -> Line:
    """Calls added up, as those of one model by one template."""
    return Line(
        template=template,
        model=model,
        calls=len(calls),
        input_tokens=sum(call["input_tokens"] for call in calls),
        output_tokens=sum(call["output_tokens"] for call in calls),
        cost=sum((Decimal(call["cost"]) for call in calls if call["cost"] is not None), Decimal(0)),
        unpriced=sum(1 for call in calls if call["unpriced"]),
        seconds=sum(call["seconds"] for call in calls),
        sources=tuple(sorted({call["source"] for call in calls})),
    )


def table_of(lines: Sequence[Line]) -> str:
    """A table with a row for each line."""
    heads = ("template", "model", "calls", "tokens in", "tokens out", "cost", "answers from")
    return table(heads, [_cells(line) for line in lines])


def cost_of(dollars: Decimal, unpriced: int) -> str:
    """A sum of money, and the number of calls that are not in it because their price is not known."""
    known = money(dollars)
    return f"{known} and {counted(unpriced, 'call')} of unknown price" if unpriced else known


def template_name(line: Line) -> str:
    """The name of a template in a table."""
    return line.template or OUTSIDE


def _cells(line: Line) -> tuple[str, ...]:
    return (
        template_name(line),
        line.model,
        str(line.calls),
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        "unknown" if line.unpriced else money(line.cost),
        ", ".join(line.sources),
    )
