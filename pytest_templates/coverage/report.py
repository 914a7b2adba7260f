"""What the tests did not reach, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_templates.coverage.data import RENDERED, Coverage, Point, Tested
from pytest_templates.tables import table


def lines_of(coverage: Coverage, tested: Tested) -> Iterator[str]:
    """The lines of the report.

    Args:
        coverage: What was collected.
        tested: The models that answered each template.
    """
    if not coverage.known:
        yield "no template was rendered"
        return
    yield summary(coverage)
    rows = [(_missing(point), f"{point.path} ({point.kind})", _place(point)) for point in _worth_telling(coverage)]
    if rows:
        yield table(("missing", "template", "built at"), rows)
    if tested.rows():
        yield table(("template", "answered by"), tested.rows())


def summary(coverage: Coverage) -> str:
    """How much was reached, in a line."""
    reached, total = coverage.counted
    return f"{reached} of {total} templates and branches rendered ({coverage.percent:.0f}%)"


def _worth_telling(coverage: Coverage) -> list[Point]:
    """What was missed, without the branches of templates that were missed themselves."""
    missed = coverage.missed
    never = {point for point in missed if point.what == RENDERED}
    return [point for point in missed if point in never or replace(point, what=RENDERED) not in never]


def _missing(point: Point) -> str:
    if point.what == RENDERED:
        return "never rendered"
    if point.what.startswith("tool "):
        return f"{point.what} never called"
    return f"never {point.what}"


def _place(point: Point) -> str:
    return f"{point.file}:{point.line}" if point.file else "(unknown)"
