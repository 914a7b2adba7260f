"""Conversations played step by step, and left before their end."""

from __future__ import annotations

import asyncio
import gc

import pytest

from antiphon import (
    AssistantTemplate,
    FilterByRoleStrategy,
    LinearTemplate,
    LLMSummarizingStrategy,
    LoopTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    UserTemplate,
)

TALK = LinearTemplate([UserTemplate("a"), AssistantTemplate(), UserTemplate("b")])


def test_every_message_is_yielded_when_it_was_said(answering):
    session = Session()
    seen = []
    for message in Runner(answering(), template=TALK).iter(session):
        assert session.last is message
        seen.append(message.content)

    assert seen == ["a", "ok", "b"]


@pytest.mark.asyncio
async def test_every_message_is_yielded_when_it_was_said_async(answering):
    session = Session()
    seen = []
    async for message in Runner(answering(), template=TALK).aiter(session):
        assert session.last is message
        seen.append(message.content)

    assert seen == ["a", "ok", "b"]


def test_nothing_is_asked_before_the_step_that_needs_it(answering):
    model = answering()
    steps = Runner(model, template=TALK).iter()

    next(steps)
    assert model.heard == []
    next(steps)
    assert len(model.heard) == 1


def test_the_session_is_the_return_value_of_iter(answering):
    session = Session()
    steps = Runner(answering(), template=LinearTemplate([])).iter(session)

    with pytest.raises(StopIteration) as caught:
        next(steps)

    assert caught.value.value is session


def test_messages_of_subroutines_are_shown_once_when_the_child_says_them(steps, answering):
    inner = LinearTemplate([UserTemplate("x"), AssistantTemplate()])
    every = SubroutineTemplate(inner, squash_strategy=FilterByRoleStrategy(["user", "assistant"]))

    shown = steps(Runner(answering(), template=LinearTemplate([every, UserTemplate("after")])))

    assert [message.content for message in shown] == ["x", "ok", "after"]


def test_a_message_that_only_the_squash_strategy_says_is_shown_too(steps, answering):
    tree = SubroutineTemplate(UserTemplate("x"), squash_strategy=LLMSummarizingStrategy())

    assert [message.content for message in steps(Runner(answering("in short"), template=tree))] == ["x", "in short"]


def test_steps_and_runs_say_the_same(steps, play, answering):
    tree = LoopTemplate([TALK, SubroutineTemplate(TALK)], exit_loop_count=2)

    shown = steps(Runner(answering(), template=tree))
    session = play(Runner(answering(), template=LoopTemplate([TALK], exit_loop_count=2)))

    assert [m.content for m in shown] == ["a", "ok", "b"] * 4
    assert [m.content for m in session.messages] == ["a", "ok", "b"] * 2


def test_an_error_comes_out_of_the_step_that_failed(answering):
    steps = Runner(answering(RuntimeError("down")), template=TALK).iter()

    assert next(steps).content == "a"
    with pytest.raises(RuntimeError, match="down"):
        next(steps)
    assert list(steps) == []


def test_a_closed_run_says_nothing_more_and_leaves_the_session_usable(answering, contents):
    session, runner = (
        Session(),
        Runner(answering(), template=LoopTemplate([SubroutineTemplate(TALK)], exit_loop_count=1)),
    )
    steps = runner.iter(session)
    next(steps)
    steps.close()

    assert list(steps) == []
    assert (session.messages, session.template_path) == ([], None)
    assert contents(runner.run(session)) == ["b"]


def test_a_run_that_is_dropped_is_closed(answering):
    session = Session()
    next(Runner(answering(), template=TALK).iter(session))
    gc.collect()

    assert session.template_path is None


def test_a_run_that_was_never_begun_changes_nothing(answering):
    session = Session()
    Runner(answering(), template=TALK).iter(session).close()

    assert (session.messages, session.template_path) == ([], None)


@pytest.mark.asyncio
async def test_an_async_run_that_is_closed_leaves_the_session_usable(answering, contents):
    session, runner = Session(), Runner(answering(), template=SubroutineTemplate(TALK))
    steps = runner.aiter(session)
    await anext(steps)
    await steps.aclose()

    assert (session.messages, session.template_path) == ([], None)
    assert contents(await runner.arun(session)) == ["b"]


class Stuck:
    """Makes a model that never answers, and says when it was asked."""

    def __init__(self, base: type) -> None:
        self.asked = asyncio.Event()
        asked = self.asked

        class StuckModel(base):
            async def _asend(self, session: Session) -> str:
                asked.set()
                await asyncio.Event().wait()

        self.model = StuckModel(name="stuck")


@pytest.mark.asyncio
async def test_a_cancelled_run_ends_with_its_call_recorded_and_the_session_usable(answering):
    stuck, session = Stuck(answering), Session()
    running = asyncio.ensure_future(Runner(stuck.model, template=SubroutineTemplate(TALK)).arun(session))
    await stuck.asked.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running

    (call,) = session.trace.calls
    assert isinstance(call.error, asyncio.CancelledError)
    assert (session.messages, session.template_path) == ([], None)
    assert len((await Runner(answering(), template=TALK).arun(session)).messages) == 3


@pytest.mark.asyncio
async def test_a_run_can_be_given_a_time_limit(answering):
    stuck, session = Stuck(answering), Session()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Runner(stuck.model, template=TALK).arun(session), 0.01)

    assert [message.content for message in session.messages] == ["a"]
    assert session.template_path is None


def test_the_return_value_is_the_session_that_a_transform_returned(answering):
    other = Session(messages=[Message(role="user", content="other")])
    steps = Runner(answering(), template=UserTemplate("x", after_transform=lambda session: other)).iter()
    next(steps)

    with pytest.raises(StopIteration) as caught:
        next(steps)

    assert caught.value.value is other
