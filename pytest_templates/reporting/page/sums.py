"""Calls of models added up, as the page shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypedDict

from pytest_templates.reporting.document import Call, Report, Test
from pytest_templates.run import totals


class Sum(TypedDict):
    """Calls, added up.

    Attributes:
        calls: How many.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, as text, of the calls whose price is known.
        unpriced: How many billed calls there are whose price is not known.
        seconds: How long they took together.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    cost: str
    unpriced: int
    seconds: float


class Row(Sum):
    """The calls of one template, one model or one source.

    Attributes:
        name: Whose calls they are.
        others: With what they went together: the models of a template, the templates of a model.
    """

    name: str
    others: list[str]


def sum_of(calls: Iterable[Call]) -> Sum:
    """Calls added up."""
    total = totals.sum_of(call.row for call in calls)
    return {
        "calls": total.calls,
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "cost": f"{total.cost:f}",
        "unpriced": total.unpriced,
        "seconds": round(total.seconds, 6),
    }


def rows_by(
    calls: Iterable[Call], name: Callable[[Call], str], other: Callable[[Call], str] = lambda _: ""
) -> list[Row]:
    """Calls added up by a name of theirs, in the order in which the names first appear.

    Args:
        calls: The calls.
        name: What they are added up by.
        other: What else is told of them.
    """
    groups: dict[str, list[Call]] = {}
    for call in calls:
        groups.setdefault(name(call), []).append(call)
    return [
        {"name": one, "others": list(dict.fromkeys(filter(None, map(other, group)))), **sum_of(group)}
        for one, group in groups.items()
    ]


def template_of(call: Call) -> str:
    """The template that asked; ``""`` for code outside of templates."""
    return call.template_id


def model_of(call: Call) -> str:
    """The model that answered."""
    return call.model


def pass_rate(test: Test) -> float | None:
    """Which part of a test's samples passed; ``None`` where it was not run in samples."""
    return None if test.samples is None else test.samples.passed / test.samples.count


def has_conversations(report: Report) -> bool:
    """Whether a report holds what was said, where a model was called: older ones do not."""
    return any(test.steps for test in report.tests) or not report.calls
