"""What a test leaves running when it is over: refused, told at the end of the run, and no failure of another test."""

from __future__ import annotations

import pytest

TESTS = """
import contextlib
import threading

GO_ON, LEFT = threading.Event(), []

def late():
    GO_ON.wait(10)
    with contextlib.suppress(Exception):  # nobody listens to it any more
        Plain("late")._send(Session(messages=[Message(role="user", content="Late.")]))

@pytest.mark.llm_cassette
def test_first():
    ask(Plain("first"))
    LEFT.append(threading.Thread(target=late, daemon=True))
    LEFT[0].start()

@pytest.mark.llm_cassette
def test_second():
    GO_ON.set()
    for thread in LEFT:
        thread.join(10)
    ask(Plain("second"))
"""


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "workers"])
def test_the_run_says_what_was_refused_and_the_next_test_passes(project, chat_server, workers):
    project.tests(TESTS)

    for arguments in (["--templates-record=all"], []):
        result = project.run(*arguments, *workers)

        result.assert_outcomes(passed=2)
        project.says(result, f"POST {chat_server.url}/chat/completions: refused, since test_it.py::test_first is over")
    assert len(chat_server.asked) == 2
    assert "model: late" not in (project.path / "cassettes/test_it/test_second.yaml").read_text(encoding="utf-8")


SHARED = """
import queue
import threading

def serve(todo, done):
    for name in iter(todo.get, None):
        try:
            done.put(ask(Plain(name)))
        except BaseException as error:
            done.put(error)

@pytest.fixture(scope="module")
def service():
    todo, done = queue.SimpleQueue(), queue.SimpleQueue()
    thread = threading.Thread(target=serve, args=(todo, done), daemon=True)
    thread.start()
    yield lambda name: (todo.put(name), done.get(timeout=10))[1]
    todo.put(None)
    thread.join()

@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["one", "two"])
def test_it(service, name, llm_cassette):
    answer = service(name)
    assert not isinstance(answer, BaseException), answer
    assert llm_cassette.played + llm_cassette.recorded == 1
"""


def test_a_thread_of_a_fixture_that_tests_share_serves_all_of_them(project, chat_server):
    project.tests(SHARED)

    project.run("--templates-record=missing").assert_outcomes(passed=2)
    project.run().assert_outcomes(passed=2)

    assert len(chat_server.asked) == 2


LOOPS = """
import asyncio
import anyio
import httpx2

async def ask_async(name):
    body = {"model": "m", "messages": [{"role": "user", "content": name}]}
    async with httpx2.AsyncClient() as client:
        await client.post(__import__("os").environ["CHAT_URL"] + "/chat/completions", json=body)

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def of_all(anyio_backend):
    return "all"

@pytest.mark.llm_cassette
@pytest.mark.anyio
@pytest.mark.parametrize("name", ["one", "two"])
async def test_with_anyio(of_all, name, llm_cassette):
    await ask_async(name)
    await asyncio.to_thread(ask, Plain(name))
    assert llm_cassette.played + llm_cassette.recorded == 2

@pytest.mark.llm_cassette
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", ["one", "two"])
async def test_with_asyncio(name, llm_cassette):
    await ask_async(name)
    await asyncio.to_thread(ask, Plain(name))
    assert llm_cassette.played + llm_cassette.recorded == 2
"""


def test_a_loop_that_tests_share_serves_all_of_them(project, chat_server, all_plugins):
    project.tests(LOOPS)

    project.run("--templates-record=missing").assert_outcomes(passed=4)
    project.run().assert_outcomes(passed=4)

    assert len(chat_server.asked) == 8


CONNECTED = """
import gc
import os
import weakref

MODELS = []

@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["one", "two"])
def test_it(name):
    model = connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x")
    MODELS.append(weakref.ref(model))
    Runner(model, template=LinearTemplate([UserTemplate(name), AssistantTemplate()])).run()

def test_they_are_left():
    gc.collect()
    assert {model() for model in MODELS} == {None}
"""


def test_a_connection_that_a_recorded_test_left_open_keeps_nothing_and_is_closed_with_its_model(project, chat_server):
    project.tests(CONNECTED)

    project.run_forked("--templates-record=all").assert_outcomes(passed=3)
