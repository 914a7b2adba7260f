"""What `connect` takes, and what it says where it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from antiphon import AssistantTemplate, LinearTemplate, Runner, Session, UserTemplate, connect
from antiphon.errors import ConnectionNotPossible, InvalidType, InvalidValue, RateLimitError, ServerError

TREE = LinearTemplate([UserTemplate("Where is my parcel?"), AssistantTemplate(template_id="answer")])


def chat_model(provider: Any) -> OpenAIChatModel:
    return OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(base_url=provider.url + "/v1", api_key="dummy-key"))


def model_object(provider: Any, wire: Any) -> Any:
    """A model of pydantic-ai's that the loopback server plays, made as a program makes it."""
    at = {"base_url": provider.url + wire.root, "api_key": "dummy-key"}
    name = wire.played.partition(":")[2]
    match str(wire):
        case "openai":
            return OpenAIChatModel(name, provider=OpenAIProvider(**at))
        case "openai-responses":
            return OpenAIResponsesModel(name, provider=OpenAIProvider(**at))
        case "anthropic":
            return AnthropicModel(name, provider=AnthropicProvider(**at))
    return GoogleModel(name, provider=GoogleProvider(**at))


@pytest.fixture
def openai(wires: dict[str, Any]) -> Any:
    return wires["openai"]


def test_a_model_object_is_taken_and_named_after_its_provider(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(wire.answers["stream" if mode.streams else "text"])
    model, session = connect(model_object(provider, wire), temperature=0.5, max_tokens=100), Session()

    mode.play(Runner(model, template=TREE), session)

    assert model.name == wire.played.replace("-responses", "")
    assert session.last.content == "The parcel is late."
    assert session.trace.models == {"answer": [model.name]}
    assert session.trace.calls[0].served_by == wire.reported
    assert "'temperature': 0.5" in str(provider.asked[0].body)


def test_failures_of_a_model_object_are_the_engines_errors(provider: Any, wire: Any, mode: Any) -> None:
    provider.plays(wire.answers["server error"])
    model = connect(model_object(provider, wire), max_retries=0, max_tokens=100)

    with pytest.raises(ServerError, match=model.name):
        mode.play(Runner(model, template=TREE), Session())


def test_a_model_object_that_holds_others_is_taken(provider: Any, openai: Any) -> None:
    def parrot(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(str(messages[-1].parts[-1].content))])  # type: ignore[union-attr]

    provider.plays(openai.answers["server error"])
    model = connect(FallbackModel(chat_model(provider), FunctionModel(parrot)), max_retries=0)
    runner = Runner(model, template=TREE)

    assert runner.run().last.content == "Where is my parcel?"
    assert model.name == "fallback:openai:gpt-4o-mini,function:function:parrot:"


def test_where_all_models_of_one_that_holds_others_fail_each_is_named(provider: Any, openai: Any, mode: Any) -> None:
    provider.plays(openai.answers["server error"], openai.answers["rate limit"])
    model = connect(FallbackModel(chat_model(provider), chat_model(provider)), max_retries=0)

    with pytest.raises(RateLimitError) as raised:
        mode.play(Runner(model, template=TREE), Session())

    assert raised.value.retry_after == 20
    assert raised.value.template_path == "linear/answer"
    first, *each = str(raised.value).split("\n")
    assert first == f"model {model.name!r}, asked by 'linear/answer': none of its models answered"
    assert [line.partition(":")[0] for line in each] == ["  gpt-4o-mini"] * 2


def test_a_fork_shares_the_model_object_and_has_settings_of_its_own(provider: Any, openai: Any) -> None:
    provider.plays(openai.answers["text"])
    runner = Runner(connect(chat_model(provider), temperature=0), template=TREE)
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
        connect(chat_model(provider), api_key="dummy-key")


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

    stop = {} if str(wire) == "openai-responses" else {"stop": ["END"]}  # OpenAI's own protocol has no such thing
    Runner(provider.connect(wire, max_tokens=17, **stop), template=TREE).run()

    (asked,) = provider.asked
    assert any("dummy-key" in value for value in asked.headers.values())
    assert "17" in str(asked.body)
    assert ("END" in str(asked.body)) == bool(stop)


def test_a_setting_that_a_protocol_has_not_is_said(provider: Any, wires: dict[str, Any], mode: Any) -> None:
    provider.plays(wires["openai-responses"].answers["stream" if mode.streams else "text"])
    runner = Runner(provider.connect(wires["openai-responses"], stop=["END"]), template=TREE)

    with pytest.warns(UserWarning, match="`stop_sequences` setting is not supported by model 'openai:gpt-4o-mini'"):
        mode.play(runner, Session())
