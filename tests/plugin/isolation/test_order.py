"""--templates-isolation=precise: subroutines that run at the same time end in another order than usual."""

from __future__ import annotations

import pytest

ORDER = """
import asyncio

inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id="answer")])
tree = LinearTemplate([UserTemplate("Hi."), SubroutineTemplate(inner, "research")])

async def arun(runner, session):
    await runner.arun(session)

async def astream(runner, session):
    async for event in runner.astream(session):
        pass

@pytest.mark.parametrize("how", [arun, astream])
def test_it(how):
    model, ended = ScriptedModel("one", "two", "three"), []

    async def ask(number):
        session = Session()
        await how(Runner(model, template=tree), session)
        ended.append(number)
        return session.last.content

    async def main():
        return await asyncio.gather(*map(ask, range(3)))

    assert asyncio.run(main()) == ["one", "two", "three"]
    assert ended == EXPECTED
"""


@pytest.mark.parametrize(("mode", "expected"), [("on", "[0, 1, 2]"), ("precise", "[2, 1, 0]")])
def test_the_last_to_ask_is_answered_first(guarded, mode, expected):
    guarded(mode, ORDER.replace("EXPECTED", expected)).assert_outcomes(passed=2)


def test_it_is_the_same_in_trio(guarded):
    in_trio = """
import trio

def test_it():
    ended = []

    async def ask(number):
        inner = LinearTemplate([UserTemplate("?"), AssistantTemplate()])
        await Runner(ScriptedModel(str(number)), template=SubroutineTemplate(inner)).arun()
        ended.append(number)

    async def main():
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(ask, number)
                await trio.lowlevel.checkpoint()

    trio.run(main)
    assert ended == [2, 1, 0]
"""
    pytest.importorskip("trio")
    guarded("precise", in_trio).assert_outcomes(passed=1)


def test_a_conversation_alone_is_not_held_up(guarded):
    alone = """
import asyncio

def test_it():
    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate()])
    tree = LinearTemplate([UserTemplate("Hi."), SubroutineTemplate(inner), AssistantTemplate()])
    assert asyncio.run(Runner(ScriptedModel("one", "two"), template=tree).arun()).last.content == "two"
"""
    guarded("precise", alone).assert_outcomes(passed=1)


def test_a_parent_that_depends_on_the_order_is_found_by_a_second_run(guarded, project):
    depends = """
import asyncio

def test_it():
    found = []

    async def look_up(number):
        inner = LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id="look-up")])
        session = await Runner(ScriptedModel(str(number)), template=SubroutineTemplate(inner)).arun()
        found.append(session.last.content)

    async def main():
        await asyncio.gather(look_up(1), look_up(2))

    asyncio.run(main())
    tree = LinearTemplate([UserTemplate("Found: {{ found }}"), AssistantTemplate(template_id="answer")])
    Runner(ScriptedModel("fine"), template=tree).run(Session(metadata={"found": ", ".join(found)}))
"""

    result = guarded("precise", depends, "--templates-twice")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    project.says(result, "NotDeterministic", "- Found: [1]", "+ Found: [2]")
    guarded("on", depends, "--templates-twice").assert_outcomes(passed=1)
