"""Runs that are gone through in turn have each its own context variables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from antiphon import (
    LinearTemplate,
    Message,
    Reply,
    Runner,
    Session,
    Template,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)

CURRENT: ContextVar[str] = ContextVar("current", default="nobody")


@tool
def who() -> str:
    """Says whose run it is."""
    return CURRENT.get()


def enter(session: Session) -> Session:
    CURRENT.set(session.metadata["name"])
    return session


def tree() -> LinearTemplate:
    return LinearTemplate([UserTemplate("Who am I?"), ToolingTemplate([who])], before_transform=enter)


def results(session: Session) -> list[str]:
    return [message.content for message in session.messages if message.role == "tool"]


async def go_through(runs: list[AsyncIterator[Any]]) -> None:
    """Go through runs in turn, in one task."""
    while runs:
        runs = [run for run in runs if await anext(run, None) is not None]


@pytest.mark.parametrize("library", ["asyncio", "trio"])
@pytest.mark.parametrize("way", ["aiter", "astream"])
def test_so_do_async_runs_of_one_task(way, library, answering):
    asking = Reply(tool_calls=(ToolCall(id="1", name="who"), ToolCall(id="2", name="who")))
    sessions = [Session(metadata={"name": name}) for name in ("Ada", "Bob")]
    runs = [getattr(Runner(answering(asking, "ok"), template=tree()), way)(session) for session in sessions]

    anyio.run(go_through, runs, backend=library)

    assert [results(session) for session in sessions] == [["Ada", "Ada"], ["Bob", "Bob"]]
    assert CURRENT.get() == "nobody"


def test_an_async_run_may_go_on_and_be_closed_in_other_tasks(answering):
    async def main() -> None:
        steps = Runner(answering(), template=Inside()).aiter()
        said = [await asyncio.create_task(anext(steps)) for _ in range(2)]
        assert [message.content for message in said] == ["inside", "inside"]
        await asyncio.create_task(steps.aclose())
        assert await anext(steps, None) is None

    asyncio.run(main())


@pytest.mark.parametrize("way", ["iter", "stream"])
def test_tools_of_interleaved_runs_find_what_their_run_has_set(way, answering):
    asking = Reply(tool_calls=(ToolCall(id="1", name="who"), ToolCall(id="2", name="who")))
    sessions = [Session(metadata={"name": name}) for name in ("Ada", "Bob")]
    runs: list[Iterator[Any]] = [
        getattr(Runner(answering(asking, "ok"), template=tree()), way)(session) for session in sessions
    ]

    while runs:
        runs = [run for run in runs if next(run, None) is not None]

    assert [results(session) for session in sessions] == [["Ada", "Ada"], ["Bob", "Bob"]]
    assert CURRENT.get() == "nobody"


def test_a_run_finds_what_was_set_where_its_iterator_was_made(answering):
    asking = Reply(tool_calls=(ToolCall(id="1", name="who"),))
    template = LinearTemplate([UserTemplate("Who am I?"), ToolingTemplate([who])])
    sessions, runs = [Session(), Session()], []
    for session, name in zip(sessions, ("Ada", "Bob"), strict=True):
        token = CURRENT.set(name)
        runs.append(Runner(answering(asking, "ok"), template=template).iter(session))
        CURRENT.reset(token)

    for run in runs:
        list(run)

    assert [results(session) for session in sessions] == [["Ada"], ["Bob"]]


class Inside(Template):
    """Sets a variable for as long as it is rendered."""

    def _render(self, session: Session) -> Any:
        token = CURRENT.set("inside")
        try:
            yield Message(role="user", content=CURRENT.get())
            yield Message(role="user", content=CURRENT.get())
        finally:
            CURRENT.reset(token)
        return session


@pytest.mark.parametrize("is_closed", [False, True])
def test_what_is_set_between_two_steps_stays_outside(is_closed, answering):
    session = Session()
    with closing(Runner(answering(), template=Inside()).iter(session)) as steps:
        next(steps)
        token = CURRENT.set("outside")
        if not is_closed:
            list(steps)
    CURRENT.reset(token)

    assert {message.content for message in session.messages} == {"inside"}
