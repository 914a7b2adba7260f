"""Settings that a real model is connected with: those it knows, and those it does not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from antiphon import connect
from antiphon.errors import InvalidValue

NAMES = {
    "openai": "openai:gpt-4o-mini",
    "openai-chat": "openai-chat:gpt-4o-mini",
    "openai-responses": "openai-responses:gpt-4o-mini",
    "anthropic": "anthropic:claude-haiku-4-5",
    "google": "google:gemini-2.5-flash-lite",
    "deepseek": "deepseek:deepseek-chat",
}
COMMON = [
    "temperature",
    "max_tokens",
    "top_p",
    "seed",
    "stop",
    "stop_sequences",
    "extra_body",
    "extra_headers",
    "timeout",
]
OWN = {
    "openai": ["openai_reasoning_effort", "openai_previous_response_id"],
    "openai-chat": ["openai_reasoning_effort", "openai_logprobs"],
    "openai-responses": ["openai_reasoning_effort", "openai_previous_response_id"],
    "anthropic": ["anthropic_thinking", "anthropic_metadata"],
    "google": ["google_safety_settings", "google_thinking_config"],
    "deepseek": ["openai_reasoning_effort"],
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize(
    ("wrong", "meant"), [("temprature", "temperature"), ("max_token", "max_tokens"), ("extra_headres", "extra_headers")]
)
def test_a_misspelt_setting_is_refused_and_the_right_one_named(kind: str, wrong: str, meant: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        connect(NAMES[kind], api_key="dummy-key", **{wrong: 1})

    assert str(caught.value) == f"{NAMES[kind]!r} knows no setting {wrong!r}; did you mean {meant!r}?"


@pytest.mark.parametrize("kind", NAMES)
def test_a_setting_of_another_kind_is_refused_and_the_way_around_named(kind: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        connect(NAMES[kind], api_key="dummy-key", vllm_xargs={})

    otherwise = "; what the provider's API calls so can be sent as extra_body={...}"
    expected = f"{NAMES[kind]!r} knows no setting 'vllm_xargs'" + otherwise * (kind != "google")  # which takes none
    assert str(caught.value) == expected


def test_every_setting_that_is_not_known_is_named() -> None:
    with pytest.raises(InvalidValue) as caught:
        connect(NAMES["openai"], api_key="dummy-key", temprature=0, top_q=1, max_tokens=5)

    assert [line.partition(";")[0] for line in str(caught.value).split("\n")] == [
        "'openai:gpt-4o-mini' knows no setting 'temprature'",
        "'openai:gpt-4o-mini' knows no setting 'top_q'",
    ]


def test_a_setting_of_another_provider_is_refused() -> None:
    with pytest.raises(InvalidValue, match="knows no setting 'anthropic_thinking'"):
        connect(NAMES["google"], api_key="dummy-key", anthropic_thinking={"type": "disabled"})


@pytest.mark.parametrize("kind", NAMES)
def test_what_pydantic_ai_or_the_provider_knows_is_taken(kind: str) -> None:
    for name in COMMON + OWN[kind]:
        connect(NAMES[kind], api_key="dummy-key", **{name: ["END"] if name.startswith("stop") else 1})


def test_a_model_object_is_asked_what_it_knows(provider: Any) -> None:
    class MyModel(OpenAIChatModel):
        """A program's own model: it knows what the one it is made from does."""

    model = MyModel("gpt-4o-mini", provider=OpenAIProvider(base_url=provider.url, api_key="dummy-key"))

    connect(model, openai_logprobs=True)
    with pytest.raises(InvalidValue, match="'openai_logprob'; did you mean 'openai_logprobs'"):
        connect(model, openai_logprob=True)


def test_a_model_object_that_hands_questions_on_takes_any(provider: Any) -> None:
    def answer(*_: Any) -> ModelResponse:
        return ModelResponse(parts=[TextPart("Yes.")])

    assert connect(FallbackModel(FunctionModel(answer), FunctionModel(answer)), of_one_of_them=1)
