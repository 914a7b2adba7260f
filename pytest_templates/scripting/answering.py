"""A script file that answers for every model of a program, in tests that do not use real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from antiphon.model import Choice, models_within, replacing
from pytest_templates.scripting.likeness import Like
from pytest_templates.scripting.model import ScriptedModel
from pytest_templates.scripting.rules import Script
from pytest_templates.support.engine import is_double
from pytest_templates.support.environment import placeholder_keys

if TYPE_CHECKING:
    from pytest_templates.run.attempt import Attempt


@contextmanager
def answering_for_models(script: Script, like: Like | None, attempt: Attempt) -> Iterator[None]:
    """Let a script answer for models, for the length of a block; a program may connect to them without a key.

    In traces it is the models of the program that were asked, as it chose them. Doubles answer themselves, and so do
    models that ask others while they answer: the script answers for these.

    Args:
        script: The script.
        like: Whose rules hold for what is asked.
        attempt: The test.
    """
    models: dict[str, ScriptedModel] = {}

    def choose(choice: Choice) -> Choice:
        if is_double(choice.model) or models_within(choice.model):
            return choice
        name = choice.model.name
        if name not in models:
            models[name] = ScriptedModel(name=name, script=script, like=like, complain=attempt.failures.append)
            models[name].attempt = attempt
        return replace(choice, model=models[name])

    with placeholder_keys(), replacing(choose):
        yield
