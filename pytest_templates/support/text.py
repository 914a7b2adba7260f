"""Text for people: tables, counts."""

from __future__ import annotations

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a line of heads; columns are as wide as their widest cell."""
    everything = [heads, *rows]
    widths = [max(len(row[column]) for row in everything) for column in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in everything)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def counted(number: int, thing: str) -> str:
    """A number of things, such as ``1 call`` and ``1,200 calls``."""
    return f"{number:,} {thing}{'s' * (number != 1)}"
