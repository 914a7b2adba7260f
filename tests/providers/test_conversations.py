"""What the providers make of conversations that break a rule: each refuses, is given a translation, or takes it.

A server on this machine refuses what the real ones refuse. What a rule says of a provider is tried against it, and the
table in docs/providers.md is compared with the rules.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.anthropic import AnthropicProvider

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Runner,
    Session,
    ToolCall,
    UserTemplate,
    connect,
)
from antiphon.errors import InvalidConversation, ModelError
from antiphon.providers.connection import Connection
from antiphon.rules import PROVIDERS, RULES, Provider, Rule, violations

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def said(role: Any, content: str = "", *calls: str, answers: str | None = None, thinking: str | None = None) -> Message:
    """A message; its calls are those of the tool ``price``, by their ids."""
    tool_calls = tuple(ToolCall(id=call, name="price", arguments={"title": call}) for call in calls)
    return Message(role=role, content=content, tool_calls=tool_calls, tool_call_id=answers, thinking=thinking)


HELLO, ASKED = said("user", "Hello."), said("user", "What is Emma?")


@dataclass(frozen=True)
class Example:
    """A conversation that breaks a rule."""

    messages: list[Message]
    index: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)


EXAMPLES = {
    "calls-answered": Example([ASKED, said("assistant", "", "c1", "c2"), said("tool", "9", answers="c1"), HELLO], 1),
    "results-belong": Example([HELLO, said("tool", "9", answers="c1")], 1),
    "answered-once": Example(
        [ASKED, said("assistant", "", "c1"), said("tool", "9", answers="c1"), said("tool", "8", answers="c1")], 3
    ),
    "ids-differ": Example(
        [ASKED, said("assistant", "", "c1", "c1"), said("tool", "9", answers="c1"), said("tool", "8", answers="c1")], 1
    ),
    "user-says-something": Example([HELLO, said("assistant", "Yes?"), said("user")], 2),
    "user-is-not-blank": Example([said("user", " \n")], 0),
    "more-than-system": Example([said("system", "Greet.")], 0),
    "last-is-not-assistant": Example([HELLO, said("assistant", "Dear")], 1),
    "thinking-first": Example(
        [ASKED, said("assistant", "", "c1"), said("tool", "9", answers="c1")],
        1,
        {"anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096},
    ),
    "system-first": Example([HELLO, said("assistant", "Yes?"), said("system", "Be brief."), ASKED]),
    "system-is-not-blank": Example([said("system", " "), said("system"), HELLO]),
    "user-first": Example([said("assistant", "What do you want?"), ASKED]),
    "assistant-says-something": Example([HELLO, said("assistant"), ASKED]),
    "assistant-is-not-blank": Example([ASKED, said("assistant", "\n", "c1"), said("tool", "9", answers="c1")]),
    "calls-follow-others": Example(
        [ASKED, said("assistant", "I look."), said("assistant", "", "c1"), said("tool", "9", answers="c1")]
    ),
    "result-is-not-blank": Example([ASKED, said("assistant", "", "c1"), said("tool", "", answers="c1")]),
}
MODELS: dict[Provider, str] = {
    "openai": "openai-chat:gpt-4o-mini",
    "openai-responses": "openai-responses:gpt-4o-mini",
    "anthropic": "anthropic:claude-sonnet-4-6",
    "google": "google:gemini-3.6-flash",
}


@pytest.fixture(params=PROVIDERS)
def api(request: pytest.FixtureRequest) -> Provider:
    """A provider's API."""
    one: Provider = request.param
    return one


@pytest.fixture
def strict(provider: Any, refusals: Any, wires: Any, api: Provider) -> Any:
    """A server that plays this provider, and refuses what it refuses."""
    provider.refuses = refusals[api]
    provider.plays(wires[api].answers["text"])
    return provider


@pytest.fixture
def address(strict: Any, wires: Any, api: Provider) -> dict[str, str]:
    return {"base_url": strict.url + wires[api].root, "api_key": "dummy-key"}


def asked(api: Provider, address: Mapping[str, str], session: Session, **settings: Any) -> Message:
    model = connect(MODELS[api], **address, max_retries=0, **{"max_tokens": 100, **settings})
    return model.send(session)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_a_rule_says_of_a_provider_is_so(rule: Rule, api: Provider, strict: Any, address: Any) -> None:
    example = EXAMPLES[rule.name]
    settings = example.settings if api == "anthropic" else {}
    session = Session(messages=example.messages)

    if rule.treatments[api] != "refused":
        assert asked(api, address, session, **settings).content == "The parcel is late."
        assert len(strict.asked) == 1
        return

    with pytest.raises(InvalidConversation) as caught:
        asked(api, address, session, **settings)
    assert strict.asked == []
    assert (caught.value.rule, caught.value.index) == (rule.name, example.index)
    assert session.trace.calls[0].error is caught.value
    model = connect(MODELS[api], **address, max_retries=0, **{"max_tokens": 100, **settings})
    connection = Connection(MODELS[api], **address)  # which does not ask whether it may
    with pytest.raises(ModelError):
        connection.ask(session, model.settings)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_other_rule_is_broken_by_an_example(rule: Rule) -> None:
    example = EXAMPLES[rule.name]
    thinking = bool(example.settings)
    for provider in PROVIDERS:
        broken = {one.rule.name for one in violations(example.messages, provider, thinking=thinking)}
        assert broken <= {rule.name, "answered-once"}
        assert (rule.name in broken) is rule.holds_for(provider)


def test_the_table_of_the_page_is_what_the_rules_say() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \| (.*?) \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )

    assert rows == [(rule.name, rule.text, *rule.treatments.values()) for rule in RULES]


def test_a_conversation_without_fault_reaches_every_provider_as_it_is(api: Provider, strict: Any, address: Any) -> None:
    calling = said("assistant", "I look.", "c1", "c2")
    results = [said("tool", "9", answers="c2"), said("tool", "8", answers="c1")]
    messages = [said("system", "Be brief."), ASKED, calling, *results, said("assistant", "Nine."), HELLO]

    assert asked(api, address, Session(messages=messages)).content == "The parcel is late."


def test_an_answer_may_be_begun_where_the_provider_takes_it(api: Provider, strict: Any, address: Any) -> None:
    model = connect(MODELS[api], **address, max_retries=0, max_tokens=100)
    begun = LinearTemplate(
        [UserTemplate("Hello."), AssistantTemplate("Dear", template_id="begin"), AssistantTemplate()]
    )
    runner = Runner(model, template=begun)

    if api in {"openai", "openai-responses"}:
        assert runner.run().last.content == "The parcel is late."
        return
    for run in (
        runner.run,
        lambda: asyncio.run(runner.arun()),
        lambda: list(runner.stream()),
        lambda: streamed(runner),
    ):
        with pytest.raises(InvalidConversation, match="last-is-not-assistant") as caught:
            run()
        assert caught.value.template_path == "linear/begin"
        assert caught.value.provider == api
        assert f"model {MODELS[api]!r} was not asked by 'linear/assistant-3': {api} refuses the conversation" in str(
            caught.value
        )
    assert strict.asked == []


def streamed(runner: Runner) -> None:
    async def listen() -> None:
        async for _ in runner.astream():
            pass

    asyncio.run(listen())


OLDER = [
    *("anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5-20251001", "anthropic:claude-opus-4-5"),
    *(
        "google:gemini-2.5-flash",
        "google:gemini-3-pro-image",
        "google:gemini-3.1-pro-preview",
        "google:gemini-3.5-flash",
    ),
    *("anthropic:smollm2-135m", "google:gemma-3"),  # not of the provider's own: nothing is known of them
]
NEWER = [
    *(
        "anthropic:claude-opus-4-6",
        "anthropic:claude-sonnet-4-6",
        "anthropic:claude-sonnet-5",
        "anthropic:claude-haiku-5-5",
    ),
    *("google:gemini-3.6-flash", "google:gemini-3.5-flash-lite", "google:gemini-4-carbon"),
]


@pytest.mark.parametrize("model", [*OLDER, *NEWER])
@pytest.mark.llm_live(reason="nobody listens there: the error of the connection says that the model was asked")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_models_go_on_with_what_they_are_given(model: str) -> None:
    asked = connect(model, base_url="http://127.0.0.1:9", api_key="k", max_retries=0, max_tokens=10)
    session = Session(messages=[HELLO, said("assistant", "Dear")])

    with pytest.raises(ModelError if model in OLDER else InvalidConversation):
        asked.send(session)


def test_objects_of_pydantic_ai_have_the_rules_of_their_provider_and_those_that_hand_on_the_common_ones() -> None:
    claude = AnthropicModel("claude-sonnet-4-6", provider=AnthropicProvider(api_key="k", base_url="http://127.0.0.1:9"))
    silent = Session(messages=[said("user")])
    unanswered = Session(messages=[ASKED, said("assistant", "", "c1"), HELLO])

    for model in (connect(claude), connect(WrapperModel(claude))):
        with pytest.raises(InvalidConversation, match="anthropic refuses") as caught:
            model.send(silent)
        assert (caught.value.rule, caught.value.provider) == ("user-says-something", "anthropic")
    with pytest.raises(InvalidConversation, match="every provider refuses") as caught:
        connect(FallbackModel(claude, claude)).send(unanswered)
    assert (caught.value.rule, caught.value.provider) == ("calls-answered", None)


def test_servers_that_are_compatible_have_the_common_rules(provider: Any, wires: Any) -> None:
    provider.plays(wires["openai"].answers["text"])
    model = provider.connect(wires["openai"])

    assert model.send(Session(messages=[said("user")])).content == "The parcel is late."
    with pytest.raises(InvalidConversation) as caught:
        model.send(Session(messages=[HELLO, said("tool", "9", answers="c1")]))
    assert (caught.value.rule, caught.value.provider) == ("results-belong", None)


def test_a_result_without_the_name_of_its_tool_is_sent_with_it(provider: Any, wires: Any) -> None:
    provider.plays(wires["google"].answers["text"])
    messages = [ASKED, said("assistant", "", "c1"), said("tool", "9", answers="c1")]

    provider.connect(wires["google"]).send(Session(messages=messages))

    (sent,) = [part["functionResponse"] for part in provider.asked[0].body["contents"][-1]["parts"]]
    assert sent["name"] == "price"
