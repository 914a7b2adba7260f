"""Telling models apart that have one name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from antiphon import Model, ModelCall
from pytest_templates.expectations import Expectation


class Namesakes:
    """Numbers the models of one name, where one of them is expected: ``scripted (1)``, ``scripted (2)``.

    Args:
        expected: What is expected, by template; these models come first.
        calls: The calls, with the models that were asked.
    """

    def __init__(self, expected: Mapping[str, Expectation], calls: Sequence[ModelCall]) -> None:
        self._known: dict[str, list[tuple[object, str]]] = {}
        for target, expectation in expected.items():
            for model in expectation.models:
                if isinstance(model, Model):
                    self._note(model.name, model.origin, f"expected for {target!r}")
        for call in calls:
            if call.model in self._known:
                self._note(call.model, call.origin, f"called by {call.template_id!r}")

    def name_of(self, model: Model | str) -> str:
        """What an expected model is called."""
        return model if isinstance(model, str) else self._numbered(model.name, model.origin)

    def name_in(self, call: ModelCall) -> str:
        """What the model of a call is called."""
        return self._numbered(call.model, call.origin)

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
