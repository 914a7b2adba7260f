"""Assertions on which template used which model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from antiphon import ModelCall, Session, Trace
from antiphon.errors import InvalidType
from antiphon.parameters import check_kind
from pytest_templates.expectations import Expectation, Expected, Targets, expectations_of
from pytest_templates.namesakes import Namesakes
from pytest_templates.suggestions import which_template
from pytest_templates.tables import counted, table
from pytest_templates.targets import is_meant

_FOLDED = 4  # so many templates that are as expected stand in one line, where others are not
_WHY = {
    "template": "the template's own model=",
    "subroutine": "model= of the subroutine around it",
    "subroutine-runner": "runner= of the subroutine around it",
    "runner": "the runner's model",
    "direct": "code called the model itself",
    "override": "--templates-model",
}


def assert_models(used: Trace | Session, expected: Mapping[str, Expected], *, exactly: bool = True) -> None:
    """Make sure that each template called the model it was meant to call.

    Args:
        used: A trace, or the session that has one.
        expected: By template the model or its name, for every call of the template; a set of these, of which each is
            to be called; or a list or tuple, with one of them for each call, in order. A template is named by its id
            (one without an id by its path without iterations), its path, or a glob of its path, where ``*`` stays
            within a segment and ``**`` crosses ``/``. A call counts for its path or id where that is named, else for
            the first glob that it fits. Calls that code made without a template stand under ``""``.
        exactly: Whether every template that called a model must be named. What is named must have called one, in any
            case.

    Raises:
        AssertionError: Something else was used; the text is a table of template, expected, used, and why that model was
            chosen.
        InvalidType: That is no trace, or something expected is no model and no name.

    Example:
        ``assert_models(session, {"classify": small, "support/**": "openai:gpt-4o"})``
    """
    __tracebackhide__ = True
    if not isinstance(used, Session | Trace):
        raise InvalidType(f"assert_models takes a Trace or a Session, not {type(used).__name__}: {used!r}")
    expectations = expectations_of(expected)
    calls = (used.trace if isinstance(used, Session) else used).calls
    comparison = _Comparison(expectations, calls, exactly=check_kind(exactly, bool, "exactly"))
    if not comparison.holds:
        raise AssertionError(f"models are not as expected\n{comparison}")


class _Comparison:
    """What was expected beside what was used."""

    def __init__(self, expected: Mapping[str, Expectation], calls: Sequence[ModelCall], *, exactly: bool) -> None:
        self._expected = expected
        self._calls = calls
        self._named: dict[str, list[ModelCall]] = {target: [] for target in expected}
        self._others: list[ModelCall] = []
        self._targets = Targets(list(expected))
        for call in calls:
            target = self._targets.of(call)
            if target is not None:
                self._named[target].append(call)
            elif exactly:
                self._others.append(call)
        self._namesakes = Namesakes(expected, calls)

    @property
    def holds(self) -> bool:
        return not self._others and all(self._expected[target].holds(calls) for target, calls in self._named.items())

    def __str__(self) -> str:
        rows = [row for target, calls in self._named.items() for row in self._rows(target, calls)]
        rows += [("✗", _shown(name), "(not named)", *self._used(calls)) for name, calls in _by_id(self._others)]
        heads = ("", "template", "expected", "used", "chosen by")
        return "\n".join([table(heads, rows), *self._hints(), *self._namesakes.notes])

    def _rows(self, target: str, calls: Sequence[ModelCall]) -> Iterator[tuple[str, ...]]:
        """The row of what is named; where it is wrong and names several templates, each of them below."""
        expectation = self._expected[target]
        right = expectation.holds(calls)
        yield "" if right else "✗", _shown(target), self._wanted(expectation), *self._used(calls)
        parts = list(_by_id(calls))
        if right or len(parts) < 2:
            return
        marked = [("" if all(map(expectation.allows, some)) else "✗", name, some) for name, some in parts]
        allowed = sum(not mark for mark, _, _ in marked)
        folds = _FOLDED <= allowed < len(parts)
        for mark, name, some in marked:
            if mark or not folds:
                yield mark, f"  {_shown(name)}", "", *self._used(some)
        if folds:
            yield "", f"  {counted(allowed, 'other')}", "", "as expected", ""

    def _hints(self) -> Iterator[str]:
        """A line for each target without a call, where it can be said why."""
        asked = {(call.template_path, call.template_id): call for call in self._calls}
        for target, calls in self._named.items():
            if calls:
                continue
            taken = {self._targets.of(call) for place, call in asked.items() if is_meant(target, *place)}
            if taken:
                yield f"{target!r}: its calls count for {', '.join(map(repr, sorted(filter(None, taken))))}"
            elif hint := which_template(target, asked):
                yield f"{target!r}: no such template asked a model{hint}"

    def _wanted(self, expectation: Expectation) -> str:
        names = [self._namesakes.name_of(model) for model in expectation.models]
        return _runs(names) if expectation.in_order else " and ".join(names)

    def _used(self, calls: Sequence[ModelCall]) -> tuple[str, str]:
        names = _runs([self._namesakes.name_in(call) for call in calls]) or "(not called)"
        return names, _joined(Counter(_WHY[call.chosen_by] for call in calls).items())


def _by_id(calls: Sequence[ModelCall]) -> Iterator[tuple[str, list[ModelCall]]]:
    groups: dict[str, list[ModelCall]] = {}
    for call in calls:
        groups.setdefault(call.template_id, []).append(call)
    yield from groups.items()


def _shown(template: str) -> str:
    return template or '""'


def _runs(texts: Sequence[str]) -> str:
    """The texts in order, runs of equal ones once with their number."""
    return _joined((text, len(list(run))) for text, run in groupby(texts))


def _joined(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(text if count == 1 else f"{text} (x{count})" for text, count in counts)
