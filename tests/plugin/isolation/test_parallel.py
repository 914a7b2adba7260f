"""Children of a parallel template that overlap in time: who changes their parent is named, and nobody else."""

from __future__ import annotations

import json

import pytest

TESTS = '''
import asyncio

LOG = []

class Slow(Model):
    """Answers a little later, so that children overlap."""

    def _send(self, session):
        return "ok"

    async def _asend(self, session):
        for _ in range(len(session.last.content)):
            await asyncio.sleep(0)
        return "ok"

def asking(question, name, after=None):
    answer = AssistantTemplate(template_id="answer", after_transform=after)
    return LinearTemplate([UserTemplate(question), answer, UserTemplate("And?"), AssistantTemplate()], template_id=name)

def own(session):
    session.metadata["seen"].append(session.template_path)
    return session

async def listed(steps):
    return [step async for step in steps]

HOW = {
    "run": lambda runner, session: runner.run(session),
    "arun": lambda runner, session: asyncio.run(runner.arun(session)),
    "aiter": lambda runner, session: asyncio.run(listed(runner.aiter(session))),
}

def play(how, *children, **options):
    session = Session(metadata={"seen": []})
    PARENT[:] = [session]
    tree = LinearTemplate([ParallelTemplate(children, "research", **options)], template_id="desk")
    HOW[how](Runner(Slow(), template=tree), session)

PARENT = []

def guilty(session):
    PARENT[0].metadata["seen"].append("x")
    return session

def guilty_of_messages(session):
    PARENT[0].messages.append(Message(role="user", content="Psst."))
    return session

every_way = pytest.mark.parametrize("how", HOW)

@every_way
def test_clean(how):
    subroutine = SubroutineTemplate(asking("aa", "in", own), "two", before_transform=own, after_transform=own)
    play(how, asking("a", "one", own), subroutine, asking("", "three", own))

@every_way
def test_one(how):
    subroutine = SubroutineTemplate(asking("a", "in", own), "three")
    play(how, asking("aaaaaa", "one", own), asking("aaa", "two", guilty), subroutine)

@every_way
def test_first(how):
    hasty = LinearTemplate([UserTemplate("a", after_transform=guilty), AssistantTemplate()], template_id="one")
    play(how, hasty, asking("aaa", "two", own), asking("a", "three"))

@every_way
def test_subroutine(how):
    subroutine = SubroutineTemplate(asking("aaa", "in", guilty_of_messages), "two")
    play(how, asking("aaaaaa", "one"), subroutine, asking("a", "three"))

@every_way
def test_nested(how):
    inner = ParallelTemplate([asking("aa", "left", own), asking("a", "right", guilty)], "inner")
    play(how, asking("aaaaaa", "one", own), inner, asking("aa", "three", own))

@every_way
def test_within(how):
    session = Session(metadata={"seen": []})
    PARENT[:] = [session]
    both = SubroutineTemplate(ParallelTemplate([asking("aa", "left"), asking("a", "right", guilty)], "both"), "whole")
    HOW[how](Runner(Slow(), template=both), session)

def test_thread():
    async def go():
        loop, scribbled = asyncio.get_running_loop(), asyncio.Event()

        class Waiting(Slow):
            async def _asend(self, session):
                await scribbled.wait()
                return "ok"

        class Asking(Slow):
            async def _asend(self, session):
                asks = session.last.role != "tool"
                return Reply(tool_calls=(ToolCall(id="1", name="scribble"),)) if asks else "ok"

        @tool
        def scribble() -> str:
            "Scribbles while all wait, and lets the others go on before its own child does."
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
            guilty(None)
            loop.call_soon_threadsafe(scribbled.set)
            return "done"

        session = Session(metadata={"seen": []})
        PARENT[:] = [session]
        tooling = LinearTemplate([UserTemplate("?"), ToolingTemplate([scribble], model=Asking())], template_id="two")
        children = [asking("a", "one", own), tooling, asking("a", "three", own)]
        await Runner(Waiting(), template=ParallelTemplate(children, "research")).arun(session)

    asyncio.run(go())

@every_way
def test_around(how):
    del LOG[:]

    def log(session):
        LOG.append("x")
        return session

    play(how, asking("aaaaaa", "one", own), asking("aaa", "two", log), asking("a", "three", own))
'''
ALL = {"run", "arun", "aiter"}


@pytest.fixture
def violations(project, guarded):
    """Runs the tests in a mode; gives the violations of each, by its name and way."""

    def run(mode: str) -> dict[tuple[str, str], list[str]]:
        guarded(mode, TESTS, "--templates-json=report.json")
        report = json.loads((project.path / "report.json").read_text())
        found = {}
        for test in report["tests"]:
            name, _, how = test["nodeid"].partition("::test_")[2].rstrip("]").partition("[")
            found[name, how] = test["isolation"]["violations"]
        return found

    return run


def paths(violations: list[str]) -> list[str]:
    return [one.partition("'")[2].partition("'")[0] for one in violations]


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_a_violation_is_put_down_to_the_child_that_did_it(violations, mode):
    found = violations(mode)

    precise = mode == "precise"
    expected = {
        "clean": [],
        "one": ["desk/research/two"],
        "first": ["desk/research/one"],
        "subroutine": ["desk/research/two"],
        "nested": ["desk/research/inner"],
        "within": ["whole"],
        "around": ["desk/research/two"] if precise else [],
    }
    assert {(name, how): paths(found[name, how]) for name in expected for how in ALL} == {
        (name, how): paths for name, paths in expected.items() for how in ALL
    }
    assert paths(found["thread", ""]) == ["research/two"]
    for how in ALL:
        assert "metadata['seen'][0] was added: 'x'" in found["one", how][0]
        assert "messages[0] was added: " in found["subroutine", how][0]
        if precise:
            assert "by desk/research/two/answer (" in found["one", how][0]
            assert "by desk/research/two/in/answer (" in found["subroutine", how][0]
            assert "by desk/research/inner/right/answer (" in found["nested", how][0]
            assert "by whole/both/right/answer (" in found["within", how][0]
            assert "LOG[0] was added: 'x'\n  by desk/research/two/answer" in found["around", how][0]
