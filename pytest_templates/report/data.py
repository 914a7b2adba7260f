"""What models did in a test, as plain data that can travel between processes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.attempts import Attempt
    from pytest_templates.cassettes.library import OpenCassette

Row: TypeAlias = dict[str, Any]


def source_of(call: ModelCall, cassette: OpenCassette | None, *, is_new: bool) -> str:
    """Where the answer to a call came from: a script, a cassette (replayed or just recorded), or the model itself."""
    from antiphon.connect import ConnectedModel
    from pytest_templates.scripted import ScriptedModel

    if isinstance(call.origin, ScriptedModel):
        return "script"
    if cassette is None or not isinstance(call.origin, ConnectedModel):
        return "model"
    return "recorded" if is_new else "cassette"


def rows_of(attempt: Attempt) -> Row:
    """What models did in an attempt of a test.

    Which interactions were not played is told of a test that passed: no other says what it needs.
    """
    calls = [_call(call, source) for call, source in attempt.calls]
    cassette = attempt.cassette
    passed = not attempt.failed and not attempt.skipped
    return {
        "calls": calls,
        "played": 0 if cassette is None else cassette.played,
        "recorded": 0 if cassette is None or cassette.dropped else cassette.recorded,
        "dropped": 0 if cassette is None else cassette.dropped,
        "unplayed": list(cassette.unplayed) if cassette is not None and passed else None,
        "subroutines": attempt.subroutines,
        "unpriced": _unpriced(attempt),
    }


def _unpriced(attempt: Attempt) -> list[str]:
    """The models whose calls --templates-max-cost could not count."""
    if attempt.spending is None:
        return []
    bare = attempt.cassette is not None and attempt.cassette.was_sent(None, None)
    return sorted(attempt.spending.unpriced | ({"calls from outside of the engine"} if bare else set()))


def _call(call: ModelCall, source: str) -> Row:
    usage = call.usage
    cost = None if usage is None or usage.cost is None else str(usage.cost)
    return {
        "template": call.template_id,
        "path": call.template_path,
        "model": call.model,
        "served_by": call.served_by,
        "chosen_by": call.chosen_by,
        "input_tokens": 0 if usage is None else usage.input_tokens,
        "output_tokens": 0 if usage is None else usage.output_tokens,
        "cost": cost,
        "source": source,
        "error": None if call.error is None else f"{type(call.error).__name__}: {call.error}",
    }


@dataclass(frozen=True, slots=True)
class Line:
    """One template with one model, over all tests.

    Attributes:
        template: The template's id or path; ``""`` for calls from outside of templates.
        model: The model's name.
        calls: How many calls.
        input_tokens: Tokens sent.
        output_tokens: Tokens received.
        cost: US dollars, of the calls whose price is known.
        unpriced: How many calls of a real model have no known price.
        sources: Where the answers came from.
    """

    template: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    unpriced: int
    sources: tuple[str, ...]


def lines_of(calls: list[Row]) -> list[Line]:
    """The calls added up by template and model, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for call in calls:
        groups.setdefault((call["template"], call["model"]), []).append(call)
    return [_line(template, model, group) for (template, model), group in groups.items()]


def _line(template: str, model: str, calls: list[Row]) -> Line:
    return Line(
        template=template,
        model=model,
        calls=len(calls),
        input_tokens=sum(call["input_tokens"] for call in calls),
        output_tokens=sum(call["output_tokens"] for call in calls),
        cost=sum((Decimal(call["cost"]) for call in calls if call["cost"] is not None), Decimal(0)),
        unpriced=sum(_is_unpriced(call) for call in calls),
        sources=tuple(sorted({call["source"] for call in calls})),
    )


def _is_unpriced(call: Row) -> bool:
    return call["cost"] is None and call["error"] is None and call["source"] in {"cassette", "recorded"}
