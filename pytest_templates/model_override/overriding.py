"""``overriding`` and ``llm_override``: models that a test puts in place of those that its program asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Final

from antiphon import Model
from antiphon.connect import LiveCall, as_model
from antiphon.errors import InvalidType
from antiphon.model import Choice, models_within, replacing
from antiphon.trace import path_pattern
from pytest_templates.errors import UnusedSteps
from pytest_templates.model_override.replacement import with_settings_of
from pytest_templates.support.environment import placeholder_keys
from pytest_templates.support.targets import did_you_mean, is_glob, is_meant, which_template
from pytest_templates.support.text import OUTSIDE


class Overrides:
    """Puts models in place: ``llm_override("sort", scripted_model("billing"))``.

    They are asked instead wherever the program asks a model: in templates, subroutines with ``model=`` or ``runner=``,
    strategies, tools, transforms, code beside templates, threads and tasks. In traces they are the models that were
    used, and ``chosen_by`` is ``"override"``. A model that asks others while it answers, as one that tries again does,
    stays: the models that it asks are replaced.
    """

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._by_name: set[str] = set()
        self._used: set[str] = set()
        self._seen: dict[tuple[str | None, str], Model] = {}
        self._lock = Lock()

    def __call__(self, target: str, model: Model | str) -> None:
        """Put a model in place from now on.

        Args:
            target: The id of a template; or its path, or a glob of that, iterations included, where ``*`` stays within
                a segment and ``**`` crosses ``/``; or the name of a model, or a glob of it; ``""`` for calls from
                outside of templates. Of several that mean a call, that counts which names its path, else its template,
                else its model; then of the globs the last.
            model: The model, or the name of a real one; that gets the settings of the replaced one which every model
                has, such as ``temperature``.

        Raises:
            InvalidType: The target is no text, or that is neither a model nor a name.
            InvalidValue: The name has no provider.
        """
        if isinstance(target, Mapping):
            raise InvalidType("llm_override takes one target and its model; overriding() takes a mapping")
        if not isinstance(target, str):
            raise InvalidType(
                f"a target is the id of a template, a glob of its path or the name of a model, not {target!r}"
            )
        if callable(model) and not isinstance(model, Model):
            raise InvalidType(
                f"{target!r} is given what may make a model, and is none: call it, as scripted_model(...)"
            )
        chosen = as_model(model)
        with self._lock:
            self._models.pop(target, None)  # of equal ones the last counts
            self._models[target] = chosen
            self._used.discard(target)
            if isinstance(model, str):
                self._by_name.add(target)
            else:
                self._by_name.discard(target)

    @property
    def remaining(self) -> int:
        """How many overrides nothing has used so far."""
        return len(self._models.keys() - self._used)

    @property
    def unused(self) -> str:
        """Which overrides nothing has used, in words."""
        rows = [
            f"    {target!r}: {model.name}{self._hint(target)}"
            for target, model in self._models.items()
            if target not in self._used
        ]
        asked = [f"{path or OUTSIDE} ({model.name})" for (path, _), model in self._seen.items()]
        return "\n".join(
            ["models were put in place that nothing has asked:", *rows, f"  what was asked: {_listed(asked)}"]
        )

    def hints_at(self, event: LiveCall) -> Iterator[str]:
        """Why a call of a real model comes through, in words."""
        with self._lock:
            for target, model in self._models.items():
                if target in self._used and model.name == event.model:
                    yield f"the model that was put in place for {target!r} is the real one"
                elif target not in self._used:
                    known = [event.template_id, event.path or "", event.model]
                    near = which_template(target, [(event.path, event.template_id)]) or did_you_mean(target, known)
                    yield f"nothing has asked the model that was put in place for {target!r}{near}"

    def choose(self, choice: Choice) -> Choice:
        """The model in place, or the choice as it is."""
        if choice.is_in_place:  # a part of what was put in place
            return choice
        with self._lock:
            self._seen.setdefault((choice.caller.template_path, choice.caller.template_id), choice.model)
            target = self._target_of(choice)
            if target is None:
                return choice
            model, is_by_name = self._models[target], target in self._by_name
            if any(choice.model.origin is one.origin for one in models_within(model)):
                return choice  # asked by the model in place, in a thread that does not know it
            self._used.add(target)
        in_place = with_settings_of(choice.model, model) if is_by_name else model
        return choice._replace(model=in_place, chosen_by="override")

    def _target_of(self, choice: Choice) -> str | None:
        caller = choice.caller
        inner = models_within(choice.model)
        if inner:
            is_named = caller.model in self._models and all(one.name != caller.model for one in inner)
            return caller.model if is_named else None
        for name in (caller.template_path, caller.template_id, caller.model):
            if name is not None and name in self._models:
                return name
        return next((target for target in reversed(self._models) if is_glob(target) and _fits(target, choice)), None)

    def _hint(self, target: str) -> str:
        for place, model in self._seen.items():
            if is_meant(target, *place) or path_pattern(target).fullmatch(model.name):
                if models_within(model):
                    return f"; {model.name!r} asks other models while it answers, and has not asked one"
                return "; another override counted"
        return which_template(target, self._seen)


def _fits(target: str, choice: Choice) -> bool:
    caller = choice.caller
    is_template = is_meant(target, caller.template_path, caller.template_id)
    return is_template or path_pattern(target).fullmatch(caller.model) is not None


def _listed(asked: list[str]) -> str:
    return ", ".join(asked) or "no model"


_IN_PLACE: Final[list[Overrides]] = []


@contextmanager
def in_place(overrides: Overrides) -> Iterator[None]:
    """Put models in place for the length of a block; a program may connect to real ones without a key meanwhile."""
    _IN_PLACE.append(overrides)
    try:
        with placeholder_keys(), replacing(overrides.choose):
            yield
    finally:
        _IN_PLACE.remove(overrides)


def hints_at(event: LiveCall) -> list[str]:
    """Why a call of a real model comes through, in words: of each override that has not been used so far."""
    return [hint for overrides in _IN_PLACE for hint in overrides.hints_at(event)]


@contextmanager
def overriding(models: Mapping[str, Model | str], /) -> Iterator[None]:
    """Put models in place in the whole program, for the length of a block.

    Example:
        ``with overriding({"**": scripted_model("billing")}): main()``

    Args:
        models: The models, or names of real ones, by target: see ``Overrides``. Of two blocks, one within the other,
            the inner one counts.

    Raises:
        InvalidType: That is no mapping from targets to models.
        InvalidValue: A name has no provider.
        UnusedSteps: At the end of a block that went well: nothing has asked one of the models.
    """
    if not isinstance(models, Mapping):
        raise InvalidType(f"overriding takes a mapping from targets to models, not {models!r}")
    overrides = Overrides()
    for target, model in models.items():
        overrides(target, model)
    with in_place(overrides):
        yield
    if overrides.remaining:
        raise UnusedSteps(overrides.unused)
