"""Replaces the models that templates call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from antiphon import Model, ModelSettings, connect
from antiphon.connect import as_model
from antiphon.copies import isolated
from antiphon.model import Choice, models_within, replacing
from pytest_templates.cassettes.settings import Override
from pytest_templates.support.engine import is_double
from pytest_templates.support.environment import placeholder_keys
from pytest_templates.support.targets import is_meant, is_of_program


class Replacement:
    """Replaces the models that templates call by those of overrides; of several for one template, by the last.

    Scripted models and pydantic-ai's doubles stay: their answers were written for their test. So do models that ask
    others, which are replaced in their turn. The new model gets those
    settings of the replaced one that every model has, such as temperature; those of one provider do not fit another.

    Args:
        overrides: Which templates call which models.
    """

    def __init__(self, overrides: Sequence[Override]) -> None:
        self._models = [(override.template, as_model(override.model)) for override in reversed(overrides)]

    def choose(self, choice: Choice) -> Choice:
        """The model that is called instead, or the choice as it is."""
        if choice.is_in_place or is_double(choice.model) or models_within(choice.model):
            return choice
        caller = choice.caller
        if caller.template_path is None:
            return choice
        for template, model in self._models:
            is_fit = is_meant(template, caller.template_path, caller.template_id)
            if is_fit and is_of_program(template, caller.template_id):
                return choice._replace(model=with_settings_of(choice.model, model), chosen_by="override")
        return choice


@contextmanager
def replacing_models(overrides: Sequence[Override]) -> Iterator[None]:
    """Replace models for the length of a block."""
    with replacing(Replacement(overrides).choose):
        yield


def try_out(override: Override, *, recording: bool) -> None:
    """Make sure that the model of an override can be called.

    Args:
        override: The override.
        recording: Whether requests may be sent: then a key is needed.

    Raises:
        AntiphonError: It cannot be called; the text says what to do.
    """
    as_model(override.model)
    if recording:
        connect(override.model)
        return
    from antiphon.providers.connection import Connection

    with placeholder_keys():
        Connection(override.model)


def with_settings_of(replaced: Model, model: Model) -> Model:
    """A model with those settings of another one that every model has."""
    fork = isolated(model)
    fork.settings = ModelSettings(
        **{name: getattr(replaced.settings, name, None) for name in ModelSettings.model_fields}
    )
    return fork
