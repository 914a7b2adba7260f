"""A stream that somebody else reads ahead for the program is left again in replay where the program leaves it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import anyio
import httpx2
import pytest

from pytest_templates.cassettes.http.silence import Silence
from pytest_templates.cassettes.recorded import Truncation
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteMiss

WORDS = b"".join(b"data: w%d\n\n" % number for number in range(40))


async def ahead_in_a_task(url: str, wanted: int) -> list[str]:
    """A task that reads as fast as it can, as SDKs for agents do, and a program that hears what it says in its time."""
    words: asyncio.Queue[str | Exception] = asyncio.Queue()

    async def read() -> None:
        try:
            async with httpx2.AsyncClient() as client, client.stream("GET", url) as answer:
                async for line in answer.aiter_lines():
                    words.put_nowait(line)
        except (httpx2.HTTPError, CassetteMiss) as error:
            words.put_nowait(error)

    reading = asyncio.create_task(read())
    heard: list[str] = []
    while len(heard) < wanted:
        word = await words.get()
        if isinstance(word, Exception):
            raise word
        await asyncio.sleep(0.02 if len(heard) < 3 else 0)  # the other has read all that there is by then
        heard += [word] if word else []
    reading.cancel()
    await asyncio.wait([reading])
    return heard


def ahead_in_a_thread(url: str, wanted: int) -> list[str]:
    words: SimpleQueue[str | Exception] = SimpleQueue()
    answers: SimpleQueue[Any] = SimpleQueue()

    def read() -> None:
        try:
            with client.stream("GET", url) as answer:
                answers.put(answer)
                for line in answer.iter_lines():
                    words.put(line)
        except (httpx2.HTTPError, CassetteMiss) as error:
            words.put(error)

    heard: list[str] = []
    with httpx2.Client(timeout=0.3) as client:  # closing an answer does not wake who waits for more of it
        reading = threading.Thread(target=read)
        reading.start()
        answer = answers.get(timeout=10)
        while len(heard) < wanted:
            word = words.get(timeout=10)
            if isinstance(word, Exception):
                raise word
            heard += [word] if word else []
        answer.close()
        reading.join(10)
    return heard


async def ahead_in_trio(url: str, wanted: int) -> list[str]:
    send, receive = anyio.create_memory_object_stream[str](100)

    async def read() -> None:
        async with httpx2.AsyncClient() as client, client.stream("GET", url) as answer:
            async for line in answer.aiter_lines():
                await send.send(line)

    heard: list[str] = []
    async with anyio.create_task_group() as tasks, send, receive:
        tasks.start_soon(read)
        async for word in receive:
            await anyio.sleep(0.02)
            heard += [word] if word else []
            if len(heard) == wanted:
                tasks.cancel_scope.cancel()
                break
    return heard


PROGRAMS: dict[str, Callable[[str, int], list[str]]] = {
    "task": lambda url, wanted: asyncio.run(ahead_in_a_task(url, wanted)),
    "thread": ahead_in_a_thread,
    "trio": lambda url, wanted: anyio.run(ahead_in_trio, url, wanted, backend="trio"),
}


@pytest.fixture
def slow(web: Any) -> Any:
    """The server says a few words, and no more for as long as somebody listens."""
    web.answer = lambda request: request.says(WORDS, 200, ("Content-Type", "text/event-stream"), stalls=True)
    return web


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_whoever_reads_ahead_gets_nothing_more_while_the_program_is_at_work(
    program: Any, recorded_and_replayed: Any, slow: Any
) -> None:
    expected = ["data: w0", "data: w1", "data: w2"]
    assert recorded_and_replayed(lambda url: program(url, 3)) == (expected, expected)


async def heard_until(limit: Callable[[Any], Any], url: str, *, is_busy: bool) -> list[str]:
    """What a program hears of a stream that a limit of time ends, while it waits or is busy with a piece."""
    heard: list[str] = []

    async def hear() -> None:
        async with httpx2.AsyncClient() as client, client.stream("GET", url) as answer:
            async for line in answer.aiter_lines():
                heard.append(line)
                await asyncio.sleep(10 if is_busy and line == "data: w2" else 0)

    with suppress(TimeoutError):
        await limit(hear())
    return heard


async def by_asyncio(hearing: Any) -> None:
    async with asyncio.timeout(0.1):
        await hearing


async def by_anyio(hearing: Any) -> None:
    with anyio.move_on_after(0.1):
        await hearing


async def by_waiting(hearing: Any) -> None:
    await asyncio.wait_for(hearing, 0.1)


@pytest.mark.parametrize("is_busy", [True, False])
@pytest.mark.parametrize("limit", [by_asyncio, by_anyio, by_waiting])
def test_a_stream_that_a_limit_of_time_ends_is_ended_by_it_in_replay(
    limit: Any, is_busy: bool, recorded_and_replayed: Any, slow: Any, path: Path
) -> None:
    live, replayed = recorded_and_replayed(lambda url: asyncio.run(heard_until(limit, url, is_busy=is_busy)))
    assert replayed == live
    assert "data: w2" in live
    [recorded] = load_cassette(path)
    assert recorded.response.cut is not None
    assert recorded.response.cut.by == "cancellation"
    assert not recorded.response.is_refusal


def test_no_thread_waits_on_when_a_limit_of_time_has_ended_a_stream() -> None:
    before = set(threading.enumerate())
    silence = Silence(Truncation(100.0, "cancellation"), is_pulled=True)
    with suppress(TimeoutError):
        asyncio.run(by_asyncio(silence.akeep()))
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(5)
    assert not any(thread.is_alive() for thread in left)


def test_a_program_that_has_no_limit_any_more_is_told_that_it_reads_further(cassette: Any, slow: Any) -> None:
    with cassette("missing") as opened:
        asyncio.run(heard_until(by_asyncio, slow.url, is_busy=False))
        opened.save()
    with cassette() as opened, pytest.raises(CassetteMiss, match="left-early"):
        asyncio.run(read_on(slow.url))
    assert [miss.reason for miss in opened.misses] == ["left-early"]


@pytest.mark.parametrize("program", ["task", "thread"])
def test_a_program_that_reads_further_is_told_so(program: str, cassette: Any, slow: Any) -> None:
    with cassette("missing") as opened:
        PROGRAMS[program](slow.url, 3)
        opened.save()
    with cassette() as opened, pytest.raises(CassetteMiss, match="left-early") as caught:
        PROGRAMS[program](slow.url, 1000)
    assert opened.misses == [caught.value]


FROZEN = 4e9  # seconds: a day in 2096


def test_a_stream_is_timed_by_a_clock_that_goes_on_where_time_is_frozen(
    recorded_and_replayed: Any, slow: Any, frozen_time: Any, path: Path
) -> None:
    def program(url: str) -> bytes:
        with httpx2.Client() as client:
            with frozen_time(FROZEN):
                answer = client.send(client.build_request("GET", url), stream=True)
            with closing(answer):
                return next(answer.iter_bytes(10))

    assert recorded_and_replayed(program) == (WORDS[:10], WORDS[:10])
    [recorded] = load_cassette(path)
    assert recorded.response.cut is not None
    assert 0 <= recorded.response.arrivals[0].at <= recorded.response.cut.at < 60


async def read_on(url: str) -> list[str]:
    async with httpx2.AsyncClient() as client, client.stream("GET", url) as answer:
        return [line async for line in answer.aiter_lines()]


async def read_on_in_a_task(url: str) -> list[str]:
    return await asyncio.create_task(read_on(url))


def test_waiting_for_a_program_to_leave_ends_where_time_is_frozen(cassette: Any, slow: Any, frozen_time: Any) -> None:
    with cassette("missing") as opened:
        PROGRAMS["task"](slow.url, 1)
        opened.save()
    with cassette(), frozen_time(FROZEN), pytest.raises(CassetteMiss, match="left-early"):
        asyncio.run(read_on_in_a_task(slow.url))
