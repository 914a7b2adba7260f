"""Hosts that are left alone are asked as if no cassette were open, by every library that is caught."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import inspect
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import aiohttp
import httpcore2
import httpx
import httpx2
import pytest
import requests
import urllib3

from pytest_templates.cassettes.hosts import patterns_of
from pytest_templates.cassettes.retry_waits import virtual_waits
from pytest_templates.errors import CassetteError, CassetteMiss

MODES = ("missing", "none")
BODY = {"spans": [1, 2]}


def with_httpx2(url: str) -> Any:
    return httpx2.post(url, json=BODY).json()


def with_httpx(url: str) -> Any:
    return httpx.post(url, json=BODY).json()


def with_async_httpx2(url: str) -> Any:
    async def ask() -> Any:
        async with httpx2.AsyncClient() as client:
            return (await client.post(url, json=BODY)).json()

    return asyncio.run(ask())


def with_pieces(url: str) -> Any:
    return httpx2.post(url, content=iter([b'{"spans":', b" [1, 2]}"]), headers={"content-length": "17"}).json()


def with_httpcore2(url: str) -> Any:
    return json.loads(httpcore2.request("POST", url, content=json.dumps(BODY).encode()).content)


def with_requests(url: str) -> Any:
    return requests.post(url, json=BODY, timeout=5).json()


def with_urllib3(url: str) -> Any:
    with urllib3.PoolManager() as pool:
        return pool.request("POST", url, json=BODY).json()


def with_urllib(url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(BODY).encode())) as answer:
        return json.load(answer)


def with_http_client(url: str) -> Any:
    body = json.dumps(BODY).encode()
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"))) as connection:
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body)
        return json.load(connection.getresponse())


def with_aiohttp(url: str) -> Any:
    async def ask() -> Any:
        async with aiohttp.ClientSession() as session, session.post(url, json=BODY) as answer:
            return await answer.json()

    return asyncio.run(ask())


LIBRARIES = [
    *(with_httpx, with_httpx2, with_async_httpx2, with_pieces, with_httpcore2),
    *(with_requests, with_urllib3, with_urllib, with_http_client, with_aiohttp),
]


@pytest.fixture
def other(server: Any) -> str:
    """The server by another name."""
    server.answer = lambda body: server.says(json.dumps(body).encode())
    return str(server.url.replace("127.0.0.1", "localhost"))


@pytest.mark.parametrize("ask", LIBRARIES)
def test_a_host_is_asked_whether_the_model_is_recorded_or_replayed(
    ask: Callable[[str], Any], cassette: Any, server: Any, other: str
) -> None:
    for mode in MODES:
        with cassette(mode, ignore_hosts=patterns_of(["localhost"])) as opened:
            assert ask(other) == BODY
            assert requests.post(server.url, json={"model": "m"}, timeout=5).json() == {"model": "m"}
            assert ask(other) == BODY
            opened.save()
        assert opened.misses == []
    assert (opened.played, len(server.bodies)) == (1, 5)


@pytest.mark.parametrize("ask", LIBRARIES)
def test_another_port_of_the_host_is_caught(ask: Callable[[str], Any], cassette: Any, server: Any, other: str) -> None:
    with cassette("none", ignore_hosts=patterns_of(["localhost:1"])), pytest.raises(CassetteError):
        ask(other)
    assert server.bodies == []


@pytest.fixture
def endless(serving: Any) -> Iterator[Any]:
    """A server whose answer has a second piece once it is let go on: its URL, and what lets it."""
    go_on = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"one")
            self.wfile.flush()
            self.wfile.write(b"two" if go_on.wait(5) else b"nobody listens")

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        yield url.replace("127.0.0.1", "localhost"), go_on


@pytest.mark.parametrize("library", ["requests", "urllib"])
def test_a_stream_arrives_piece_by_piece(library: str, cassette: Any, endless: Any) -> None:
    url, go_on = endless
    with cassette("none", ignore_hosts=patterns_of(["localhost"])), contextlib.ExitStack() as opened:
        if library == "requests":
            stream = opened.enter_context(requests.get(url, stream=True, timeout=10)).raw
        else:
            stream = opened.enter_context(urllib.request.urlopen(url))
        assert stream.read(3) == b"one"
        go_on.set()
        assert stream.read() == b"two"


def test_a_redirect_from_such_a_host_to_another_one_is_stopped(cassette: Any, server: Any, other: str) -> None:
    server.answer = lambda _: server.says(b"", status=307, location=server.url)

    with cassette("none", ignore_hosts=patterns_of(["localhost"])) as opened:
        for ask in (with_requests, with_aiohttp):
            with pytest.raises(CassetteError):
                ask(other)
    assert (len(server.bodies), len(opened.misses)) == (2, 2)


def test_a_route_that_is_mocked_below_the_client_is_played_by_its_mock(
    cassette: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As respx does, which looks at the parameters of what it replaces."""
    pools = httpcore2.ConnectionPool, httpcore2.AsyncConnectionPool
    with cassette("none", ignore_hosts=patterns_of(["mocked.test"])):
        assert inspect.getfullargspec(pools[0].handle_request).args == ["self", "request"]
        assert inspect.getfullargspec(pools[1].handle_async_request).args == ["self", "request"]
        assert inspect.iscoroutinefunction(pools[1].handle_async_request)
        answer = lambda _pool, request: httpcore2.Response(200, content=b'{"mocked": true}')  # noqa: E731
        with monkeypatch.context() as mocked:
            mocked.setattr(pools[0], "handle_request", answer)
            assert with_httpx2("http://mocked.test") == {"mocked": True}
    assert server.bodies == []


def test_a_wait_for_such_a_host_takes_its_time(cassette: Any, server: Any, other: str) -> None:
    server.answer = lambda body: server.says(b"{}", status=429) if body else server.says(b"{}")
    for mode in MODES:
        with cassette(mode, ignore_hosts=patterns_of(["localhost"])) as opened, virtual_waits():
            assert requests.post(server.url, json={"model": "m"}, timeout=5).status_code == 429
            before = time.monotonic()
            time.sleep(0.05)
            virtual = time.monotonic() - before
            requests.post(other, timeout=5)
            before = time.monotonic()
            time.sleep(0.05)
            assert time.monotonic() - before >= 0.05
            opened.save()
    assert virtual < 0.05


def test_a_miss_names_the_key_unless_a_model_was_asked(cassette: Any, server: Any) -> None:
    remedy = "name its host in templates_ignore_hosts"
    prompt = {"model": "m", "messages": [{"role": "user", "content": "Hello."}]}
    with cassette("none"):
        with pytest.raises(CassetteMiss, match=remedy):
            httpx2.post(server.url, json=BODY)
        for url, body in ((server.url, prompt), ("https://api.openai.com/v1/files", {})):
            with pytest.raises(CassetteMiss) as caught:
                httpx2.post(url, json=body)
            assert remedy not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("localhost", "LOCALHOST", 80),
        ("Localhost:8080", "localhost.", 8080),
        ("*.langfuse.com", "eu.cloud.langfuse.com", 443),
        ("*:6333", "vectors.example", 6333),
        ("10.0.*", "10.0.0.7", 80),
        ("::1", "0:0:0:0:0:0:0:1", 80),
        ("[::1]:6333", "::1", 6333),
        ("bücher.example", "xn--bcher-kva.example", 443),
        ("localhost:8080", "localhost", None),
    ],
)
def test_a_host_is_named_by_a_name_an_address_or_a_glob(pattern: str, host: str, port: int | None) -> None:
    (found,) = patterns_of([pattern])

    assert found.matches(host, port)
    assert not found.matches("other.test", 1)


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("localhost:8080", "localhost", 80),
        ("*.langfuse.com", "langfuse.com", 443),
        ("langfuse.com", "evil-langfuse.com", 443),
        ("localhost", "127.0.0.1", 80),
    ],
)
def test_another_host_is_not_meant(pattern: str, host: str, port: int) -> None:
    assert not any(one.matches(host, port) for one in patterns_of([pattern]))
