"""``assert_models``: which model each template used, compared with what is expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from antiphon import Model, ModelCall, Session, Trace
from antiphon.errors import InvalidType, shown
from antiphon.parameters import check_kind
from pytest_templates.run.under_way import current_attempt
from pytest_templates.support.targets import OF_THE_TEST, is_glob, is_meant, which_template
from pytest_templates.support.text import counted, table

Expected: TypeAlias = Model | str | Sequence[Model | str] | AbstractSet[Model | str]


def assert_models(used: Trace | Session, expected: Mapping[str, Expected], *, exactly: bool = True) -> None:
    """Make sure that each template called the model it was meant to call.

    Args:
        used: A trace, or the session that has one.
        expected: By template the model or its name, for every call of the template; a set of these, of which each is
            to be called; or a list or tuple, with one of them for each call, in order. A template is named by its id
            (one without an id by its path without iterations), its path, or a glob of its path, where ``*`` stays
            within a segment and ``**`` crosses ``/``. A call counts for its path or id where that is named, else for
            the first glob that it fits. Calls that code made without a template stand under ``""``. Those of the
            test's own judges and simulated users are compared where ``"llm_judge"`` and ``"llm_user"`` are named, and
            nowhere else.
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
    expectations = _expectations_of(expected)
    calls = (used.trace if isinstance(used, Session) else used).calls
    comparison = _Comparison(expectations, calls, exactly=check_kind(exactly, bool, "exactly"))
    if not comparison.holds:
        attempt, wrong = current_attempt(), comparison.first_wrong
        if attempt is not None and wrong is not None:
            attempt.hook.message_differs(attempt=attempt, path=wrong.template_path)
        raise AssertionError(f"models are not as expected\n{comparison}")


@dataclass(frozen=True, slots=True)
class _Expectation:
    """The models that a template is expected to call.

    Attributes:
        models: Models, or the names of some; one or more.
        in_order: Whether exactly one call of each is expected, in this order; else one or more calls of each.
    """

    models: tuple[Model | str, ...]
    in_order: bool

    def holds(self, calls: Sequence[ModelCall]) -> bool:
        """Whether the calls are as expected."""
        if self.in_order:
            return len(calls) == len(self.models) and all(map(_is_of, calls, self.models))
        return all(map(self.allows, calls)) and all(any(_is_of(call, model) for call in calls) for model in self.models)

    def allows(self, call: ModelCall) -> bool:
        """Whether a call is one of these models' calls."""
        return any(_is_of(call, model) for model in self.models)


def _is_of(call: ModelCall, model: Model | str) -> bool:
    """Whether this model, or one with this name, answered, or was asked and had another one answer.

    A fork counts as the model that it was copied from.
    """
    if isinstance(model, Model):
        return call.origin is model.origin or call.asked is model.origin
    return model in (call.model, getattr(call.asked, "name", None))


def _expectations_of(expected: Mapping[str, Expected]) -> dict[str, _Expectation]:
    """The expectations by template, checked.

    Raises:
        InvalidType: A template is not named by a text, or what is expected is no model and no name.
    """
    if not isinstance(expected, Mapping):
        raise InvalidType(f"assert_models takes a mapping from templates to models, not {shown(expected)}")
    for target in expected:
        if not isinstance(target, str):
            raise InvalidType(f"a template is named by its id or a glob of its path, not by {shown(target)}")
    return {target: _expectation(target, given) for target, given in expected.items()}


def _expectation(target: str, given: Expected) -> _Expectation:
    if isinstance(given, Model | str):
        return _Expectation((given,), in_order=False)
    several = isinstance(given, list | tuple | AbstractSet)
    if not several or not given or not all(isinstance(model, Model | str) for model in given):
        raise InvalidType(
            f"{target!r} is expected to use a model, the name of one, or a list or set of these, "
            f"not {shown(given, Model)}"
        )
    if isinstance(given, AbstractSet):
        return _Expectation(tuple(sorted(given, key=_name)), in_order=False)
    return _Expectation(tuple(given), in_order=True)


def _name(model: Model | str) -> str:
    return model if isinstance(model, str) else model.name


class _Targets:
    """The templates that are named in the expectation; finds the one that a call counts for.

    Args:
        named: Ids, paths, and globs of paths.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self._exact = {target for target in named if not is_glob(target)}
        self._globs = [target for target in named if is_glob(target)]

    def of(self, call: ModelCall) -> str | None:
        """The target that a call counts for: its path, else its id, else the first fitting glob; ``None`` for none.

        Calls that code made without a template count for ``""`` only, and those of the test itself for their id only.
        """
        if call.template_id and call.template_path in self._exact:
            return call.template_path
        if call.template_id in self._exact:
            return call.template_id
        fitting = (glob for glob in self._globs if is_meant(glob, call.template_path, call.template_id))
        return next(fitting, None) if call.template_id and call.template_id not in OF_THE_TEST else None


class _NumberedNames:
    """Numbers different models of the same name, if one of them is expected: ``scripted (1)``, ``scripted (2)``.

    Args:
        expected: What is expected, by template; these models come first.
        calls: The calls.
    """

    def __init__(self, expected: Mapping[str, _Expectation], calls: Sequence[ModelCall]) -> None:
        self._known: dict[str, list[tuple[object, str]]] = {}
        for target, expectation in expected.items():
            for model in expectation.models:
                if isinstance(model, Model):
                    self._note(model.name, model.origin, f"expected for {target!r}")
        for call in calls:
            if call.model in self._known:
                self._note(call.model, call.origin, f"called by {call.template_id!r}")

    def name_of(self, model: Model | str) -> str:
        """The name of an expected model, with its number."""
        return model if isinstance(model, str) else self._numbered(model.name, model.origin)

    def name_in(self, call: ModelCall) -> str:
        """The name of the model of a call, with its number, and that of the model around it."""
        name, around = self._numbered(call.model, call.origin), getattr(call.asked, "name", call.model)
        if around == call.model and call.inner and call.origin is call.asked:
            return f"{name}, which asked {' and '.join(inner.model for inner in call.inner)}"
        return name if around == call.model else f"{name} by way of {around}"

    @property
    def notes(self) -> Iterator[str]:
        """A line for each name that several models have."""
        for name, models in self._known.items():
            if len(models) > 1:
                each = ", ".join(f"({number}) {where}" for number, (_, where) in enumerate(models, 1))
                count = "two" if len(models) == 2 else str(len(models))
                yield f"{count} models called {name!r}: {each}; give each a name of its own"

    def _note(self, name: str, model: object, where: str) -> None:
        models = self._known.setdefault(name, [])
        if not any(model is other for other, _ in models):
            models.append((model, where))

    def _numbered(self, name: str, model: object) -> str:
        models = [other for other, _ in self._known.get(name, ())]
        if len(models) < 2:
            return name
        return f"{name} ({next(number for number, other in enumerate(models, 1) if other is model)})"


_FOLDED = 4  # from so many on, templates that are as expected share a line below those that are not
_WHY = {
    "template": "the template's own model=",
    "subroutine": "model= of the subroutine around it",
    "subroutine-runner": "runner= of the subroutine around it",
    "runner": "the runner's model",
    "direct": "code called a model of its own",
    "override": "an override",
    "model": "the model around it",
}


class _Comparison:
    """What was expected, compared with what was used."""

    def __init__(self, expected: Mapping[str, _Expectation], calls: Sequence[ModelCall], *, exactly: bool) -> None:
        self._expected = expected
        self._calls = calls
        self._named: dict[str, list[ModelCall]] = {target: [] for target in expected}
        self._others: list[ModelCall] = []
        self._targets = _Targets(list(expected))
        for call in calls:
            target = self._targets.of(call)
            if target is not None:
                self._named[target].append(call)
            elif exactly and call.template_id not in OF_THE_TEST:
                self._others.append(call)
        self._names = _NumberedNames(expected, calls)

    @property
    def holds(self) -> bool:
        return not self._others and all(self._expected[target].holds(calls) for target, calls in self._named.items())

    @property
    def first_wrong(self) -> ModelCall | None:
        """The first call of a model that is not expected; ``None`` where only calls are missing."""
        others = [
            [call for call in calls if not self._expected[target].allows(call)] for target, calls in self._named.items()
        ]
        wrong = {id(call) for calls in (self._others, *others) for call in calls}
        return next((call for call in self._calls if id(call) in wrong), None)

    def __str__(self) -> str:
        rows = [row for target, calls in self._named.items() for row in self._rows(target, calls)]
        rows += [("✗", _shown(name), "(not named)", *self._used(calls)) for name, calls in _by_id(self._others)]
        heads = ("", "template", "expected", "used", "chosen by")
        return "\n".join([table(heads, rows), *self._hints(), *self._names.notes])

    def _rows(self, target: str, calls: Sequence[ModelCall]) -> Iterator[tuple[str, ...]]:
        """The row of a target; if it is wrong and covers several templates, a row for each of them below."""
        expectation = self._expected[target]
        right = expectation.holds(calls)
        yield "" if right else "✗", _shown(target), self._wanted(expectation), *self._used(calls)
        parts = list(_by_id(calls))
        if right or len(parts) < 2:
            return
        marked = [("" if all(map(expectation.allows, some)) else "✗", name, some) for name, some in parts]
        allowed = len([mark for mark, _, _ in marked if not mark])
        folds = _FOLDED <= allowed < len(parts)
        for mark, name, some in marked:
            if mark or not folds:
                yield mark, f"  {_shown(name)}", "", *self._used(some)
        if folds:
            yield "", f"  {counted(allowed, 'other')}", "", "as expected", ""

    def _hints(self) -> Iterator[str]:
        """A line for each target without a call, if the reason can be guessed."""
        calls_of_program = [call for call in self._calls if call.template_id not in OF_THE_TEST]
        asked = {(call.template_path, call.template_id): call for call in calls_of_program}
        for target, calls in self._named.items():
            if calls:
                continue
            taken = {self._targets.of(call) for place, call in asked.items() if is_meant(target, *place)}
            if taken:
                yield f"{target!r}: its calls count for {', '.join(map(repr, sorted(filter(None, taken))))}"
            elif hint := which_template(target, asked):
                yield f"{target!r}: no such template asked a model{hint}"

    def _wanted(self, expectation: _Expectation) -> str:
        names = [self._names.name_of(model) for model in expectation.models]
        return _runs(names) if expectation.in_order else " and ".join(names)

    def _used(self, calls: Sequence[ModelCall]) -> tuple[str, str]:
        names = _runs([self._names.name_in(call) for call in calls]) or "(not called)"
        return names, _joined(Counter(_WHY[call.chosen_by] for call in calls).items())


def _by_id(calls: Sequence[ModelCall]) -> Iterator[tuple[str, list[ModelCall]]]:
    groups: dict[str, list[ModelCall]] = {}
    for call in calls:
        groups.setdefault(call.template_id, []).append(call)
    yield from groups.items()


def _shown(template: str) -> str:
    return template or '""'


def _runs(texts: Sequence[str]) -> str:
    """The texts in order; of equal ones in a row the first, with their number."""
    return _joined((text, len(list(run))) for text, run in groupby(texts))


def _joined(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(text if count == 1 else f"{text} (x{count})" for text, count in counts)
