"""Loops whose turns say nothing: they wait for something, or for ever."""

from __future__ import annotations

import asyncio

import pytest
import trio

from antiphon import IfTemplate, LoopTemplate, Runner, Session, UserTemplate
from antiphon.errors import MessageLimitExceeded


def waiting(condition) -> LoopTemplate:
    return LoopTemplate([IfTemplate(lambda _: False, UserTemplate("Never."))], condition, template_id="turns")


ENDLESS = waiting(lambda _: False)


def test_a_limit_of_messages_ends_a_loop_that_says_nothing(play, answering):
    session = Session()

    with pytest.raises(
        MessageLimitExceeded, match="a loop turned 100,000 times in a row and said nothing, with max_messages=3"
    ) as caught:
        play(Runner(answering()), session, template=ENDLESS, max_messages=3)

    assert caught.value.session is session
    assert "in the template at 'turns'" in caught.value.__notes__


def test_turns_that_say_nothing_are_no_messages(play, answering):
    turns = iter(range(10))
    template = waiting(lambda _: next(turns) == 9)

    assert play(Runner(answering()), template=template, max_messages=0).messages == []


def test_a_loop_that_says_nothing_can_be_cancelled_in_asyncio(answering):
    async def program() -> None:
        async with asyncio.timeout(0.01):
            await Runner(answering()).arun(template=ENDLESS)

    with pytest.raises(TimeoutError):
        asyncio.run(program())


def test_a_loop_that_says_nothing_can_be_cancelled_in_trio(answering):
    async def program() -> bool:
        with trio.move_on_after(0.01) as scope:
            await Runner(answering()).arun(template=ENDLESS)
        return scope.cancelled_caught

    assert trio.run(program)


def test_a_loop_may_wait_for_another_task(answering):
    async def program() -> Session:
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, done.set)
        return await Runner(answering()).arun(template=waiting(lambda _: done.is_set()))

    assert asyncio.run(program()).messages == []
