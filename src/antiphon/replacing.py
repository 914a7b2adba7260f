"""Replaces the model that a template is about to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from antiphon.model import Model
from antiphon.session import Session
from antiphon.trace import ChosenBy


@dataclass(frozen=True, slots=True)
class Choice:
    """Which model a template is about to ask.

    Attributes:
        model: The model.
        chosen_by: Whose choice it is, as in ``ModelCall``.
        session: What it is to answer; ``session.template_path`` is the template's path.
    """

    model: Model
    chosen_by: ChosenBy
    session: Session


Replacement: TypeAlias = Callable[[Choice], Choice]

_replacements: tuple[Replacement, ...] = ()


@contextmanager
def replacing(replacement: Replacement) -> Iterator[None]:
    """Let a function say which model templates ask, for the length of a block, in every thread and task.

    Code that calls a model itself is not concerned.

    Args:
        replacement: Given the choice as it stands, returns it or another; later ones see what earlier ones chose.
    """
    global _replacements  # noqa: PLW0603  # process-wide, like observers
    _replacements = (*_replacements, replacement)
    try:
        yield
    finally:
        _replacements = tuple(one for one in _replacements if one is not replacement)


def chosen(model: Model, chosen_by: ChosenBy, session: Session) -> Choice:
    """What is asked in the end."""
    choice = Choice(model, chosen_by, session)
    for replacement in _replacements:
        choice = replacement(choice)
    return choice
