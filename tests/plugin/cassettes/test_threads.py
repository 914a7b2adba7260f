from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests

from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteMiss

THREADS = 8
CALLS = 80


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client() as shared:
        yield shared


def with_httpx2(client: httpx2.Client, url: str, number: int) -> Any:
    return client.post(url, json={"number": number}).json()


def with_requests(_: httpx2.Client, url: str, number: int) -> Any:
    with requests.Session() as session:
        return session.post(url, json={"number": number}).json()


def alternating(client: httpx2.Client, url: str, number: int) -> Any:
    return (with_requests if number % 2 else with_httpx2)(client, url, number)


def echo(server: Any) -> None:
    server.answer = lambda body: server.says(json.dumps(body).encode())


@pytest.mark.parametrize("call", [with_httpx2, with_requests, alternating])
def test_threads_record_and_replay_every_call_once(
    call: Any, client: httpx2.Client, cassette: Any, server: Any, path: Path
) -> None:
    echo(server)
    for mode in ("missing", "none"):
        with cassette(mode) as opened, ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(lambda number: call(client, server.url, number), range(CALLS)))
            opened.save()
        assert answers == [{"number": number} for number in range(CALLS)]
    assert len(server.bodies) == CALLS
    assert sorted(json.loads(one.request.body)["number"] for one in load_cassette(path)) == list(range(CALLS))
    assert (opened.played, opened.unused) == (CALLS, 0)


def test_tasks_record_and_replay_every_call_once(cassette: Any, server: Any) -> None:
    echo(server)

    async def calls() -> list[Any]:
        async with httpx2.AsyncClient() as client:
            answers = await asyncio.gather(*(client.post(server.url, json={"number": n}) for n in range(CALLS)))
        return [answer.json() for answer in answers]

    for mode in ("missing", "none"):
        with cassette(mode) as opened:
            assert asyncio.run(calls()) == [{"number": number} for number in range(CALLS)]
            opened.save()
    assert (len(server.bodies), opened.played) == (CALLS, CALLS)


def test_threads_share_equal_recordings_without_playing_one_twice(
    client: httpx2.Client, cassette: Any, server: Any
) -> None:
    answers = iter(range(CALLS))
    server.answer = lambda _: server.says(str(next(answers)).encode(), "text/plain")
    with cassette("missing") as opened:
        for _ in range(CALLS):
            with_httpx2(client, server.url, 0)
        opened.save()
    with cassette("none") as opened, ThreadPoolExecutor(THREADS) as pool:
        played = list(pool.map(lambda _: with_httpx2(client, server.url, 0), range(CALLS)))
        with pytest.raises(CassetteMiss):
            with_httpx2(client, server.url, 0)
    assert sorted(played) == list(range(CALLS))
