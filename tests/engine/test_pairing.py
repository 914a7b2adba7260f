"""Whatever part of a conversation a strategy takes, calls of tools and their results stay together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon import (
    FilterByRoleStrategy,
    FilteredInheritStrategy,
    LastMessageStrategy,
    LastNMessagesStrategy,
    LLMFilteringStrategy,
    LLMSummarizingStrategy,
    Message,
    Role,
    Runner,
    Session,
    SubroutineTemplate,
    Template,
    ToolCall,
)
from antiphon.pairing import paired

ROLES: list[Role] = ["system", "user", "assistant", "tool"]


def user(text: str = "Emma?") -> Message:
    return Message(role="user", content=text)


def calls(*ids: str, text: str = "") -> Message:
    return Message(
        role="assistant",
        content=text,
        tool_calls=tuple(ToolCall(id=one, name="price", arguments={"title": one}) for one in ids),
    )


def result(id: str) -> Message:  # noqa: A002
    return Message(role="tool", content=f"{id} costs 9", tool_call_id=id)


def says(text: str = "Nine.") -> Message:
    return Message(role="assistant", content=text)


TALK = [user(), calls("a", "b", text="I look."), result("a"), result("b"), says()]


def shown(messages: list[Message]) -> list[str]:
    return [
        "+".join([message.content or message.role, *(f"?{call.id}" for call in message.tool_calls)])
        for message in messages
    ]


@pytest.mark.parametrize(
    ("roles", "left"),
    [
        (["assistant"], ["I look.", "Nine."]),
        (["tool"], ["assistant+?a+?b", "a costs 9", "b costs 9"]),
        (["user", "tool"], ["Emma?", "assistant+?a+?b", "a costs 9", "b costs 9"]),
        (["assistant", "tool"], ["I look.+?a+?b", "a costs 9", "b costs 9", "Nine."]),
        ([], []),
    ],
)
def test_a_role_is_filtered_with_what_belongs_to_it(roles: list[Role], left: list[str]) -> None:
    assert shown(FilterByRoleStrategy(roles).squash(list(TALK))) == left


@pytest.mark.parametrize(
    ("n", "left"),
    [
        (1, ["Nine."]),
        (2, ["Nine."]),
        (3, ["Nine."]),
        (4, ["I look.+?a+?b", "a costs 9", "b costs 9", "Nine."]),
        (9, ["Emma?", "I look.+?a+?b", "a costs 9", "b costs 9", "Nine."]),
    ],
)
def test_the_last_messages_begin_with_no_result(n: int, left: list[str]) -> None:
    parent = Session(messages=TALK)

    assert shown(LastNMessagesStrategy(n).initialize(parent).messages) == left
    assert parent.messages == TALK


def test_a_call_that_has_no_result_yet_is_not_inherited() -> None:
    parent = Session(messages=[user(), calls("a", "b"), result("a")])

    assert shown(LastNMessagesStrategy(3).initialize(parent).messages) == ["Emma?", "assistant+?a", "a costs 9"]
    everything = FilteredInheritStrategy(lambda message: True)
    assert shown(everything.initialize(parent).messages) == ["Emma?", "assistant+?a", "a costs 9"]


def test_a_filter_that_chooses_a_result_gets_its_call() -> None:
    of_b = FilteredInheritStrategy(lambda message: message.tool_call_id == "b")

    assert shown(of_b.initialize(Session(messages=TALK)).messages) == ["assistant+?b", "b costs 9"]


def test_a_last_message_that_is_a_result_brings_its_call() -> None:
    assert shown(LastMessageStrategy().squash(TALK[:3])) == ["assistant+?a", "a costs 9"]
    assert LastMessageStrategy().squash([]) == []
    assert LastMessageStrategy().squash(TALK) == [TALK[-1]]


class Talk(Template):
    def _render(self, session):
        yield from TALK
        return session


def test_models_that_choose_or_sum_up_see_the_calls_and_results_stay_with_them(play, answering) -> None:
    chooser, summarizer = answering("3"), answering("Nine.")
    chosen = play(Runner(chooser), template=SubroutineTemplate(Talk(), squash_strategy=LLMFilteringStrategy()))
    play(Runner(summarizer), template=SubroutineTemplate(Talk(), squash_strategy=LLMSummarizingStrategy()))

    assert shown(chosen.messages) == ["assistant+?b", "b costs 9"]
    assert "[1] assistant: I look. price(title='a') price(title='b')" in chooser.heard[0][0][1]
    assert "assistant: I look. price(title='a') price(title='b')" in summarizer.heard[0][0][1]


@given(data=st.data(), sizes=st.lists(st.integers(0, 3), max_size=4))
def test_any_choice_of_a_conversation_is_one(data: st.DataObject, sizes: list[int]) -> None:
    talk: list[Message] = []
    for turn, size in enumerate(sizes):
        ids = [f"{turn}-{number}" for number in range(size)]
        talk += [user(), calls(*ids, text="I look." if turn % 2 else ""), *map(result, ids)]
    chosen = data.draw(st.sets(st.integers(0, max(len(talk) - 1, 0))))

    kept = paired(talk, chosen)

    waiting: list[str | None] = []
    for message in kept:
        if message.role == "tool":
            waiting.remove(message.tool_call_id)
        else:
            assert waiting == []
            waiting = [call.id for call in message.tool_calls]
    assert waiting == []
    wanted = [talk[index] for index in sorted(chosen) if index < len(talk) and talk[index].role in ("user", "tool")]
    assert [message for message in kept if message.role != "assistant"] == wanted
    assert paired(kept, range(len(kept))) == kept
