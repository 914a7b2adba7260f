"""What is expected of the model calls of a template, and whether it is so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from antiphon import Model, ModelCall
from antiphon.errors import InvalidType, shown
from pytest_templates.targets import is_meant

Expected: TypeAlias = Model | str | Sequence[Model | str] | AbstractSet[Model | str]


@dataclass(frozen=True, slots=True)
class Expectation:
    """The models that some calls are to be of.

    Attributes:
        models: Models, or the names of some; one or more.
        in_order: Whether there is to be one call for each, in this order; else every call is to be of one of them, and
            each is to be called, however often.
    """

    models: tuple[Model | str, ...]
    in_order: bool

    def holds(self, calls: Sequence[ModelCall]) -> bool:
        """Whether the calls are as expected."""
        if self.in_order:
            return len(calls) == len(self.models) and all(map(is_of, calls, self.models))
        return all(map(self.allows, calls)) and all(any(is_of(call, model) for call in calls) for model in self.models)

    def allows(self, call: ModelCall) -> bool:
        """Whether a call is of one of the models."""
        return any(is_of(call, model) for model in self.models)


def is_of(call: ModelCall, model: Model | str) -> bool:
    """Whether a model, or one of this name, was called; a fork is the model that it was copied from."""
    return call.origin is model.origin if isinstance(model, Model) else call.model == model


def expectations_of(expected: Mapping[str, Expected]) -> dict[str, Expectation]:
    """What is expected, by template.

    Raises:
        InvalidType: Something is neither a template nor a model.
    """
    if not isinstance(expected, Mapping):
        raise InvalidType(f"assert_models takes a mapping from templates to models, not {shown(expected)}")
    for target in expected:
        if not isinstance(target, str):
            raise InvalidType(f"a template is named by its id or a glob of its path, not by {shown(target)}")
    return {target: _expectation(target, given) for target, given in expected.items()}


def _expectation(target: str, given: Expected) -> Expectation:
    if isinstance(given, Model | str):
        return Expectation((given,), in_order=False)
    several = isinstance(given, list | tuple | AbstractSet)
    if not several or not given or not all(isinstance(model, Model | str) for model in given):
        raise InvalidType(
            f"{target!r} is expected to use a model, the name of one, or a list or set of these, "
            f"not {shown(given, Model)}"
        )
    if isinstance(given, AbstractSet):
        return Expectation(tuple(sorted(given, key=_name)), in_order=False)
    return Expectation(tuple(given), in_order=True)


def _name(model: Model | str) -> str:
    return model if isinstance(model, str) else model.name


class Targets:
    """The templates that are named, and which of them a call is of.

    Args:
        named: Ids, paths, and globs of paths.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self._exact = {target for target in named if not _is_glob(target)}
        self._globs = [target for target in named if _is_glob(target)]

    def of(self, call: ModelCall) -> str | None:
        """The target that a call is of: its path, else its id, else the first glob that it fits; ``None`` for none.

        Code that called a model itself is no template: only ``""`` stands for it.
        """
        if call.template_id and call.template_path in self._exact:
            return call.template_path
        if call.template_id in self._exact:
            return call.template_id
        fitting = (glob for glob in self._globs if is_meant(glob, call.template_path, call.template_id))
        return next(fitting, None) if call.template_id else None


def _is_glob(target: str) -> bool:
    return "*" in target or "?" in target
