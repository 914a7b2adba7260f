"""Rate limits are recorded and replayed like all else; what waits for them in replay does not really wait."""

from __future__ import annotations

import re
import time

import pytest

from pytest_templates.commands.main import main

CLIENTS = '''
import asyncio
import os
import threading
import time

import anthropic
import anyio
import openai
import pytest

from antiphon import AssistantTemplate, LinearTemplate, Runner, UserTemplate, connect

URL = os.environ["LIMITED_URL"]
MESSAGES = [{"role": "user", "content": "Hi"}]


def gpt(**settings):
    return openai.OpenAI(base_url=f"{URL}/v1", api_key="x", **settings)


def async_gpt():
    return openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="x")


def claude():
    return anthropic.Anthropic(base_url=URL, api_key="x")


def async_claude():
    return anthropic.AsyncAnthropic(base_url=URL, api_key="x")


def gpt_whole(**settings):
    with gpt(**settings) as client:
        return client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content


def gpt_stream():
    with gpt() as client:
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return "".join(chunk.choices[0].delta.content for chunk in stream)


async def gpt_async():
    async with async_gpt() as client:
        return (await client.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content


async def gpt_astream():
    async with async_gpt() as client:
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return "".join([chunk.choices[0].delta.content async for chunk in stream])


def claude_whole():
    with claude() as client:
        return client.messages.create(model="m", max_tokens=9, messages=MESSAGES).content[0].text


def claude_stream():
    with claude() as client, client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
        return stream.get_final_text()


async def claude_async():
    async with async_claude() as client:
        return (await client.messages.create(model="m", max_tokens=9, messages=MESSAGES)).content[0].text


async def claude_astream():
    async with async_claude() as client:
        async with client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as stream:
            return await stream.get_final_text()


def limited():
    """A program that does not try again."""
    with pytest.raises(openai.RateLimitError) as caught:
        gpt_whole(max_retries=0)
    return float(caught.value.response.headers.get("retry-after", 0))


def patient():
    """A program that tries again by itself."""
    time.sleep(limited())
    return gpt_whole(max_retries=0)


def runner(provider):
    names = {"openai": ("openai:m", f"{URL}/v1"), "anthropic": ("anthropic:claude-haiku-4-5", URL)}
    name, url = names[provider]
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate()])
    return Runner(connect(name, base_url=url, api_key="x"), template=tree)


async def heard(events):
    return [event async for event in events][-1].content


ENGINE = {
    "run": lambda runner: runner.run().last.content,
    "arun": lambda runner: asyncio.run(runner.arun()).last.content,
    "stream": lambda runner: list(runner.stream())[-1].content,
    "astream": lambda runner: asyncio.run(heard(runner.astream())),
}
SDKS = {
    "gpt": gpt_whole,
    "gpt-stream": gpt_stream,
    "gpt-async": lambda: asyncio.run(gpt_async()),
    "gpt-astream": lambda: asyncio.run(gpt_astream()),
    "claude": claude_whole,
    "claude-stream": claude_stream,
    "claude-async": lambda: asyncio.run(claude_async()),
    "claude-astream": lambda: asyncio.run(claude_astream()),
    "patient": patient,
}
'''

MATRIX = """
@pytest.mark.llm_cassette
@pytest.mark.parametrize("way", SDKS)
def test_sdk(way):
    assert SDKS[way]() == "Hello."


@pytest.mark.llm_cassette
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("way", ENGINE)
def test_engine(way, provider):
    assert ENGINE[way](runner(provider)) == "Hello."


@pytest.mark.asyncio
@pytest.mark.llm_cassette
async def test_asyncio():
    assert await asyncio.gather(gpt_async(), gpt_astream()) == ["Hello.", "Hello."]


@pytest.mark.anyio
@pytest.mark.llm_cassette
async def test_anyio(anyio_backend):
    assert await gpt_async() == "Hello."
"""
TESTS = 9 + 8 + 1 + 2

OTHER_WAITS = """
def slept(seconds):
    started = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - started >= seconds


async def aslept(seconds):
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    await anyio.sleep(seconds)
    return time.perf_counter() - started >= 2 * seconds * 0.9


@pytest.mark.llm_cassette
def test_waits():
    assert slept(0.05)
    time.sleep(limited())
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(slept(0.05)))
    thread.start()
    thread.join()
    assert elsewhere == [True]
    assert gpt_whole(max_retries=0) == "Hello."
    assert slept(0.05)
    assert asyncio.run(aslept(0.05))
    limited()


@pytest.mark.llm_cassette
def test_waits_after_a_test_that_ended_with_a_limit():
    assert slept(0.05)
    assert gpt_whole() == "Hello."


def test_without_a_cassette():
    modules = [time.sleep.__module__, asyncio.sleep.__module__, anyio.sleep.__module__]
    assert modules == ["time", "asyncio.tasks", "anyio"]
    assert asyncio.run(aslept(0.05))
"""


def recorded(project, tests: str) -> None:
    """Record the tests, and let the limits that they met be longer ones than a test would wait for."""
    project.file("test_it.py", CLIENTS + tests)
    result = project.run("--templates-record=missing")
    assert result.parseoutcomes().keys() == {"passed"}
    limits = 0
    for path in (project.path / "cassettes").rglob("*.yaml"):
        text, found = re.subn(r"retry-after-ms: .*", "retry-after: '110'", path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        main(["cassettes", "check", "--fix", "--folder", str(path.parent), str(path)])
        limits += found
    assert limits


@pytest.mark.usefixtures("all_plugins")
def test_waits_for_a_recorded_rate_limit_take_no_time(project, limited):
    recorded(project, MATRIX)
    asked, started = len(limited), time.monotonic()

    project.run().assert_outcomes(passed=TESTS)
    project.run("-n1").assert_outcomes(passed=TESTS)

    assert len(limited) == asked == 2 * (TESTS + 1)
    assert time.monotonic() - started < 100  # one of the waits alone would take 110 seconds


def test_all_other_waits_take_their_time(project, limited):
    recorded(project, OTHER_WAITS)
    started = time.monotonic()

    project.run().assert_outcomes(passed=3)

    assert time.monotonic() - started < 100


ATTEMPTS = """
def patient(wait=None):
    model = connect("openai:m", base_url=f"{URL}/v1", api_key="x", max_retries=0)
    return Runner(RetryingModel(model, wait=wait), template=LinearTemplate([UserTemplate("Hi"), AssistantTemplate()]))


@pytest.mark.llm_cassette
@pytest.mark.llm_budget(calls=1)
@pytest.mark.parametrize("way", ENGINE)
def test_attempts(way, llm_trace):
    assert ENGINE[way](patient()) == "Hello."
    (call,) = llm_trace.calls
    assert [type(inner.error).__name__ for inner in call.inner] == ["RateLimitError", "NoneType"]
    print(f"waited {call.waited:g}")
"""


def test_a_model_of_the_engine_that_tries_again_is_recorded_and_replayed_attempt_by_attempt(project, limited):
    imports = "from antiphon import RetryingModel\n"
    recorded(project, imports + ATTEMPTS)
    asked, started = len(limited), time.monotonic()

    result = project.run("-rA")

    result.assert_outcomes(passed=4)
    assert len(limited) == asked == 8
    assert str(result.stdout).count("waited 110") == 4
    assert time.monotonic() - started < 100


def test_while_it_is_recorded_it_waits(project, limited):
    imports = "from antiphon import RetryingModel\n"
    waiting = """
@pytest.mark.llm_cassette
def test_wait():
    started = time.perf_counter()
    assert patient(wait=0.1).run().last.content == "Hello."
    assert time.perf_counter() - started >= 0.1
"""
    project.file("test_it.py", CLIENTS + imports + ATTEMPTS.partition("@pytest")[0] + waiting)

    project.run("--templates-record=missing", "--templates-record-check=off").assert_outcomes(passed=1)
