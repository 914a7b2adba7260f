"""A test whose program backs off for a minute is over at once: with its own loops, and with libraries for that."""

from __future__ import annotations

import pytest

LOOPS = """
import asyncio
import time

import anyio
from antiphon import AssistantTemplate, LinearTemplate, UserTemplate
from antiphon.errors import RateLimitError
from pytest_templates import faults
from antiphon import Runner


def program(model):
    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")])
    return Runner(model, template=tree)


def retrying(runner):
    while True:
        try:
            return runner.run()
        except RateLimitError as error:
            time.sleep(error.retry_after)


async def aretrying(runner, sleep):
    while True:
        try:
            return await runner.arun()
        except RateLimitError as error:
            await sleep(error.retry_after)
"""

OWN = """
import pytest
from program import *

WAYS = {
    "sync": retrying,
    "asyncio": lambda runner: asyncio.run(aretrying(runner, asyncio.sleep)),
    "anyio": lambda runner: anyio.run(aretrying, runner, anyio.sleep),
    "trio": lambda runner: anyio.run(aretrying, runner, anyio.sleep, backend="trio"),
}


@pytest.mark.parametrize("way", WAYS)
def test_own(way, scripted_model, llm_faults):
    llm_faults.at("answer", faults.rate_limited(retry_after=20), times=3)
    assert WAYS[way](program(scripted_model("Hello."))).last.content == "Hello."
    assert llm_faults.waited == 60


@pytest.mark.asyncio
async def test_on_a_loop_of_pytest(scripted_model, llm_faults):
    llm_faults.at("answer", faults.rate_limited(retry_after=20), times=3)
    assert (await aretrying(program(scripted_model("Hello.")), asyncio.sleep)).last.content == "Hello."
    assert llm_faults.waited == 60
"""

LIBRARY = """
from program import *
from tenacity import AsyncRetrying, Retrying, stop_after_attempt, wait_fixed

POLICY = {"wait": wait_fixed(20), "stop": stop_after_attempt(4)}


def test_tenacity(scripted_model, llm_faults):
    llm_faults.at("answer", faults.rate_limited(), times=3)
    assert Retrying(**POLICY)(program(scripted_model("Hello.")).run).last.content == "Hello."
    assert llm_faults.waited == 60


def test_tenacity_async(scripted_model, llm_faults):
    llm_faults.at("answer", faults.rate_limited(), times=3)
    runner = program(scripted_model("Hello."))
    assert asyncio.run(AsyncRetrying(**POLICY)(runner.arun)).last.content == "Hello."
    assert llm_faults.waited == 60
"""


def durations(project) -> dict[str, float]:
    """How long each test took, in seconds; all of them pass."""
    reports = project.pytester.inline_run("-pno:cacheprovider").getreports("pytest_runtest_logreport")
    assert {report.outcome for report in reports} == {"passed"}
    return {report.nodeid: report.duration for report in reports if report.when == "call"}


def fastest(project, runs: int = 5) -> dict[str, float]:
    """The least that each test took: a busy machine is slow now and then, a wait is one in every run."""
    measured = [durations(project) for _ in range(runs)]
    return {name: min(one[name] for one in measured) for name in measured[0]}


def test_a_program_with_a_loop_of_its_own_that_backs_off_for_a_minute_is_tested_in_less_than_a_fifth_of_a_second(
    project,
):
    project.file("program.py", LOOPS)
    project.file("test_it.py", OWN)

    took = fastest(project)

    assert len(took) == 5
    assert max(took.values()) < 0.2


def test_a_program_that_leaves_it_to_tenacity_is_tested_as_fast(project):
    pytest.importorskip("tenacity")
    project.file("program.py", LOOPS)
    project.file("test_it.py", LIBRARY)

    took = fastest(project)

    assert len(took) == 2
    assert max(took.values()) < 0.2
