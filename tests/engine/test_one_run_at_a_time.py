"""A session is in one run at a time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Model, Runner, Session, SystemTemplate, TextDelta, UserTemplate

TALK = LinearTemplate([UserTemplate("a"), AssistantTemplate(), UserTemplate("b")])


def test_a_session_that_is_left_in_the_middle_of_a_run_is_not_run_again(answering):
    session = Session()
    template = LinearTemplate([SystemTemplate("a"), SystemTemplate("b")])
    steps = Runner(answering()).iter(session, template=template)
    next(steps)

    with pytest.raises(ValueError, match="in the middle of a run, at 'linear/system-1'"):
        Runner(answering()).run(session, template=template)

    steps.close()
    assert Runner(answering()).run(session, template=template) is session


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_session_that_is_left_while_a_model_speaks_is_not_run_again(way, answering):
    session, runner = Session(), Runner(answering("a"))

    async def leave() -> None:
        async with aclosing(runner.astream(session, template=TALK)) as steps:
            async for step in steps:
                if isinstance(step, TextDelta):
                    runner.run(session, template=TALK)

    def leave_at_once() -> None:
        for step in runner.stream(session, template=TALK):
            if isinstance(step, TextDelta):
                runner.run(session, template=TALK)

    with pytest.raises(ValueError, match="in the middle of a run, at '"):
        leave_at_once() if way == "stream" else asyncio.run(leave())

    assert runner.run(session, template=SystemTemplate("b")).last.content == "b"


def test_a_session_is_in_one_run_at_a_time(answering):
    session = Session()

    class Greedy(Model):
        def _send(self, session: Session) -> str:
            Runner(answering()).run(session, template=TALK)
            return "never"

    with pytest.raises(ValueError, match=r"in a run already, at '.*': a run needs a session of its own"):
        Runner(Greedy()).run(session, template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))

    assert Runner(answering("a")).run(session, template=TALK) is session


def test_a_session_is_in_the_run_of_one_thread_at_a_time(answering):
    session, begun, done = Session(), threading.Event(), threading.Event()

    class Slow(Model):
        def _send(self, session: Session) -> str:
            begun.set()
            done.wait(30)
            return "slow"

    with ThreadPoolExecutor() as pool:
        first = pool.submit(Runner(Slow(), template=TALK).run, session)
        begun.wait(30)
        with pytest.raises(ValueError, match="in a run already"):
            Runner(answering(), template=TALK).run(session)
        done.set()

    assert [message.content for message in first.result().messages] == ["a", "slow", "b"]
