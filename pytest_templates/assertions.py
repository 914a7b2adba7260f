"""Assertions on which template used which model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from antiphon import Model, ModelCall, Session, Trace
from antiphon.errors import InvalidType
from pytest_templates.tables import table

_WHY = {
    "template": "the template's own model=",
    "subroutine": "model= of the subroutine around it",
    "subroutine-runner": "runner= of the subroutine around it",
    "runner": "the runner's model",
    "direct": "code called the model itself",
    "override": "--templates-model",
}


def assert_models(used: Trace | Session, expected: Mapping[str, Model | str]) -> None:
    """Make sure that each template called the model it was meant to call.

    Args:
        used: A trace, or the session that has one.
        expected: By template id (for templates without one: the path without iterations) the model or its name. Every
            template that called a model must be there, and only those.

    Raises:
        AssertionError: Something else was used; the text is a table of template, expected, used, and why that model was
            chosen.
        InvalidType: That is no trace, or something expected is no model and no name.

    Example:
        ``assert_models(session, {"classify": small, "answer": "openai:gpt-4o"})``
    """
    __tracebackhide__ = True
    for name, model in expected.items():
        if not isinstance(model, Model | str):
            raise InvalidType(f"{name!r} is expected to use a model or the name of one, not {model!r}")
    trace = _trace_of(used)
    by_template: dict[str, list[ModelCall]] = {name: [] for name in expected}
    for call in trace.calls:
        by_template.setdefault(call.template_id, []).append(call)
    rows = [_row(name, expected.get(name), calls) for name, calls in by_template.items()]
    if any(not right for right, _ in rows):
        heads = ("", "template", "expected", "used", "chosen by")
        raise AssertionError("models are not as expected\n" + table(heads, [row for _, row in rows]))


def _trace_of(used: Trace | Session) -> Trace:
    if isinstance(used, Session):
        return used.trace
    if isinstance(used, Trace):
        return used
    raise InvalidType(f"assert_models takes a Trace or a Session, not {type(used).__name__}: {used!r}")


def _row(name: str, expected: Model | str | None, calls: Sequence[ModelCall]) -> tuple[bool, tuple[str, ...]]:
    right = bool(calls) and expected is not None and all(_is(call, expected) for call in calls)
    names = _counted([call.model for call in calls]) or "(not called)"
    why = _counted([_WHY[call.chosen_by] for call in calls])
    return right, ("" if right else "✗", name or '""', _name(expected), names, why)


def _is(call: ModelCall, expected: Model | str) -> bool:
    if isinstance(expected, Model):
        return call.origin is expected.origin
    return call.model == expected


def _name(expected: Model | str | None) -> str:
    if expected is None:
        return "(not named)"
    return expected.name if isinstance(expected, Model) else expected


def _counted(texts: Sequence[str]) -> str:
    """The texts in order, runs of equal ones once with their number."""
    runs: list[tuple[str, int]] = []
    for text in texts:
        if runs and runs[-1][0] == text:
            runs[-1] = (text, runs[-1][1] + 1)
        else:
            runs.append((text, 1))
    return ", ".join(text if count == 1 else f"{text} (x{count})" for text, count in runs)
