from __future__ import annotations

import asyncio
import contextvars
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import requests

from pytest_templates.cassettes.cassette import OpenCassette, open_cassette
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteError

CALLS = 10


def ask(library: str, url: str, name: str) -> Any:
    if library == "requests":
        with requests.Session() as session:
            return session.post(url, json={"name": name}).json()
    with httpx2.Client() as client:
        return client.post(url, json={"name": name}).json()


def names(path: Path) -> list[str]:
    return [json.loads(one.request.body)["name"] for one in load_cassette(path)]


@pytest.mark.parametrize("library", ["httpx2", "requests"])
def test_two_threads_record_into_a_cassette_each(library: str, server: Any, tmp_path: Path) -> None:
    server.answer = lambda body: server.says(json.dumps(body).encode())
    both = threading.Barrier(2)

    def test(name: str, mode: Any) -> int:
        with open_cassette(CassetteSettings(tmp_path / f"{name}.yaml", mode), {}) as opened:
            both.wait(10)
            for _ in range(CALLS):
                assert ask(library, server.url, name) == {"name": name}
            both.wait(10)
            opened.save()
            return opened.played

    for mode, played in (("missing", 0), ("none", CALLS)):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(test, ["one", "two"], [mode, mode])) == [played, played]
    assert names(tmp_path / "one.yaml") == ["one"] * CALLS
    assert names(tmp_path / "two.yaml") == ["two"] * CALLS


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_two_tasks_record_into_a_cassette_each(backend: str, server: Any, tmp_path: Path) -> None:
    server.answer = lambda body: server.says(json.dumps(body).encode())

    async def test(name: str, client: httpx2.AsyncClient) -> None:
        with open_cassette(CassetteSettings(tmp_path / f"{name}.yaml", "missing"), {}) as opened:
            await anyio.sleep(0.01)  # both are open now
            async with anyio.create_task_group() as group:  # tasks belong to where they were started
                for _ in range(CALLS):
                    group.start_soon(ask_async, client, name)
            opened.save()

    async def ask_async(client: httpx2.AsyncClient, name: str) -> None:
        assert (await client.post(server.url, json={"name": name})).json() == {"name": name}

    async def both() -> None:
        async with httpx2.AsyncClient() as client, anyio.create_task_group() as group:
            group.start_soon(test, "one", client)
            group.start_soon(test, "two", client)

    anyio.run(both, backend=backend)
    assert names(tmp_path / "one.yaml") == ["one"] * CALLS
    assert names(tmp_path / "two.yaml") == ["two"] * CALLS


def test_the_threads_of_an_older_pool_belong_to_the_only_open_cassette(server: Any, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # the thread was started in another context
        for name in ("one", "two"):
            with open_cassette(CassetteSettings(tmp_path / f"{name}.yaml", "missing"), {}) as opened:
                pool.submit(ask, "httpx2", server.url, name).result()
                opened.save()
    assert (names(tmp_path / "one.yaml"), names(tmp_path / "two.yaml")) == (["one"], ["two"])


@pytest.mark.parametrize("library", ["httpx2", "requests"])
def test_a_thread_of_no_test_is_refused_where_two_cassettes_are_open(library: str, server: Any, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        pool.submit(int).result()
        for name in ("one", "two"):
            stack.enter_context(open_cassette(CassetteSettings(tmp_path / f"{name}.yaml", "missing"), {}))
        with pytest.raises(CassetteError, match=r"2 cassettes are open") as caught:
            pool.submit(ask, library, server.url, "lost").result()
        assert str(tmp_path / "one.yaml") in str(caught.value)
        assert str(tmp_path / "two.yaml") in str(caught.value)
        copied = contextvars.copy_context()
        assert pool.submit(copied.run, ask, library, server.url, "told").result()
    assert [json.loads(body)["name"] for body in server.bodies] == ["told"]


def test_the_cassette_that_was_opened_last_takes_the_calls_until_it_closes(server: Any, tmp_path: Path) -> None:
    one, two = (CassetteSettings(tmp_path / f"{name}.yaml", "missing") for name in ("one", "two"))
    with open_cassette(one, {}) as outer:
        with open_cassette(two, {}) as inner:
            ask("httpx2", server.url, "inner")
        ask("httpx2", server.url, "outer")
        assert (outer.recorded, inner.recorded) == (1, 1)
        outer.save()
    assert names(one.path) == ["outer"]


def test_a_cassette_may_be_closed_in_another_task_than_it_was_opened(server: Any, tmp_path: Path) -> None:
    async def test() -> None:
        with ExitStack() as stack:
            opening = CassetteSettings(tmp_path / "one.yaml", "missing")

            async def opened() -> OpenCassette:
                return stack.enter_context(open_cassette(opening, {}))

            cassette = await asyncio.create_task(opened())
            ask("httpx2", server.url, "one")
            assert cassette.recorded == 1

    asyncio.run(test())
    ask("httpx2", server.url, "live")
    assert len(server.bodies) == 2


def test_nothing_is_caught_once_the_last_cassette_is_closed(server: Any, tmp_path: Path) -> None:
    real = httpx2.HTTPTransport.handle_request, httpx2.Client.send, http.client.HTTPConnection
    with ExitStack() as stack:
        for name in ("one", "two"):
            stack.enter_context(open_cassette(CassetteSettings(tmp_path / f"{name}.yaml", "missing"), {}))
        stack.pop_all().close()
        assert (httpx2.HTTPTransport.handle_request, httpx2.Client.send, http.client.HTTPConnection) == real


def test_a_connection_that_outlives_its_cassette_is_refused(cassette: Any, server: Any) -> None:
    with cassette("missing"):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("POST", "/", body=b"{}")
    with pytest.raises(CassetteError, match="has been closed"):
        connection.getresponse()
    connection.close()
    assert server.bodies == []
