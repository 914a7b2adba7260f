"""Which templates ask another model in this run: what ``--templates-model`` says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Override:
    """Another model for some templates.

    Attributes:
        template: The id of the template, or a glob of its path.
        model: The name of the model: ``"openai:gpt-4o-mini"``.
    """

    template: str
    model: str

    @property
    def option(self) -> str:
        """The option that asks for it."""
        return f"--templates-model={self}"

    def __str__(self) -> str:
        return f"{self.template}={self.model}"


def overrides_of(given: Iterable[str]) -> tuple[Override, ...]:
    """What the values of the option say, in order; of two for one id or glob the last counts.

    Raises:
        pytest.UsageError: One is not of the form ``ID=MODEL``.
    """
    models: dict[str, str] = {}
    for value in given:
        template, _, model = value.partition("=")
        if not template or not model:
            raise pytest.UsageError(
                f"--templates-model={value}: it takes ID=MODEL, the id of a template or a glob of its path and the "
                "name of a model, such as answer=openai:gpt-4o-mini"
            )
        models.pop(template, None)
        models[template] = model
    return tuple(Override(template, model) for template, model in models.items())


def check(overrides: Iterable[Override], *, recording: bool) -> None:
    """Make sure that these models can be asked, before any test runs.

    Args:
        overrides: What was asked for.
        recording: Whether they may be called; a replay needs neither a key nor the weights of a local model.

    Raises:
        pytest.UsageError: One has no provider or an unknown one, or its provider's package or key is missing.
    """
    for override in overrides:
        from antiphon.errors import AntiphonError
        from pytest_templates.overriding import try_out

        try:
            try_out(override, recording=recording)
        except AntiphonError as error:
            raise pytest.UsageError(f"{override.option}: {error}") from error
