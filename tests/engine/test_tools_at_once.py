"""Async tools of one answer run at the same time in an event loop; results stand in the order of the calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

import pytest
import trio

from antiphon import (
    AssistantTemplate,
    Farewell,
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    Tool,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import InvalidValue


async def _through(steps: Any) -> None:
    async with aclosing(steps):
        async for _ in steps:
            pass


Arun = Callable[[Runner, Session], Coroutine[Any, Any, Any]]
WAYS: dict[str, Arun] = {
    "arun": lambda runner, session: runner.arun(session),
    "aiter": lambda runner, session: _through(runner.aiter(session)),
    "astream": lambda runner, session: _through(runner.astream(session)),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def aplay(request: pytest.FixtureRequest) -> Arun:
    return request.param


def asking(*names: str) -> Reply:
    return Reply(tool_calls=tuple(ToolCall(id=str(number), name=name) for number, name in enumerate(names, 1)))


def tree(*tools: Any) -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), ToolingTemplate(tools, template_id="tools")])


def told(session: Session) -> list[tuple[str | None, str]]:
    return [(message.tool_call_id, message.content) for message in session.messages if message.role == "tool"]


def meeting(*names: str, fails: str | None = None) -> tuple[list[Tool[..., Any]], list[str]]:
    """Async tools that wait until all of them have begun, and end last one first; and what they did."""
    events: list[str] = []
    begun = asyncio.Event()

    def one(name: str) -> Tool[..., Any]:
        async def work() -> str:
            events.append(f"{name} begins")
            if len(events) == len(names):
                begun.set()
            await begun.wait()
            for _ in range(len(names) - names.index(name)):
                await asyncio.sleep(0)
            events.append(f"{name} ends")
            if name == fails:
                raise LookupError(name)
            return name

        return Tool(work, name=name, description="Works.")

    return [one(name) for name in names], events


def test_they_run_at_the_same_time_and_are_told_in_the_order_of_the_calls(aplay, answering):
    tools, events = meeting("a", "b", "c")
    session = Session()

    asyncio.run(aplay(Runner(answering(asking("a", "b", "c"), "ok"), template=tree(*tools)), session))

    assert events == ["a begins", "b begins", "c begins", "c ends", "b ends", "a ends"]
    assert told(session) == [("1", "a"), ("2", "b"), ("3", "c")]
    assert [run.tool for run in session.trace.tools] == ["a", "b", "c"]


def test_sync_tools_among_them_run_one_after_another(aplay, answering):
    tools, events = meeting("a", "c")

    @tool
    def b() -> str:
        """Works."""
        events.append("b")
        return "b"

    session = Session()
    asyncio.run(aplay(Runner(answering(asking("b", "a", "b", "c"), "ok"), template=tree(*tools, b)), session))

    assert events[0] == "b"
    assert told(session) == [("1", "b"), ("2", "a"), ("3", "b"), ("4", "c")]


def test_what_comes_behind_a_farewell_has_not_begun(aplay, answering):
    tools, events = meeting("a", "b")
    hang_up = Tool(lambda: Farewell("Bye."), name="hang_up", description="Ends.")
    session = Session()

    asyncio.run(aplay(Runner(answering(asking("hang_up", "a", "b")), template=tree(*tools, hang_up)), session))

    assert events == []
    assert [text for _, text in told(session)][1:] == ["Not run: the conversation has ended."] * 2


def test_without_an_event_loop_they_run_one_after_another(answering):
    events: list[str] = []

    def one(name: str) -> Tool[..., Any]:
        async def work() -> str:
            events.append(f"{name} begins")
            await asyncio.sleep(0)
            events.append(f"{name} ends")
            return name

        return Tool(work, name=name, description="Works.")

    Runner(answering(asking("a", "b"), "ok"), template=tree(one("a"), one("b"))).run()

    assert events == ["a begins", "a ends", "b begins", "b ends"]


def test_a_failure_is_that_of_its_own_call(aplay, answering):
    tools, _ = meeting("a", "b", "c", fails="b")
    session = Session()

    asyncio.run(aplay(Runner(answering(asking("a", "b", "c"), "ok"), template=tree(*tools)), session))

    assert told(session) == [("1", "a"), ("2", "Error: LookupError: b"), ("3", "c")]
    assert [type(run.error) for run in session.trace.tools] == [type(None), LookupError, type(None)]


@tool
async def forever() -> str:
    """Waits."""
    await asyncio.get_running_loop().create_future()
    return "never"


@tool
async def soon() -> str:
    """Works."""
    return "done"


@tool(reraise=True)
async def explode() -> str:
    """Explodes."""
    await asyncio.sleep(0)
    raise OSError("boom")


@tool(reraise=True)
async def patient() -> str:
    """Waits."""
    await asyncio.get_running_loop().create_future()
    return "never"


def test_an_error_that_is_raised_on_cancels_the_others(aplay, answering):
    session = Session()
    calls = asking("forever", "soon", "explode", "patient")
    runner = Runner(answering(calls), template=tree(forever, soon, explode, patient))

    with pytest.raises(OSError, match="boom"):
        asyncio.run(aplay(runner, session))

    stopped = "Stopped before its end: the conversation has ended."
    assert told(session) == [("1", stopped), ("2", "done"), ("3", "Error: OSError: boom"), ("4", stopped)]


def test_when_they_are_cancelled_what_is_done_is_told(aplay, answering):
    session = Session()

    async def cancelled() -> None:
        async with asyncio.timeout(0.05):
            await aplay(Runner(answering(asking("forever", "soon")), template=tree(forever, soon)), session)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())

    assert told(session) == [("1", "Stopped before its end: the run was cancelled."), ("2", "done")]
    assert [run.tool for run in session.trace.tools] == ["forever", "soon"]


def test_a_tool_that_cancels_itself_ends_the_run_alone_as_with_others(aplay, answering):
    @tool
    async def give_up() -> str:
        """Gives up."""
        raise asyncio.CancelledError

    for names in (("give_up",), ("give_up", "soon")):
        session = Session()
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(aplay(Runner(answering(asking(*names)), template=tree(give_up, soon)), session))
        assert len(told(session)) == len(names)


def test_models_that_they_ask_are_told_apart(aplay, answering):
    helper = answering("one", "two", name="helper")

    @tool
    async def ask(session: Session) -> str:
        """Asks."""
        question = Session(messages=[Message(role="user", content="Which?")])
        await asyncio.sleep(0)
        inner = await Runner(helper, template=AssistantTemplate(template_id="inner")).arun(question)
        own = await helper.asend(Session(messages=[*session.messages[:1]]))
        return f"{inner.last.content} {own.template_path}"

    session = Session()
    template = tree(ask)
    asyncio.run(aplay(Runner(answering(asking("ask", "ask"), "ok"), template=template), session))

    assert session.template_path is None
    assert session.trace.models == {"tools": ["answering", "helper", "helper", "answering"]}
    assert [run.template_path for run in session.trace.tools] == ["linear/tools"] * 2


def test_several_cannot_render_templates_in_their_session(aplay, answering):
    @tool
    async def render(session: Session) -> str:
        """Renders."""
        await asyncio.sleep(0)
        async for _ in UserTemplate("x").arender(session):
            pass
        return "rendered"

    session = Session()
    asyncio.run(aplay(Runner(answering(asking("render", "render"), "ok"), template=tree(render)), session))

    assert all("several tools run at the same time at 'linear/tools'" in text for _, text in told(session))
    assert all(isinstance(run.error, InvalidValue) for run in session.trace.tools)


def test_context_variables_of_one_are_not_those_of_another(aplay, answering):
    who: ContextVar[str] = ContextVar("who")

    def one(name: str) -> Tool[..., Any]:
        async def work() -> str:
            who.set(name)
            await asyncio.sleep(0)
            return who.get()

        return Tool(work, name=name, description="Works.")

    session = Session()
    asyncio.run(aplay(Runner(answering(asking("a", "b"), "ok"), template=tree(one("a"), one("b"))), session))

    assert told(session) == [("1", "a"), ("2", "b")]


def test_they_run_at_the_same_time_under_trio(answering):
    first, second = trio.Event(), trio.Event()

    def one(name: str) -> Tool[..., Any]:
        async def work() -> str:
            mine, other = (first, second) if name == "a" else (second, first)
            mine.set()
            await other.wait()
            return name

        return Tool(work, name=name, description="Works.")

    runner = Runner(answering(asking("a", "b"), "ok"), template=tree(one("a"), one("b")))

    assert told(trio.run(runner.arun)) == [("1", "a"), ("2", "b")]


def test_coroutines_of_sync_functions_are_awaited(play, answering):
    def work() -> Awaitable[str]:
        """Works."""

        async def later() -> str:
            await asyncio.sleep(0)
            return "done"

        return later()

    assert told(play(Runner(answering(asking("work"), "ok")), template=tree(work))) == [("1", "done")]


def test_a_tool_that_finds_nothing_more_is_an_error_in_a_thread_as_without_one(play, answering):
    def first() -> str:
        """The first of nothing."""
        return next(iter(()))

    session = play(Runner(answering(asking("first"), "ok")), template=tree(first))

    assert told(session) == [("1", "Error: RuntimeError: first raised StopIteration")]


def test_what_an_async_generator_yields_is_a_list(play, answering):
    async def count() -> AsyncIterator[int]:
        """Counts."""
        for number in (1, 2):
            await asyncio.sleep(0)
            yield number

    assert told(play(Runner(answering(asking("count"), "ok")), template=tree(count))) == [("1", "[1,2]")]


def test_what_a_tool_says_in_the_session_stands_behind_the_results(play, answering):
    def note(session: Session) -> str:
        """Takes a note."""
        session.append(Message(role="user", content="Noted."))
        return "ok"

    session = play(Runner(answering(asking("note", "note"), "Done.")), template=tree(note))

    assert [message.role for message in session.messages] == [
        *("user", "assistant", "tool", "tool"),
        *("user", "user", "assistant"),
    ]
