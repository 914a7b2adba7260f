"""What `connect` takes, and what it says where it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, UserTemplate, connect
from antiphon.errors import ConnectionNotPossible, InvalidType, InvalidValue, ServerError

TREE = LinearTemplate([UserTemplate("Where is my parcel?"), AssistantTemplate(template_id="answer")])


def chat_model(provider: Any, wire: Any) -> OpenAIChatModel:
    return OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(base_url=provider.url + "/v1", api_key="dummy-key"))


@pytest.fixture
def openai(wires: dict[str, Any]) -> Any:
    return wires["openai"]


def test_a_model_object_is_taken_and_named_after_its_provider(provider: Any, openai: Any, mode: Any) -> None:
    provider.plays(openai.answers["stream" if mode.streams else "text"])
    model, session = connect(chat_model(provider, openai), temperature=0), Session()

    mode.play(Runner(model, template=TREE), session)

    assert model.name == "openai:gpt-4o-mini"
    assert session.last.content == "The parcel is late."
    assert session.trace.models == {"answer": ["openai:gpt-4o-mini"]}
    assert provider.asked[0].body["temperature"] == 0


def test_failures_of_a_model_object_are_the_engines_errors(provider: Any, openai: Any, mode: Any) -> None:
    provider.plays(openai.answers["server error"])
    model = connect(chat_model(provider, openai), max_retries=0)

    with pytest.raises(ServerError, match="openai:gpt-4o-mini"):
        mode.play(Runner(model, template=TREE), Session())


def test_a_model_object_that_holds_others_is_taken(provider: Any, openai: Any) -> None:
    def parrot(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(str(messages[-1].parts[-1].content))])  # type: ignore[union-attr]

    provider.plays(openai.answers["server error"])
    model = connect(FallbackModel(chat_model(provider, openai), FunctionModel(parrot)), max_retries=0)
    runner = Runner(model, template=TREE)

    assert runner.run().last.content == "Where is my parcel?"
    assert model.name == "fallback:openai:gpt-4o-mini,function:function:parrot:"


def test_a_fork_shares_the_model_object_and_has_settings_of_its_own(provider: Any, openai: Any) -> None:
    provider.plays(openai.answers["text"])
    runner = Runner(connect(chat_model(provider, openai), temperature=0), template=TREE)
    fork = runner.fork()

    fork.model.settings.temperature = 1
    fork.run()
    runner.run()

    assert [asked.body["temperature"] for asked in provider.asked] == [1, 0]


@pytest.mark.parametrize("given", [None, 3, object(), OpenAIChatModel], ids=["nothing", "number", "object", "class"])
def test_what_is_neither_a_name_nor_a_model_object_is_refused(given: Any) -> None:
    with pytest.raises(InvalidType, match="connect takes the name of a model"):
        connect(given)


def test_what_only_looks_like_a_model_object_is_refused() -> None:
    class Lookalike:
        model_id = "openai:gpt-4o-mini"

    with pytest.raises(InvalidType, match="Lookalike"):
        connect(Lookalike())


def test_a_model_object_takes_no_address(provider: Any, openai: Any) -> None:
    with pytest.raises(InvalidValue, match="knows its address and key"):
        connect(chat_model(provider, openai), api_key="dummy-key")


@pytest.mark.parametrize("name", ["gpt-4o-mini", ":gpt-4o-mini", "openai:", ""])
def test_a_name_needs_a_provider_and_a_model(name: str) -> None:
    with pytest.raises(InvalidValue, match="provider:model"):
        connect(name)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(InvalidValue, match="'nobody'"):
        connect("nobody:model")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("openai:gpt-4o-mini", "OPENAI_API_KEY"),
        ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY"),
        ("google:gemini-2.5-flash-lite", "GOOGLE_API_KEY"),
    ],
)
def test_a_missing_key_says_what_to_set(name: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(one, raising=False)

    with pytest.raises(ConnectionNotPossible, match=variable):
        connect(name)


def test_the_key_and_the_settings_reach_the_provider(provider: Any, wire: Any) -> None:
    provider.plays(wire.answers["text"])

    Runner(provider.connect(wire, max_tokens=7, stop=["END"]), template=TREE).run()

    (asked,) = provider.asked
    assert any("dummy-key" in value for value in asked.headers.values())
    assert "7" in str(asked.body)
    assert "END" in str(asked.body)
