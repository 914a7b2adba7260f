"""What `connect` says where it cannot: each text whole, as a user reads it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate, connect
from antiphon.errors import AntiphonError, ConnectionNotPossible, InvalidType, InvalidValue

OTHERS = "there are openai, anthropic, google and local, and others of pydantic-ai, such as groq, mistral and ollama"
NO_MODULES = {
    "openai:gpt-4o-mini": ("openai", 'pip install "antiphon[openai]"'),
    "openai-chat:gpt-4o-mini": ("openai", 'pip install "antiphon[openai]"'),
    "anthropic:claude-haiku-4-5": ("anthropic", 'pip install "antiphon[anthropic]"'),
    "google:gemini-2.5-flash-lite": ("google.genai", 'pip install "antiphon[google]"'),
    "groq:llama": ("groq", 'pip install "pydantic-ai-slim[groq]"'),
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "GEMINI", "DEEPSEEK"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "OLLAMA_BASE_URL", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def complaint(name: str, **options: Any) -> str:
    with pytest.raises(AntiphonError) as caught:
        connect(name, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("opnai:gpt-4o-mini", "openai:gpt-4o-mini"),
        ("OpenAI:gpt-4o-mini", "openai:gpt-4o-mini"),
        ("antropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5"),
        ("google-vertex:gemini-2.5-flash", "google:gemini-2.5-flash"),
        ("openai_responses:gpt-4o-mini", "openai-responses:gpt-4o-mini"),
        ("locale:smollm2-135m", "local:smollm2-135m"),
        ("ollamma:qwen3:4b", "ollama:qwen3:4b"),
    ],
)
def test_a_misspelt_provider_is_said_once_with_the_name_that_was_meant(name: str, meant: str) -> None:
    kind = name.partition(":")[0]

    assert complaint(name) == f"{name!r} names the provider {kind!r}, which does not exist; did you mean {meant!r}?"


def test_a_provider_like_no_other_is_said_with_those_there_are() -> None:
    assert complaint("nobody:model") == f"'nobody:model' names the provider 'nobody', which does not exist; {OTHERS}"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("openai:gpt-4o-mini", "OPENAI_API_KEY, or pass api_key= to connect()"),
        ("openai-chat:gpt-4o-mini", "OPENAI_API_KEY, or pass api_key= to connect()"),
        ("anthropic:claude-haiku-4-5", "ANTHROPIC_API_KEY, or pass api_key= to connect()"),
        ("google:gemini-2.5-flash-lite", "GOOGLE_API_KEY, or pass api_key= to connect()"),
        ("deepseek:deepseek-chat", "DEEPSEEK_API_KEY, or pass api_key= to connect()"),
    ],
)
def test_a_missing_key_is_said_with_what_to_set(name: str, remedy: str) -> None:
    assert complaint(name) == f"{name!r} cannot be connected: there is no key\n  set the environment variable {remedy}"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ollama:qwen3", "OLLAMA_BASE_URL, or pass base_url= to connect()"),
        ("azure:gpt-4o-mini", "AZURE_OPENAI_ENDPOINT or AZURE_VOICELIVE_ENDPOINT"),  # it takes no base_url
    ],
)
def test_a_missing_address_is_not_called_a_key(name: str, remedy: str) -> None:
    assert (
        complaint(name) == f"{name!r} cannot be connected: there is no address\n  set the environment variable {remedy}"
    )


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"])
def test_an_empty_variable_is_a_missing_key(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "")  # what a secret is in a fork's CI
    kind = variable.partition("_")[0].lower()

    with pytest.raises(ConnectionNotPossible, match=rf"there is no key\n  set the environment variable {variable}"):
        connect(f"{kind}:model")


@pytest.mark.parametrize(("name", "module", "command"), [(name, *more) for name, more in NO_MODULES.items()])
def test_a_missing_package_is_said_with_the_command_that_installs_it(
    name: str, module: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = module.partition(".")[0]
    for one in (module, f"pydantic_ai.providers.{kind}", f"pydantic_ai.models.{kind}"):
        monkeypatch.setitem(sys.modules, one, None)

    expected = f"{name!r} cannot be connected: its package is not installed\n  {command}"
    assert complaint(name, api_key="dummy-key") == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("localhost:8000", "localhost:8000"),
        ("", ""),
        ("http://", "http://"),
        ("ws://localhost/v1", "ws://localhost/v1"),
        ("http://localhost:port/v1", "http://localhost:port/v1"),
        ("someone:pa55@localhost?key=s3cret", "localhost"),
        ("http://someone:pa55@localhost:99999/v1?key=s3cret", "http://localhost:99999/v1"),
    ],
)
def test_what_is_no_address_is_said_without_its_secrets(url: str, shown: str) -> None:
    expected = f"base_url takes an address such as 'http://127.0.0.1:8000/v1', not {shown!r}"
    assert complaint("openai:gpt-4o-mini", base_url=url, api_key="dummy-key") == expected


@pytest.mark.parametrize("key", ["", " ", "key\n", "schlüssel", "\ufeffkey"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidValue, match=r"^api_key (is empty|holds what no key does)") as caught:
        connect("openai:gpt-4o-mini", api_key=key)

    assert not key.strip() or key.strip() not in str(caught.value).replace("api_key", "").replace("no key", "")


@pytest.mark.parametrize("option", [{"api_key": 3}, {"base_url": b"http://localhost"}])
def test_what_is_no_text_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidType, match=f"^{next(iter(option))} takes text, not (int|bytes)"):
        connect("openai:gpt-4o-mini", **option)


def test_an_option_that_a_provider_does_not_take_is_refused() -> None:
    expected = "'deepseek:deepseek-chat': the provider 'deepseek' does not take base_url"
    assert complaint("deepseek:deepseek-chat", base_url="http://127.0.0.1:1", api_key="dummy-key") == expected


@pytest.mark.llm_live(reason="it is not reached")
def test_a_model_known_by_its_name_complains_in_the_same_words_when_it_is_asked() -> None:
    with pytest.raises(InvalidValue, match=r"did you mean 'openai:gpt-4o-mini'\?"):
        Runner("opnai:gpt-4o-mini", template=LinearTemplate([UserTemplate("Hello."), AssistantTemplate()])).run()
