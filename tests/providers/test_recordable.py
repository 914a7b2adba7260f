"""Which models are recorded as a whole by themselves: those whose provider speaks no HTTP."""

from __future__ import annotations

import pytest
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model as WireModel
from pydantic_ai.models.concurrency import ConcurrencyLimitedModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.test import TestModel

from antiphon import Model, connect
from antiphon.connect import as_model
from antiphon.errors import InvalidType


class Beyond(WireModel):
    """Stands for the model of a system whose package is not installed here."""

    model_name = "m"

    def __init__(self, system: str) -> None:
        super().__init__()
        self._system = system

    @property
    def system(self) -> str:
        return self._system

    async def request(self, *_: object) -> ModelResponse:  # type: ignore[override]
        raise NotImplementedError


GROK = Beyond("xai")
BEYOND = [GROK, Beyond("MCP"), FallbackModel(TestModel(), GROK), ConcurrencyLimitedModel(GROK, 1)]


@pytest.mark.parametrize("model", BEYOND, ids=lambda model: type(model).__name__)
def test_what_http_does_not_reach_is_recordable(model: WireModel) -> None:
    assert connect(model).recordable is True


@pytest.mark.parametrize("name", ["xai:grok-4", "xai:grok-4-fast"])
def test_the_name_of_a_provider_is_enough(name: str) -> None:
    assert as_model(name).recordable is True


@pytest.mark.parametrize("model", ["openai:m", "grok:m", "local:smollm2-135m", "anthropic:xai", "google-cloud:m"])
def test_what_http_reaches_is_not(model: str) -> None:
    assert as_model(model).recordable is False


def test_a_model_object_that_http_may_reach_is_not() -> None:
    assert connect(FallbackModel(TestModel(), TestModel())).recordable is False
    assert Model.recordable is False


def test_it_may_be_set_and_forks_keep_it() -> None:
    model = connect(TestModel())
    model.recordable = True  # type: ignore[misc]

    assert model.__deepcopy__({}).recordable is True


def test_it_is_true_or_false() -> None:
    with pytest.raises(InvalidType, match="recordable takes a bool, not str: 'yes'"):
        connect(TestModel()).recordable = "yes"  # type: ignore[misc, assignment]
