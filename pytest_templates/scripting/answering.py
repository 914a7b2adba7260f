"""A script file that answers for every model of a program, in tests that do not use real ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from antiphon import Model, Session
from antiphon.connect import ConnectedModel
from antiphon.model import Choice, models_within, replacing
from pytest_templates.scripting.likeness import Like
from pytest_templates.scripting.model import ScriptedModel
from pytest_templates.scripting.rules import Script
from pytest_templates.support.engine import is_double
from pytest_templates.support.environment import placeholder_keys
from pytest_templates.support.virtual_time import virtual_after_doubles

if TYPE_CHECKING:
    from pytest_templates.run.attempt import Attempt


class StandIn(ScriptedModel):
    """A scripted model that answers for a model of the program, and is as strict as that one.

    Args:
        model: The model that the program has chosen.
        script: The script.
        like: Whose rules hold beside the model's own.
        attempt: The test.
    """

    shared: ClassVar[frozenset[str]] = ScriptedModel.shared | {"_check"}

    def __init__(self, model: Model, script: Script, like: Like | None, attempt: Attempt) -> None:
        super().__init__(name=model.name, script=script, like=like, complain=attempt.failures.append)
        self.attempt = attempt
        self._check = model.check_session if isinstance(model, ConnectedModel) else None

    def _hold_to_rules(self, session: Session) -> None:
        if self._check is not None:
            self._check(session)
        super()._hold_to_rules(session)


@contextmanager
def answering_for_models(script: Script, like: Like | None, attempt: Attempt) -> Iterator[None]:
    """Let a script answer for models, for the length of a block; a program may connect to them without a key.

    In traces it is the models of the program that were asked, as it chose them. Doubles answer themselves, and so do
    models that ask others while they answer: the script answers for these.

    Args:
        script: The script.
        like: Whose rules hold for what is asked, beside those of the model that the program asks.
        attempt: The test.
    """

    def choose(choice: Choice) -> Choice:
        if is_double(choice.model) or models_within(choice.model):
            return choice
        return choice._replace(model=StandIn(choice.model, script, like, attempt))

    with placeholder_keys(), replacing(choose), virtual_after_doubles():
        yield
