"""What a conversation must be like: rules as values, and what is remembered of a conversation that was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from antiphon import (
    FilterByRoleStrategy,
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
)
from antiphon.errors import InvalidConversation
from antiphon.messages import ProviderData
from antiphon.rules import PROVIDERS, RULES, Provider, Reading, check_conversation, takes_prefill, violations

USER = Message(role="user", content="What is Emma?")


def calls(*ids: str, **fields: Any) -> Message:
    return Message(role="assistant", tool_calls=tuple(ToolCall(id=one, name="price") for one in ids), **fields)


def result(of: str) -> Message:
    return Message(role="tool", content="9 euros", tool_call_id=of)


def broken(messages: list[Message], provider: Provider | None = None, **options: bool) -> list[tuple[str, int]]:
    return [(one.rule.name, one.index) for one in violations(messages, provider, **options)]


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([USER, calls("a", "b"), result("b"), result("a"), USER], []),
        ([calls("a"), result("a"), calls("a"), result("a")], []),
        ([USER, calls("a", "b"), result("a")], [("calls-answered", 1)]),
        ([USER, calls("a"), USER, result("a")], [("calls-answered", 1), ("results-belong", 3)]),
        (
            [calls("a"), Message(role="system", content="x"), result("a")],
            [("calls-answered", 0), ("results-belong", 2)],
        ),
        ([calls("a"), calls("b"), result("b")], [("calls-answered", 0)]),
        ([USER, Message(role="tool", content="9")], [("results-belong", 1)]),
        ([calls("a"), result("a"), result("a")], [("answered-once", 2)]),
        ([calls("a", "a"), result("a"), result("a")], [("ids-differ", 0), ("answered-once", 2)]),
        ([], []),
        ([Message(role="system", content="x")], []),
        ([Message(role="user")], []),
        ([USER, Message(role="assistant", content="Well")], []),
    ],
)
def test_what_every_provider_refuses_is_found_with_its_place(messages, found):
    assert broken(messages) == found


def test_a_violation_names_the_template_and_what_it_said():
    (violation,) = violations([USER, calls("a", template_path="shop/look"), USER])

    assert violation.template_path == "shop/look"
    assert violation.text == (
        "messages[1] of the assistant, said by 'shop/look', calls price ('a'), and no result comes next"
    )


def test_every_rule_says_where_it_comes_from_and_what_to_do_where_it_is_refused():
    for rule in RULES:
        assert "https://" in rule.source
        assert tuple(rule.treatments) == PROVIDERS
        assert bool(rule.remedy) is ("refused" in rule.treatments.values())
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_thinking_is_what_anthropic_has_signed():
    def thought(provider: str, **part: str) -> Message:
        data = ProviderData(provider=provider, answer={"parts": [{"part_kind": "thinking", **part}]})
        return calls("a", thinking="I look.", provider_data=data)

    def found(message: Message, **options: bool) -> list[tuple[str, int]]:
        return broken([USER, message, result("a")], "anthropic", **options)

    assert found(thought("anthropic", signature="x"), thinking=True) == []
    assert found(thought("anthropic"), thinking=True) == [("thinking-first", 1)]
    assert found(thought("openai", signature="x"), thinking=True) == [("thinking-first", 1)]
    assert found(calls("a")) == []
    assert broken([USER, calls("a"), result("a"), USER], "anthropic", thinking=True) == []


def test_blank_texts_are_those_of_users_alone():
    for provider, found in {"anthropic": [("user-is-not-blank", 0)], "google": [], "openai": []}.items():
        assert broken([Message(role="user", content=" ")], provider) == found


def test_of_a_provider_that_is_not_known_nothing_more_is_demanded():
    assert takes_prefill(None, "anything")
    assert broken([Message(role="user")], None) == []


CHANGES: list[Callable[[list[Message]], object]] = [
    lambda messages: messages.pop(),
    lambda messages: messages.__delitem__(-1),
    lambda messages: messages.remove(messages[-1]),
    lambda messages: messages.__setitem__(-1, USER),
    lambda messages: messages.insert(2, USER),
    lambda messages: messages.reverse(),
    lambda messages: messages.__setitem__(slice(None), messages[:-1]),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_read_is_forgotten_when_a_conversation_changes_other_than_at_its_end(change):
    session = Session(messages=[USER, calls("a"), result("a")])
    check_conversation(session, "m")
    change(session.messages)
    session.append(USER)

    with pytest.raises(InvalidConversation, match=r"model 'm' was not asked: every provider refuses the conversation"):
        check_conversation(session, "m")


def test_only_what_is_new_is_read(monkeypatch):
    read: list[Message] = []
    reading = Reading._read
    monkeypatch.setattr(Reading, "_read", lambda self, message: (read.append(message), reading(self, message)))
    session = Session()

    for _ in range(100):
        session.append(USER)
        check_conversation(session, "m", "google")
        session.append(Message(role="assistant", content="9 euros"))

    assert len(read) == len(session.messages) - 1


def test_a_copy_of_a_session_is_read_on_its_own():
    session = Session(messages=[USER])
    check_conversation(session, "m")
    copy = session.model_copy(deep=True)
    copy.append(calls("a"))
    session.append(USER)

    check_conversation(session, "m")
    with pytest.raises(InvalidConversation):
        check_conversation(copy, "m")


@pytest.mark.parametrize("roles", [["assistant"], ["tool"], ["user", "assistant"]])
def test_a_message_that_lost_some_of_its_calls_is_not_yielded_anew(roles, answering):
    def price() -> str:
        """Tells a price."""
        return "9 euros"

    asked = Reply("I look.", tool_calls=(ToolCall(id="a", name="price"),))
    inner = LinearTemplate([UserTemplate("?"), ToolingTemplate([price])])
    template = SubroutineTemplate(inner, squash_strategy=FilterByRoleStrategy(roles))

    yielded = [message.role for message in Runner(answering(asked, "Nine.")).iter(template=template)]

    assert yielded == ["user", "assistant", "tool", "assistant"]
