"""Waiting takes no time where faults are put in place."""

from __future__ import annotations

import asyncio
import time

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate
from antiphon.errors import RateLimitError
from pytest_templates import ScriptedModel, faults
from pytest_templates.faulting import faults_in_place


@pytest.fixture
def placed():
    with faults_in_place() as placed:
        yield placed


def talk() -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")], template_id="talk")


def retrying(runner: Runner, waits: list[float]) -> str:
    for wait in waits:
        try:
            return runner.run().last.content
        except RateLimitError:
            time.sleep(wait)
    return runner.run().last.content


async def aretrying(runner: Runner, waits: list[float]) -> str:
    for wait in waits:
        try:
            return (await runner.arun()).last.content
        except RateLimitError:
            await asyncio.sleep(wait)
    return (await runner.arun()).last.content


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_program_that_backs_off_for_a_minute_waits_for_nothing(way, placed):
    runner = Runner(ScriptedModel("Hello"), template=talk())
    placed.at("answer", faults.rate_limited(retry_after=20), times=3)
    waits = [10.0, 20.0, 30.0]
    started = time.perf_counter()

    said = retrying(runner, waits) if way == "sync" else asyncio.run(aretrying(runner, waits))

    assert said == "Hello"
    assert placed.waited == 60
    assert time.perf_counter() - started < 30


def test_other_tasks_go_on_while_one_sleeps(placed):
    said: list[str] = []

    async def one() -> None:
        await asyncio.sleep(30)
        said.append("one")

    async def main() -> None:
        task = asyncio.create_task(one())
        assert await asyncio.sleep(5, "result") == "result"
        await task
        said.append("main")

    asyncio.run(main())

    assert said == ["one", "main"]
    assert placed.waited == 35


def test_sleeping_takes_its_time_again_afterwards():
    real = time.sleep, asyncio.sleep
    with faults_in_place():
        assert time.sleep is not real[0]
    assert (time.sleep, asyncio.sleep) == real
