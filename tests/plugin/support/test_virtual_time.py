"""Waiting takes no time where faults are put in place."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate
from antiphon.errors import RateLimitError
from pytest_templates import ScriptedModel, faults
from pytest_templates.scripting.fault_injection import faults_in_place
from pytest_templates.support.virtual_time import virtual_time


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


def test_time_is_virtual_only_where_it_is_said_to_be():
    with virtual_time(lambda: threading.current_thread() is threading.main_thread()) as clock:
        time.sleep(30)
        seconds: list[float] = []
        thread = threading.Thread(target=lambda: seconds.append(slept(0.05)))
        thread.start()
        thread.join()

    assert clock.waited == 30
    assert seconds[0] >= 0.05


def test_a_library_that_keeps_our_sleep_sleeps_for_real_afterwards():
    with virtual_time() as clock:
        kept, akept = time.sleep, asyncio.sleep
        kept(30)

    assert slept(0.05, kept) >= 0.05
    assert slept(0.05, lambda seconds: asyncio.run(akept(seconds))) >= 0.045
    assert clock.waited == 30


def slept(seconds: float, sleep: Callable[[float], object] | None = None) -> float:
    started = time.perf_counter()
    (sleep or time.sleep)(seconds)
    return time.perf_counter() - started
