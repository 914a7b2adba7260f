"""Squash strategies that ask a model."""

from __future__ import annotations

import asyncio

import pytest

from antiphon import (
    LinearTemplate,
    LLMFilteringStrategy,
    LLMSummarizingStrategy,
    LoopTemplate,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    UserTemplate,
)
from antiphon.errors import BadAnswer

BOTH = pytest.mark.parametrize("strategy", [LLMFilteringStrategy, LLMSummarizingStrategy])
TALK = LinearTemplate([SystemTemplate("zero"), UserTemplate("one"), UserTemplate("two")])


def sub(strategy, **options) -> SubroutineTemplate:
    return SubroutineTemplate(TALK, "sub", squash_strategy=strategy, **options)


@pytest.mark.parametrize(
    ("answer", "returned"),
    [
        ("0,2", ["zero", "two"]),
        ("1", ["one"]),
        (" 2, 0 ", ["zero", "two"]),
        ("[0, 1]", ["zero", "one"]),
        ("1.", ["one"]),
        ("1,1", ["one"]),
        ("none", []),
        ("None.", []),
    ],
)
def test_filtering_returns_the_messages_whose_indices_the_model_names(answer, returned, play, answering, contents):
    assert contents(play(Runner(answering(answer)), template=sub(LLMFilteringStrategy()))) == returned


@pytest.mark.parametrize("answer", ["3", "0,7", "the last", "", "-1", "0-2", "1 and 2", "0,2 because"])
def test_an_answer_that_is_no_list_of_indices_is_a_bad_answer_that_shows_it(answer, play, answering):
    with pytest.raises(BadAnswer) as caught:
        play(Runner(answering(answer, name="m")), template=sub(LLMFilteringStrategy()))

    assert repr(answer) in str(caught.value)
    assert "messages 0 to 2" in str(caught.value)
    assert (caught.value.model, caught.value.template_path) == ("m", "sub")


def test_filtering_shows_every_message_with_its_index(play, answering):
    model = answering("0")
    play(Runner(model), template=sub(LLMFilteringStrategy()))

    ((role, prompt),) = model.heard[0]
    assert role == "user"
    assert "[0] system: zero\n[1] user: one\n[2] user: two" in prompt


def test_summarizing_returns_one_message_of_the_assistant(play, answering):
    model = answering("in short", name="m")
    session = play(Runner(model), template=sub(LLMSummarizingStrategy()))

    (summary,) = session.messages
    assert (summary.role, summary.content, summary.model, summary.template_path) == (
        "assistant",
        "in short",
        "m",
        "sub",
    )
    assert "system: zero\nuser: one\nuser: two" in model.heard[0][0][1]


@BOTH
def test_the_prompt_can_be_given_and_braces_in_messages_are_left_alone(strategy, play, answering):
    model = answering("0")
    chosen = strategy(prompt="Look: {conversation} {other} {{ x }}")
    tree = SubroutineTemplate(UserTemplate("{conversation} {0}", disable_jinja=True), squash_strategy=chosen)

    play(Runner(model), template=tree)

    ((_, prompt),) = model.heard[0]
    assert prompt.startswith("Look: ")
    assert prompt.endswith("user: {conversation} {0} {other} {{ x }}")


@BOTH
def test_a_prompt_without_the_conversation_is_refused(strategy):
    with pytest.raises(ValueError, match=r"lacks \{conversation\}"):
        strategy(prompt="Summarise.")


@BOTH
@pytest.mark.parametrize("wrong", [42, ["m"], object])
def test_what_is_no_model_is_refused(strategy, wrong):
    with pytest.raises(TypeError, match="takes a Model or a name"):
        strategy(wrong)


@BOTH
def test_a_name_is_accepted_for_a_model(strategy):
    assert strategy("openai:gpt-4o-mini").model.name == "openai:gpt-4o-mini"


@BOTH
def test_a_strategys_own_model_is_asked_and_shared_not_copied(strategy, play, answering):
    own, default, seen = answering("0", name="own"), answering(name="default"), []

    class Looking(strategy):
        def squash(self, messages):
            seen.append(self.model)
            return super().squash(messages)

    chosen = Looking(own)

    session = play(Runner(default), template=LoopTemplate([sub(chosen)], exit_loop_count=2))

    assert session.trace.models == {"sub": ["own", "own"]}
    assert [call.origin for call in session.trace.calls] == [own, own]
    assert (len(own.heard), default.heard) == (2, [])
    assert seen == [own, own]
    assert chosen.model is own
    assert not hasattr(chosen, "child_session")


@BOTH
def test_without_a_model_the_subroutines_runner_is_asked(strategy, play, answering):
    own, default = answering("0", name="own"), answering(name="default")

    session = play(Runner(default), template=sub(strategy(), model=own))

    assert session.trace.models == {"sub": ["own"]}
    assert session.trace.calls[0].chosen_by == "subroutine"
    assert default.heard == []


@BOTH
def test_the_call_is_traced_under_the_subroutines_path_one_level_deeper(strategy, play, answering):
    tree = LinearTemplate([LoopTemplate([sub(strategy())], exit_loop_count=2, template_id="turns")])

    session = play(Runner(answering("0")), template=tree)

    assert [call.template_path for call in session.trace.calls] == ["linear/turns@1/sub", "linear/turns@2/sub"]
    assert [call.depth for call in session.trace.calls] == [1, 1]


@BOTH
def test_a_subroutine_that_said_nothing_asks_nobody(strategy, play, answering):
    model = answering()

    session = play(Runner(model), template=SubroutineTemplate(LinearTemplate([]), squash_strategy=strategy()))

    assert (session.messages, model.heard) == ([], [])


@BOTH
def test_without_any_model_the_runner_is_not_set(strategy, rendered):
    with pytest.raises(ValueError, match="runner is not set"):
        rendered(sub(strategy()), Session())


@BOTH
def test_what_the_model_raises_arrives_unwrapped_and_the_parent_is_as_before(strategy, play, answering):
    session = Session()

    with pytest.raises(RuntimeError, match="down"):
        play(Runner(answering(RuntimeError("down"))), session, template=sub(strategy()))

    assert session.messages == []
    assert isinstance(session.trace.calls[0].error, RuntimeError)


@BOTH
@pytest.mark.asyncio
async def test_a_strategys_question_does_not_block_the_event_loop(strategy, answering):
    released = asyncio.Event()

    class Waiting(answering):
        async def _asend(self, session: Session) -> str:
            await released.wait()
            return "0"

    running = asyncio.ensure_future(Runner(Waiting()).arun(template=sub(strategy())))
    for _ in range(5):
        await asyncio.sleep(0)
    released.set()

    assert len((await running).messages) == 1
