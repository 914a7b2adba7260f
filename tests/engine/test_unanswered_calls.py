"""However a round of tools is left, every call in the session has its result: the conversation can go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Observer,
    Reply,
    Runner,
    Session,
    Tool,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    observing,
    tool,
)
from antiphon.errors import MessageLimitExceeded, ToolRoundsExceeded

NOT_RUN, STOPPED = "Not run: the run was {}.", "Stopped before its end: the run was {}."


@tool
def look() -> str:
    """Looks."""
    return "seen"


@tool
async def wait() -> str:
    """Waits for ever."""
    await asyncio.get_running_loop().create_future()
    return "never"


@tool
def press() -> str:
    """Is interrupted."""
    raise KeyboardInterrupt


@tool
def leave() -> str:
    """Leaves."""
    raise SystemExit(3)


@tool(reraise=True)
def explode() -> str:
    """Explodes."""
    raise OSError("boom")


TOOLS = (look, wait, press, leave, explode)


def asking(*names: str) -> Reply:
    return Reply(tool_calls=tuple(ToolCall(id=str(number), name=name) for number, name in enumerate(names, 1)))


def tree(*tools: Any) -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate(tools or TOOLS)])


def told(session: Session) -> list[tuple[str | None, str]]:
    return [(message.tool_call_id, message.content) for message in session.messages if message.role == "tool"]


def assert_goes_on(session: Session, runner: Runner) -> None:
    """Saved, read again, and continued: every call stands before its results, and each result behind its call."""
    again = Session.model_validate_json(session.model_dump_json())
    runner.run(again, template=LinearTemplate([UserTemplate("Are you there?"), AssistantTemplate()]))
    waiting: list[str] = []
    for message in again.messages:
        if message.role == "tool":
            waiting.remove(str(message.tool_call_id))
        else:
            assert not waiting
            waiting = [call.id for call in message.tool_calls]
    assert again.messages[-2].content == "Are you there?"


async def _cancelled(steps: Any) -> None:
    async with asyncio.timeout(0.05):
        await steps


async def _through(steps: Any) -> None:
    async with aclosing(steps):
        async for _ in steps:
            pass


@pytest.mark.parametrize(
    "play",
    [
        lambda runner, session: _cancelled(runner.arun(session)),
        lambda runner, session: _cancelled(_through(runner.aiter(session))),
        lambda runner, session: _cancelled(_through(runner.astream(session))),
    ],
    ids=["arun", "aiter", "astream"],
)
def test_a_run_that_is_cancelled(play: Callable[[Runner, Session], Any], answering):
    session, runner = Session(), Runner(answering(asking("look", "wait", "look"), "Yes."), template=tree())

    with pytest.raises(TimeoutError):
        asyncio.run(play(runner, session))

    assert told(session) == [("1", "seen"), ("2", STOPPED.format("cancelled")), ("3", NOT_RUN.format("cancelled"))]
    assert [(run.tool, run.result) for run in session.trace.tools] == [
        ("look", "seen"),
        ("wait", STOPPED.format("cancelled")),
    ]
    assert isinstance(session.trace.tools[1].error, asyncio.CancelledError)
    assert_goes_on(session, runner)


@pytest.mark.parametrize(("name", "kind"), [("press", KeyboardInterrupt), ("leave", SystemExit)])
@pytest.mark.parametrize("way", ["run", "iter", "stream"])
def test_a_run_that_is_interrupted(name, kind, way, answering):
    session, runner = Session(), Runner(answering(asking("look", name, "look"), "Yes."), template=tree())

    with pytest.raises(kind):
        list(getattr(runner, way)(session))

    assert told(session) == [("1", "seen"), ("2", STOPPED.format("interrupted")), ("3", NOT_RUN.format("interrupted"))]
    assert_goes_on(session, runner)


@pytest.mark.parametrize("way", ["iter", "stream"])
@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_iterator_that_is_closed(way, after, answering):
    session, runner = Session(), Runner(answering(asking("look", "look"), "Yes."), template=tree())

    with closing(getattr(runner, way)(session)) as steps:
        said = (step for step in steps if isinstance(step, Message))
        for _ in range(1 + after):
            next(said)

    seen = after - 1
    assert told(session) == [(str(n), "seen" if n <= seen else NOT_RUN.format("closed")) for n in (1, 2)]
    assert_goes_on(session, runner)


def test_an_iterator_that_is_closed_in_an_event_loop(answering):
    session, runner = Session(), Runner(answering(asking("look", "look"), "Yes."), template=tree())

    async def leaves_early() -> None:
        async with aclosing(runner.aiter(session)) as steps:
            async for step in steps:
                if isinstance(step, Message) and step.role == "tool":
                    break

    asyncio.run(leaves_early())

    assert told(session) == [("1", "seen"), ("2", NOT_RUN.format("closed"))]
    assert_goes_on(session, runner)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_limit_of_messages(most, play, answering):
    session, runner = Session(), Runner(answering(asking("look", "look", "look"), "Yes."), template=tree())

    with pytest.raises(MessageLimitExceeded):
        play(runner, session, max_messages=most)

    seen = max(most - 1, 0)
    failed = "Not run: the run failed with MessageLimitExceeded."
    assert told(session) == [(str(n), "seen" if n <= seen else failed) for n in (1, 2, 3)]
    assert_goes_on(session, runner)


def test_an_error_that_is_raised_on(play, answering):
    session, runner = Session(), Runner(answering(asking("explode", "look"), "Yes."), template=tree())

    with pytest.raises(OSError, match="boom"):
        play(runner, session)

    assert told(session) == [("1", "Error: OSError: boom"), ("2", "Not run: the conversation has ended.")]
    assert_goes_on(session, runner)


def test_a_call_beyond_the_last_round_is_not_in_the_session(play, answering):
    session, runner = Session(), Runner(answering(asking("look")))

    with pytest.raises(ToolRoundsExceeded):
        play(runner, session, template=LinearTemplate([UserTemplate("Hi"), ToolingTemplate([look], max_rounds=1)]))

    assert told(session) == [("1", "seen")]


def test_a_subroutine_that_is_cancelled_within_a_tool(answering):
    inner = LinearTemplate([UserTemplate("{{ request }}"), ToolingTemplate([wait])])
    ask = Tool.from_template("ask", "Asks.", inner)
    call = Reply(tool_calls=(ToolCall(id="1", name="ask", arguments={"request": "x"}), ToolCall(id="2", name="look")))
    session, runner = Session(), Runner(answering(call, asking("wait"), "Yes."), template=tree(ask, look))

    with pytest.raises(TimeoutError):
        asyncio.run(_cancelled(runner.arun(session)))

    assert told(session) == [("1", STOPPED.format("cancelled")), ("2", NOT_RUN.format("cancelled"))]
    assert_goes_on(session, runner)


def test_an_observer_that_raises(play, answering):
    class Failing(Observer):
        def on_tool_run(self, run: object) -> None:
            raise OSError("disk full")

    session, runner = Session(), Runner(answering(asking("look", "look"), "Yes."), template=tree())

    with observing(Failing()), pytest.raises(OSError, match="disk full"):
        play(runner, session)

    assert told(session) == [("1", "seen"), ("2", "Not run: the run failed with OSError.")]
    assert_goes_on(session, runner)


def test_after_transforms_see_the_results(answering):
    seen: list[list[tuple[str | None, str]]] = []

    def note(session: Session) -> Session:
        seen.append(told(session))
        return session

    template = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([wait], after_transform=note)])

    with pytest.raises(TimeoutError):
        asyncio.run(_cancelled(Runner(answering(asking("wait")), template=template).arun()))

    assert seen == [[("1", STOPPED.format("cancelled"))]]
