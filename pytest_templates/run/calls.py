"""Model calls as plain data that travels between processes, added up by template and model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pytest_templates.support.text import counted, table

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.cassettes.cassette import OpenCassette
    from pytest_templates.cassettes.reading.calls import Ask
    from pytest_templates.run.attempt import Attempt


Row: TypeAlias = dict[str, Any]
Source: TypeAlias = Literal["script", "cassette", "recorded", "model"]

FREE: Final = {"function", "test", "local"}  # providers without a bill: test doubles, and models on this machine


def source_of(call: ModelCall, cassette: OpenCassette | None, *, is_new: bool) -> Source:
    """Where the answer to a call came from: a script, a cassette (replayed or just recorded), or the model itself."""
    from antiphon.connect import ConnectedModel
    from pytest_templates.scripting.model import ScriptedModel

    if isinstance(call.origin, ScriptedModel):
        return "script"
    if cassette is None or not isinstance(call.origin, ConnectedModel):
        return "model"
    return "recorded" if is_new else "cassette"


def rows_of(attempt: Attempt) -> Row:
    """What models did in an attempt of a test.

    Which interactions were not played is told of a test that passed: no other says what it needs.
    """
    from pytest_templates.errors import IsolationViolation

    calls = [row_of(call, source) for call, source in attempt.calls]
    cassette = attempt.cassette
    passed = not attempt.failed and not attempt.skipped
    return {
        "calls": calls,
        "played": 0 if cassette is None else cassette.played,
        "recorded": 0 if cassette is None or cassette.dropped else cassette.recorded,
        "dropped": 0 if cassette is None else cassette.dropped,
        "skipped": attempt.skipped,
        "unanswered": cassette.outgoing.unanswered if cassette is not None and attempt.keeps_recording else [],
        "unplayed": list(cassette.unplayed) if cassette is not None and passed else None,
        "subroutines": attempt.subroutines,
        "unseen": attempt.unseen,
        "violations": [as_text(str(one)) for one in attempt.verdicts if isinstance(one, IsolationViolation)],
        "unpriced": _unpriced(attempt),
        "replaced": None if cassette is None else _replaced(cassette),
        **({"asked": _asked(attempt)} if attempt.options.twice else {}),
    }


def _asked(attempt: Attempt) -> list[Ask]:
    """What --templates-twice compares."""
    from pytest_templates.determinism.compare import asked_in

    return asked_in(attempt)


def _replaced(cassette: OpenCassette) -> Row | None:
    """What a cassette held before it was recorded anew, and how it tells requests."""
    if not cassette.file.replaced:
        return None
    from pytest_templates.cassettes.matching import Matcher
    from pytest_templates.cassettes.reading.calls import asks_of

    by: dict[str, tuple[str, ...]] = {"match_on": cassette.settings.match_on, "ignore": cassette.settings.ignore}
    return {"cassette": str(cassette.path), **by, "held": asks_of(cassette.file.replaced, Matcher(**by))}


def _unpriced(attempt: Attempt) -> list[str]:
    """The models whose calls --templates-max-cost could not count."""
    if attempt.spending is None:
        return []
    bare = attempt.cassette is not None and attempt.cassette.outgoing.was_answered(None, None)
    return sorted(attempt.spending.unpriced | ({"calls from outside of the engine"} if bare else set()))


def row_of(call: ModelCall, source: Source) -> Row:
    """A call, and where its answer came from."""
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
        "unpriced": cost is None and call.error is None and _has_a_price(call),
        "seconds": call.seconds,
        "source": source,
        "error": None if call.error is None else as_text(f"{type(call.error).__name__}: {call.error}"),
    }


def as_text(text: str) -> str:
    """Text that any file takes: half characters, as from names of files that are no UTF-8, are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _has_a_price(call: ModelCall) -> bool:
    """Whether somebody sends a bill for a call, or did when it was recorded."""
    from antiphon.connect import ConnectedModel

    return isinstance(call.origin, ConnectedModel) and call.model.partition(":")[0] not in FREE


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
        seconds: How long the calls took, added up.
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


def lines_of(calls: Iterable[Row]) -> list[Line]:
    """The calls added up by template and model, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for call in calls:
        groups.setdefault((call["template_id"], call["model"]), []).append(call)
    return [line_of(template, model, group) for (template, model), group in groups.items()]


def line_of(template: str, model: str, calls: list[Row]) -> Line:
    """Some calls added up, as those of a template with a model."""
    return Line(
        template=template,
        model=model,
        calls=len(calls),
        input_tokens=sum(call["input_tokens"] for call in calls),
        output_tokens=sum(call["output_tokens"] for call in calls),
        cost=sum((Decimal(call["cost"]) for call in calls if call["cost"] is not None), Decimal(0)),
        unpriced=sum(call["unpriced"] for call in calls),
        seconds=sum(call["seconds"] for call in calls),
        sources=tuple(sorted({call["source"] for call in calls})),
    )


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
