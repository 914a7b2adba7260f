"""``--templates-model``: other models in the place of those that templates ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from pytest_templates.run.calls import Row
from pytest_templates.support.targets import is_meant, which_template


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
        from pytest_templates.model_override.replacement import try_out

        try:
            try_out(override, recording=recording)
        except AntiphonError as error:
            raise pytest.UsageError(f"{override.option}: {error}") from error


def without_effect(overrides: Sequence[Override], calls: Sequence[Row]) -> Iterator[str]:
    """A line for each override that replaced no model in these calls, the last of several for one template aside."""
    for override in overrides:
        meant = [call for call in calls if is_meant(override.template, call["template_path"], call["template_id"])]
        if not any(call["chosen_by"] == "override" for call in meant):
            yield f"{override.option} replaced no model: {_why(override, meant, calls)}"


def _why(override: Override, meant: Sequence[Row], calls: Sequence[Row]) -> str:
    if meant:
        return "scripted models stay, and so do all models of tests that are marked neither llm_cassette nor llm_live"
    hint = which_template(override.template, [(call["template_path"], call["template_id"]) for call in calls])
    return f"no test rendered a template that asks a model at {override.template!r}{hint}"
