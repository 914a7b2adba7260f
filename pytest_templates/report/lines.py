"""Templates with their models, in a table."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pytest_templates.report.data import Line
from pytest_templates.tables import counted, table


def table_of(lines: Sequence[Line]) -> str:
    """The table."""
    heads = ("template", "model", "calls", "tokens in", "tokens out", "cost", "answers from")
    return table(heads, [_cells(line) for line in lines])


def cost_of(dollars: Decimal, unpriced: int) -> str:
    """A sum of money, and how many calls are missing in it, as nobody knows their price."""
    known = f"${_digits(dollars)}"
    return f"{known} and {counted(unpriced, 'call')} of unknown price" if unpriced else known


def _digits(dollars: Decimal) -> str:
    """A sum with four places, or with as many as its first two digits need: what models cost is often very little."""
    return f"{dollars:.{max(4, 1 - dollars.adjusted()) if dollars else 4}f}"


def template_name(line: Line) -> str:
    """What a template is called in a table."""
    return line.template or "(no template)"


def _cells(line: Line) -> tuple[str, ...]:
    return (
        template_name(line),
        line.model,
        str(line.calls),
        f"{line.input_tokens:,}",
        f"{line.output_tokens:,}",
        "unknown" if line.unpriced else f"${_digits(line.cost)}",
        ", ".join(line.sources),
    )
