from __future__ import annotations

import asyncio
import contextvars
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.pool import ThreadPool
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import anyio
import httpx2
import pytest
import requests

from pytest_templates.cassettes.cassette import OpenCassette, open_cassette
from pytest_templates.cassettes.hosts import patterns_of
from pytest_templates.cassettes.http.routing import set_up_for_several_tests, take_late
from pytest_templates.cassettes.settings import Author, CassetteSettings
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteError

CALLS = 10


def ask(library: str, url: str, name: str) -> Any:
    if library == "requests":
        with requests.Session() as session:
            return session.post(url, json={"name": name}).json()
    with httpx2.Client() as client:
        return client.post(url, json={"name": name}).json()


@contextmanager
def worker() -> Iterator[Callable[..., Any]]:
    """A thread with a queue of its own: calls a function there, and returns or raises what it does."""
    todo: SimpleQueue[Any] = SimpleQueue()

    def work() -> None:
        for function, arguments, done in iter(todo.get, None):
            try:
                done.set_result(function(*arguments))
            except CassetteError as error:
                done.set_exception(error)

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        done: Future[Any] = Future()
        todo.put((function, arguments, done))
        return done.result(10)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield call
    finally:
        todo.put(None)
        thread.join()


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
    with worker() as call, ExitStack() as stack:
        for name in ("one", "two"):
            stack.enter_context(open_cassette(CassetteSettings(tmp_path / f"{name}.yaml", "missing"), {}))
        with pytest.raises(CassetteError, match=r"2 cassettes are open") as caught:
            call(ask, library, server.url, "lost")
        assert str(tmp_path / "one.yaml") in str(caught.value)
        assert str(tmp_path / "two.yaml") in str(caught.value)
        assert call(contextvars.copy_context().run, ask, library, server.url, "told")
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


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    """Opens the cassette of a test: ``with opened("one") as cassette:``."""

    def opener(name: str, **settings: Any) -> Any:
        author = Author(f"test_it.py::test_{name}")
        return open_cassette(CassetteSettings(tmp_path / f"{name}.yaml", "missing", author=author, **settings), {})

    return opener


def recorded(cassette: OpenCassette) -> list[str]:
    return [json.loads(one.request.body)["name"] for one in cassette.requests]


def in_loop(function: Callable[..., Any], *arguments: Any) -> Any:
    """A coroutine that calls a function in a thread of its loop."""
    return asyncio.to_thread(function, *arguments)


@pytest.mark.parametrize("mode", ["missing", "none"])
@pytest.mark.parametrize("library", ["httpx2", "requests"])
def test_a_thread_that_outlives_its_test_is_refused_and_no_other_test_fails(
    library: str, mode: Any, server: Any, opened: Any, tmp_path: Path
) -> None:
    with ExitStack() as left_behind:
        with opened("one"):
            call = left_behind.enter_context(worker())
            assert call(ask, library, server.url, "early") is not None
        with open_cassette(CassetteSettings(tmp_path / "two.yaml", mode), {}) as two:
            with pytest.raises(CassetteError, match=r"refused, since test_it\.py::test_one is over") as caught:
                call(ask, library, server.url, "late")
            assert "templates_ignore_hosts" in str(caught.value)
    assert (two.misses, two.requests, len(server.bodies)) == ([], [], 1)
    (told,) = take_late()
    assert told.startswith(f"POST {server.url}")
    assert told.endswith(
        "refused, since test_it.py::test_one is over, and the thread or task that asks was started by it"
    )


def test_what_such_a_thread_starts_is_refused_too(server: Any, opened: Any) -> None:
    loop = asyncio.new_event_loop()
    turning = threading.Thread(target=loop.run_forever, daemon=True)
    turning.start()  # a loop of all tests
    with ThreadPoolExecutor(1) as pool, ExitStack() as left_behind:
        with opened("one"):
            call = left_behind.enter_context(worker())
        with opened("two") as two:
            late = [
                lambda: pool.submit(ask, "httpx2", server.url, "pool").result(),
                lambda: asyncio.run_coroutine_threadsafe(in_loop(ask, "httpx2", server.url, "loop"), loop).result(),
                lambda: call_in_thread(ask, "httpx2", server.url, "thread"),
            ]
            for start in late:
                with pytest.raises(CassetteError, match="is over"):
                    call(start)
    loop.call_soon_threadsafe(loop.stop)
    turning.join()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert (two.misses, server.bodies, len(take_late())) == ([], [], 3)


def call_in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    done: Future[Any] = Future()

    def work() -> None:
        try:
            done.set_result(function(*arguments))
        except CassetteError as error:
            done.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return done.result(10)


def test_a_task_that_outlives_its_test_is_refused(server: Any, opened: Any) -> None:
    async def late() -> None:
        await go_on.wait()
        async with httpx2.AsyncClient() as client:
            await client.post(server.url, json={"name": "late"})

    async def tests() -> CassetteError:
        with opened("one"):
            task = asyncio.create_task(late())
            await asyncio.sleep(0)
        with opened("two") as two:
            go_on.set()
            with pytest.raises(CassetteError, match="is over") as caught:
                await task
        assert (two.misses, server.bodies) == ([], [])
        return caught.value

    go_on = asyncio.Event()
    assert "test_one" in str(asyncio.run(tests()))
    take_late()


def test_pools_and_loops_of_all_tests_serve_the_test_that_gives_them_work(server: Any, opened: Any) -> None:
    """Their threads are started by the first test that does."""
    loop = asyncio.new_event_loop()
    calls = {}
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        for name in ("one", "two"):
            with opened(name) as cassette:
                if name == "one":
                    threads = stack.enter_context(ThreadPool(1))
                asked = ("httpx2", server.url, name)
                pool.submit(ask, *asked).result()
                list(pool.map(ask, *zip(asked, strict=True)))
                loop.run_until_complete(in_loop(ask, *asked))
                loop.run_until_complete(loop.run_in_executor(pool, ask, *asked))
                threads.apply(ask, asked)
                threads.apply_async(func=ask, args=asked).get()
                threads.starmap(ask, [asked])
                list(threads.imap(lambda each: ask(*each), [asked]))
                list(threads.imap_unordered(lambda each: ask(*each), [asked]))
                calls[name] = recorded(cassette)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert calls == {"one": ["one"] * 9, "two": ["two"] * 9}


def test_a_thread_looks_as_it_did_before_it_was_started(opened: Any) -> None:
    class Own(threading.Thread):
        def run(self) -> None:
            self.seen = sorted(vars(self))

    with opened("one"):
        thread = Own()
        before = sorted(vars(thread))
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
    assert thread.seen == before
    assert "run" not in vars(thread)


def test_a_host_that_is_left_alone_is_so_for_a_thread_that_outlives_its_test(server: Any, opened: Any) -> None:
    with ExitStack() as left_behind:
        with opened("one", ignore_hosts=patterns_of(["127.0.0.1"])):
            call = left_behind.enter_context(worker())
        with opened("two") as two:
            call(ask, "requests", server.url, "a trace")
    assert (two.misses, two.requests, len(server.bodies), take_late()) == ([], [], 1, [])


def test_what_is_started_while_a_shared_fixture_is_set_up_serves_later_tests(server: Any, opened: Any) -> None:
    with ExitStack() as shared:
        with opened("one") as one, set_up_for_several_tests():
            call = shared.enter_context(worker())
            call(ask, "httpx2", server.url, "one")
        with opened("two") as two:
            call(ask, "httpx2", server.url, "two")
    assert (recorded(one), recorded(two)) == (["one"], ["two"])
