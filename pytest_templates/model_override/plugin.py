"""Models in place of others: ``--templates-model``, its part of the summary, and the fixture ``llm_override``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from pytest_templates.cassettes.options import RECORD
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.calls import CALLS
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.options import Option, Options
from pytest_templates.run.processes import is_worker
from pytest_templates.run.under_way import attempt_of_fixture
from pytest_templates.support.environment import placeholder_keys

if TYPE_CHECKING:
    from antiphon.observers import LiveCall
    from pytest_templates.cassettes.settings import Override
    from pytest_templates.model_override.overriding import Overrides
    from pytest_templates.run.call_rows import CallRow

_OVERRIDES = pytest.StashKey["Overrides"]()


def overrides_of(given: Iterable[str]) -> tuple[Override, ...]:
    """The overrides in the values of the option, in order; of two for one id or glob the last counts.

    Raises:
        pytest.UsageError: A value is not of the form ``ID=MODEL``.
    """
    from pytest_templates.cassettes import settings

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
    return tuple(settings.Override(template, model) for template, model in models.items())


MODELS: Option[tuple[Override, ...]] = Option(
    "--templates-model",
    metavar="ID=MODEL",
    action="append",
    help="let a template ask another model, in tests of real ones; ID is its id or a glob of its path, and of several "
    "for one template the last counts",
    read=lambda given, config: overrides_of(given) if given else (),  # noqa: ARG005
)
OPTIONS = Options(MODELS)


@pytest.fixture
def llm_override() -> Iterator[Overrides]:
    """Puts models in place in the whole program: ``llm_override("sort", scripted_model("billing"))``.

    They stay for the rest of the test. The target is the id of a template, a glob of its path, or the name of a model;
    ``"**"`` means all. An override that nothing has used fails the test at its tear-down.
    """
    from pytest_templates.model_override.overriding import Overrides, in_place

    overrides = Overrides()
    attempt_of_fixture().stash[_OVERRIDES] = overrides
    with in_place(overrides):
        yield overrides


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    OPTIONS.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Replace models, where the option is given.

    Raises:
        pytest.UsageError: A model cannot be called.
    """
    OPTIONS.read(config)
    join(config, ModelsInPlace(), "models-in-place")
    overrides = MODELS.of(config)
    if overrides:
        _try_out(overrides, recording=RECORD.of(config) != "none")
        join(config, ModelOverrides(overrides), "model-overrides")
        if not is_worker(config):
            join(config, Summary(overrides), "model-overrides-summary")


class ModelsInPlace(Feature):
    """Lets programs connect to models in tests that put others in place, and makes those fail that use none of them."""

    @hookimpl
    def attempt_opens(self, attempt: Attempt) -> None:
        """Let the program, which another fixture may build first, connect to its models without a key."""
        if "llm_override" in getattr(attempt.item, "fixturenames", ()):
            attempt.resources.enter_context(placeholder_keys())

    @hookimpl
    def hints_at_refusal(self, event: LiveCall) -> list[str]:
        """Say why an override was not used, or that it is the real model."""
        overrides = sys.modules.get("pytest_templates.model_override.overriding")
        return [] if overrides is None else overrides.hints_at(event)

    @hookimpl
    def attempt_is_checked(self, attempt: Attempt) -> None:
        """Add a failure for the overrides that nothing has used."""
        if _OVERRIDES in attempt.stash and attempt.stash[_OVERRIDES].remaining:
            from pytest_templates.errors import UnusedSteps

            attempt.failures.append(UnusedSteps(attempt.stash[_OVERRIDES].unused))


class ModelOverrides(Feature):
    """Lets templates call other models in tests of real models.

    Args:
        overrides: Which templates call which models.
    """

    def __init__(self, overrides: tuple[Override, ...]) -> None:
        self._overrides = overrides

    @hookimpl
    def models_in_place(self) -> tuple[Override, ...]:
        """The overrides of this run."""
        return self._overrides

    @hookimpl(tryfirst=True)
    def attempt_opens(self, attempt: Attempt) -> None:
        """Replace models for the length of a test."""
        if attempt.hook.asks_real_models(attempt=attempt):
            from pytest_templates.model_override.replacement import replacing_models

            attempt.resources.enter_context(replacing_models(self._overrides))


class Summary(Feature):
    """Reports the overrides that have replaced no model.

    Args:
        overrides: Which templates call which models.
    """

    def __init__(self, overrides: tuple[Override, ...]) -> None:
        self._overrides = overrides
        self._calls: list[CallRow] = []
        self._has_run = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the calls of a test."""
        self._has_run = True
        self._calls += chain.from_iterable(CALLS.all_of(report))

    @hookimpl
    def summary_lines(self) -> list[str]:
        """A line for each override that has replaced no model."""
        return list(_without_effect(self._overrides, self._calls)) if self._has_run else []


def _try_out(overrides: Iterable[Override], *, recording: bool) -> None:
    """Make sure that the models can be called, before any test runs.

    Args:
        overrides: Which templates call which models.
        recording: Whether requests may be sent; a replay needs neither a key nor the weights of a local model.

    Raises:
        pytest.UsageError: A model has no provider or an unknown one, or its provider's package or key is missing.
    """
    from antiphon.errors import AntiphonError
    from pytest_templates.model_override.replacement import try_out

    for override in overrides:
        try:
            try_out(override, recording=recording)
        except AntiphonError as error:
            raise pytest.UsageError(f"{override.option}: {error}") from error


def _without_effect(overrides: Sequence[Override], calls: Sequence[CallRow]) -> Iterator[str]:
    """A line for each override that replaced no model in these calls, the last of several for one template aside."""
    from pytest_templates.support.targets import is_meant

    for override in overrides:
        meant = [call for call in calls if is_meant(override.template, call["template_path"], call["template_id"])]
        if not any(call["chosen_by"] == "override" for call in meant):
            yield f"{override.option} replaced no model: {_why(override, meant, calls)}"


def _why(override: Override, meant: Sequence[CallRow], calls: Sequence[CallRow]) -> str:
    if meant:
        return "scripted models stay, and so do all models of tests that are marked neither llm_cassette nor llm_live"
    from pytest_templates.support.targets import which_template

    hint = which_template(override.template, [(call["template_path"], call["template_id"]) for call in calls])
    return f"no test rendered a template that asks a model at {override.template!r}{hint}"
