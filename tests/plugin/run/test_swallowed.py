"""What goes against a test fails it, however its program swallows the error."""

from __future__ import annotations

import pytest

KINDS = ["UnscriptedCall", "CassetteMiss", "LiveCallRefused", "IsolationViolation", "BudgetExceeded"]

WAYS = """
import asyncio
import threading
import unittest

def test_except_exception(trouble):
    runner, session = trouble()
    try:
        runner.run(session)
    except Exception:
        pass

def test_except_base_exception(trouble):
    quietly(*trouble())

def test_finally(trouble):
    def careless(runner, session):
        try:
            runner.run(session)
        finally:
            return "fine"
    careless(*trouble())

def test_stream(trouble):
    runner, session = trouble()
    try:
        for _ in runner.stream(session):
            pass
    except Exception:
        pass

def test_thread(trouble):
    thread = threading.Thread(target=quietly, args=trouble())
    thread.start()
    thread.join()

def test_task_that_is_never_awaited(trouble):
    async def main():
        runner, session = trouble()
        task = asyncio.create_task(runner.arun(session))
        while not task.done():
            await asyncio.sleep(0.001)
    asyncio.run(main())

class Careful(Template):
    def __init__(self, runner):
        super().__init__()
        self.runner = runner

    def _render(self, session):
        try:
            session = yield from self.include(self.runner.template, session)
        except Exception:
            pass
        return session

def test_subroutine(trouble):
    runner, session = trouble()
    runner.run(session, template=SubroutineTemplate(Careful(runner), "outer", InheritEverything()))

class InheritEverything(SessionInitStrategy):
    def initialize(self, parent):
        return Session(metadata=parent.metadata)

class TestUnittest(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _trouble(self, trouble):
        self.trouble = trouble

    def test_case(self):
        quietly(*self.trouble())

@pytest.mark.asyncio
async def test_asyncio(trouble):
    runner, session = trouble()
    try:
        await runner.arun(session)
    except Exception:
        pass

@pytest.mark.asyncio
async def test_gathered(trouble):
    runner, session = trouble()
    await asyncio.gather(runner.arun(session), return_exceptions=True)

@pytest.mark.anyio
async def test_anyio(trouble, anyio_backend):
    runner, session = trouble()
    try:
        async for _ in runner.astream(session):
            pass
    except Exception:
        pass

@pytest.fixture
def anyio_backend():
    return "trio"
"""


@pytest.mark.usefixtures("all_plugins")
@pytest.mark.parametrize("kind", KINDS)
def test_however_the_program_swallows_it(troubled, kind):
    result = troubled(kind, WAYS)

    result.assert_outcomes(failed=11)
    assert len([line for line in result.outlines if line.startswith(f"{kind}: ")]) == 11


@pytest.mark.usefixtures("all_plugins")
def test_workers_tell_it(troubled):
    result = troubled("CassetteMiss", "def real():\n    return Plain()\n" + WAYS, "-n1")

    result.assert_outcomes(failed=11)
    assert len([line for line in result.outlines if line.startswith("CassetteMiss: ")]) == 11
