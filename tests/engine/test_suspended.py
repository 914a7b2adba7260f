"""Observers hear when the program that goes through a run has the word, and when the run goes on."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Message,
    Runner,
    Session,
    SubroutineTemplate,
    Template,
    UserTemplate,
)
from antiphon.observers import Observer, observing
from pytest_templates import ScriptedModel
from pytest_templates.scripting.steps import Stream


class Passing(Template):
    """Goes through another template by itself, and passes on what that says."""

    @property
    def children(self):
        return (INNER,)

    def _render(self, session):
        yield from INNER.render(session)
        return session


INNER = LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id="answer")], template_id="inner")
TREE = LinearTemplate([SubroutineTemplate(INNER, "research"), Passing("passing")], template_id="desk")


class Words(Observer):
    """Notes who has the word, and where."""

    def __init__(self):
        self.heard = []

    def on_suspend(self, event):
        self.heard.append(("suspended", event.path, event.session.run.depth))

    def on_resume(self, event):
        self.heard.append(("resumed", event.path, event.session.run.depth))


def runner():
    return Runner(ScriptedModel(Stream("o", "ne"), "two"), template=TREE)


async def listed(steps):
    return [step async for step in steps]


HOW = {
    "iter": lambda: [*runner().iter(Session())],
    "stream": lambda: [*runner().stream(Session())],
    "aiter": lambda: asyncio.run(listed(runner().aiter(Session()))),
    "astream": lambda: asyncio.run(listed(runner().astream(Session()))),
    "render": lambda: [*TREE.render(Session(runner=runner()))],
    "arender": lambda: asyncio.run(listed(TREE.arender(Session(runner=runner())))),
}


@pytest.mark.parametrize("how", HOW)
def test_every_step_that_the_program_gets_is_a_pause(how):
    with observing(Words()) as words:
        steps = HOW[how]()

    assert words.heard[::2] == [("suspended", path, depth) for _, path, depth in words.heard[1::2]]
    assert len(words.heard) == 2 * len(steps)
    assert len(steps) == (4 if "stream" not in how else 6)
    paths = [path for _, path, _ in words.heard[::2] if path.endswith("answer")]
    assert set(paths) == {"desk/research/inner/answer", "desk/passing/inner/answer"}


def test_where_nothing_is_handed_out_there_is_no_pause():
    with observing(Words()) as words:
        runner().run(Session())
        asyncio.run(runner().arun(Session()))

    assert words.heard == []


def test_closing_a_run_resumes_it():
    with observing(Words()) as words:
        steps = runner().iter(Session())
        next(steps)
        steps.close()

    assert words.heard == [("suspended", "desk/research/inner/user-1", 1), ("resumed", "desk/research/inner/user-1", 1)]


def test_closing_an_async_run_resumes_it():
    async def first():
        async with aclosing(runner().astream(Session())) as steps:
            return await anext(steps)

    with observing(Words()) as words:
        assert isinstance(asyncio.run(first()), Message)

    assert [what for what, *_ in words.heard] == ["suspended", "resumed"]


@pytest.mark.parametrize("method", ["on_suspend", "on_resume"])
def test_what_an_observer_raises_ends_the_run(method):
    def refuse(self, event):
        raise RuntimeError("no more")

    session = Session()
    with observing(type("Refusing", (Observer,), {method: refuse})()), pytest.raises(RuntimeError, match="no more"):
        [*runner().iter(session)]

    assert session.template_path is None
    runner().run(session)
    assert session.last.content == "two"
