"""A session is in one run at a time."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Model,
    Observer,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    SystemTemplate,
    Template,
    TextDelta,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    observing,
    tool,
)
from antiphon.effects import AskModel
from antiphon.errors import InvalidValue, MessageLimitExceeded
from antiphon.terminal import CommandLineRunner

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


def test_of_threads_that_begin_a_run_of_one_session_at_the_same_time_one_does():
    class Patient(Model):
        """Answers when the other thread was refused; where both run, neither is."""

        def _send(self, session: Session) -> str:
            return "alone" if refused.wait(10) else "mixed"

    def begin(barrier: threading.Barrier, session: Session) -> None:
        barrier.wait(30)
        try:
            Runner(Patient(), template=TALK).run(session)
        except InvalidValue:
            refused.set()

    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(50):
                refused, barrier, session = threading.Event(), threading.Barrier(2), Session()
                list(pool.map(begin, [barrier] * 2, [session] * 2))
                assert [message.content for message in session.messages] == ["a", "alone", "b"]
    finally:
        sys.setswitchinterval(switching)


@pytest.mark.asyncio
async def test_a_session_is_in_the_run_of_one_task_at_a_time(answering):
    class Slow(answering):
        async def _asend(self, session: Session) -> str:
            await asyncio.sleep(0.01)
            return "slow"

    session, runner = Session(), Runner(Slow(), template=TALK)
    first, second = await asyncio.gather(runner.arun(session), runner.arun(session), return_exceptions=True)

    assert first is session
    assert isinstance(second, InvalidValue)
    assert [message.content for message in session.messages] == ["a", "slow", "b"]


class Nesting(Template):
    """Has another runner run its own session."""

    def __init__(self, nested: Runner) -> None:
        super().__init__()
        self.nested = nested

    def _render(self, session: Session):
        yield from self.nested.iter(session)
        return session


def test_a_run_within_a_template_of_the_same_session_is_refused_and_changes_nothing(play, answering):
    session, runner = Session(), Runner(answering())
    seen = []

    class Careful(Nesting):
        def _render(self, session: Session):
            with pytest.raises(InvalidValue, match="put it into the tree as SubroutineTemplate"):
                yield from super()._render(session)
            seen.append(session.runner)
            return session

    tree = LinearTemplate([Careful(Runner(answering(), template=TALK)), UserTemplate("x"), UserTemplate("y")])
    with pytest.raises(MessageLimitExceeded):
        play(runner, session, template=tree, max_messages=1)

    assert seen == [runner]


def test_a_run_within_a_template_of_the_session_of_a_subroutine_is_refused(play, answering):
    tree = SubroutineTemplate(Nesting(Runner(answering(), template=TALK)))

    with pytest.raises(InvalidValue, match="in a run already, at 'subroutine/nesting-1'"):
        play(Runner(answering()), template=tree)


def test_a_run_within_a_tool_of_the_same_session_is_refused_and_one_of_its_own_is_fine(play, answering):
    session = Session()

    def ask_again() -> str:
        """Asks again."""
        return Runner(answering(), template=TALK).run(session).last.content

    def ask_anew() -> str:
        """Asks anew."""
        return Runner(answering(), template=TALK).run().last.content

    calls = (ToolCall(id="1", name="ask_again"), ToolCall(id="2", name="ask_anew"))
    runner = Runner(answering(Reply(tool_calls=calls), "done"))
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([ask_again, ask_anew])])
    play(runner, session, template=tree)

    again, anew = (message.content for message in session.messages if message.role == "tool")
    assert "the session is in a run already" in again
    assert anew == "b"
    assert session.runner is runner


def test_a_subroutines_session_that_was_kept_can_be_run_afterwards(play, answering):
    class Keeping(Observer):
        def on_subroutine_exit(self, event):
            self.child = event.child

    with observing(Keeping()) as keeping:
        play(Runner(answering()), template=SubroutineTemplate(TALK))

    play(Runner(answering()), keeping.child, template=SystemTemplate("more"))
    assert keeping.child.last.content == "more"


def test_a_session_that_a_transform_has_replaced_can_be_run_afterwards(play, answering):
    first = Session()
    other = play(Runner(answering()), first, template=SystemTemplate("x", after_transform=lambda session: Session()))

    assert other is not first
    assert play(Runner(answering()), first, template=SystemTemplate("y")).last.content == "y"


def test_a_run_that_cannot_even_begin_leaves_the_session_free(monkeypatch, answering):
    session, runner = Session(), CommandLineRunner(answering(), template=TALK)
    with monkeypatch.context() as without_output:
        without_output.setattr("sys.stdout", None)
        with pytest.raises(AttributeError):
            asyncio.run(runner.arun(session))

    assert Runner(answering("a"), template=TALK).run(session) is session


def test_a_stream_of_an_earlier_run_that_is_closed_late_leaves_the_question_of_this_one():
    class Closing(Model):
        earlier = None

        def _stream(self, session):
            yield "Yes"
            yield "."

        def _send(self, session):
            if self.earlier is not None:
                self.earlier.close()
            return session.request.tools[0].name

    @tool
    def look() -> str:
        """Look."""

    model, session = Closing(), Session(messages=[Message(role="user", content="Hi")])
    model.earlier = AskModel(model, session, "direct").stream()
    next(model.earlier)

    assert Runner(model).run(session, template=ToolingTemplate(tools=[look])).last.content == "look"
