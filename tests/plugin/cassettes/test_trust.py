from __future__ import annotations

import asyncio
import http.client
import logging
from http.client import HTTPConnection
from typing import Any

import httpcore2
import httpx
import httpx2
import pytest
import requests
import urllib3

from pytest_templates.errors import CassetteError, CassetteMiss


def address(server: Any) -> str:
    return str(server.url.removeprefix("http://"))


class OwnConnection(HTTPConnection):
    """A class whose base was copied before any cassette was opened."""


class OwnTransport(httpx2.BaseTransport):
    """A transport of a program's own, over another library than the usual one."""

    def __init__(self) -> None:
        self.pool = httpcore2.ConnectionPool()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.pool.request(request.method, str(request.url), content=request.read())
        return httpx2.Response(answer.status, content=answer.content)

    def close(self) -> None:
        self.pool.close()


def with_a_copied_class(server: Any) -> None:
    connection = HTTPConnection(address(server))
    try:
        connection.request("POST", "/", body=b"{}")
        connection.getresponse()
    finally:
        connection.close()


def with_a_derived_class(server: Any) -> None:
    connection = OwnConnection(address(server))
    try:
        connection.request("POST", "/", body=b"{}")
        connection.getresponse()
    finally:
        connection.close()


def with_a_transport_of_its_own(server: Any) -> None:
    with httpx2.Client(transport=OwnTransport()) as client:
        client.post(server.url, json={})


def with_a_pool(server: Any) -> None:
    with httpcore2.ConnectionPool() as pool:
        pool.request("POST", server.url, content=b"{}")


def with_an_async_pool(server: Any) -> None:
    async def ask() -> None:
        async with httpcore2.AsyncConnectionPool() as pool:
            await pool.request("POST", server.url, content=b"{}")

    asyncio.run(ask())


WAYS_PAST = [with_a_copied_class, with_a_derived_class, with_a_transport_of_its_own, with_a_pool, with_an_async_pool]


@pytest.mark.parametrize("mode", ["missing", "none"])
@pytest.mark.parametrize("way", WAYS_PAST)
def test_a_request_that_would_pass_the_cassette_is_stopped(way: Any, mode: str, cassette: Any, server: Any) -> None:
    with cassette(mode), pytest.raises(CassetteError, match="passed the cassette by") as caught:
        way(server)
    library = "http.client of Python 3." if "class" in way.__name__ else "httpcore2 2."
    assert library in str(caught.value)
    assert server.bodies == []


@pytest.mark.parametrize("way", WAYS_PAST)
def test_the_same_request_is_free_without_a_cassette(way: Any, cassette: Any, server: Any) -> None:
    with cassette("missing"):
        pass
    way(server)
    assert len(server.bodies) == 1


def test_a_connection_that_was_made_before_is_stopped(cassette: Any, server: Any) -> None:
    connection = http.client.HTTPConnection(address(server))
    with cassette("missing"), pytest.raises(CassetteError, match="passed the cassette by"):
        connection.request("POST", "/", body=b"{}")
    connection.close()


def test_clients_that_were_made_before_are_caught(cassette: Any, server: Any) -> None:
    with httpx2.Client() as new, httpx.Client() as old, requests.Session() as session, urllib3.PoolManager() as pool:
        for mode in ("missing", "none"):
            with cassette(mode) as opened:
                assert new.post(server.url, json={}).status_code == 200
                assert old.post(server.url, json={}).status_code == 200
                assert session.post(server.url, json={}).status_code == 200
                assert pool.request("POST", server.url, json={}).status == 200
                opened.save()
        assert (len(server.bodies), opened.played) == (4, 4)


def test_an_application_in_this_process_runs_and_only_its_own_calls_are_replayed(cassette: Any, server: Any) -> None:
    runs = []

    def application(request: httpx2.Request) -> httpx2.Response:
        runs.append(request)
        with httpx2.Client() as client:
            return httpx2.Response(200, json=client.post(server.url, json={"a": 1}).json())

    for mode in ("missing", "none"):
        with cassette(mode) as opened, httpx2.Client(transport=httpx2.MockTransport(application)) as client:
            assert client.get("http://application/").status_code == 200
            opened.save()
    assert (len(runs), len(server.bodies), opened.played) == (2, 1, 1)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (httpx, "AsyncHTTPTransport"),
        (httpx2, "HTTPTransport"),
        (urllib3.connectionpool, "HTTPConnectionPool"),
        (urllib3.connectionpool.HTTPConnectionPool, "ConnectionCls"),
    ],
)
def test_a_library_without_its_seam_is_refused_by_name_and_version(
    owner: Any, name: str, cassette: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = owner.__name__.partition(".")[0] if owner in (httpx, httpx2) else "urllib3"
    monkeypatch.delattr(owner, name)
    with pytest.raises(CassetteError, match=rf"{library} \d+\.\d+.* has no .*{name}"), cassette("missing"):
        pass
    assert not hasattr(httpx.HTTPTransport.handle_request, "__wrapped__")  # nothing stays patched


def test_a_seam_that_was_replaced_meanwhile_is_refused(cassette: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(self: Any, request: Any) -> Any:
        raise AssertionError(request)

    with cassette("missing"), monkeypatch.context() as patching:
        patching.setattr(httpx2.HTTPTransport, "handle_request", other)
        message = r"httpx2 2\..*handle_request is .*other, not the cassette's"
        with pytest.raises(CassetteError, match=message), cassette("none"):
            pass


def test_a_patch_that_was_there_before_is_kept(cassette: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def mocked(self: Any, request: Any) -> httpx2.Response:
        return httpx2.Response(200, stream=httpx2.ByteStream(b"mocked"))

    monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", mocked)
    with cassette("missing") as opened, httpx2.Client() as client:
        assert client.get("http://localhost/").text == "mocked"
        assert opened.recorded == 1
    assert httpx2.HTTPTransport.handle_request is mocked


@pytest.mark.parametrize("mode", ["missing", "none"])
def test_no_key_reaches_the_log(mode: str, cassette: Any, server: Any, caplog: pytest.LogCaptureFixture) -> None:
    with cassette("missing") as opened, requests.Session() as session:
        session.post(f"{server.url}/?key=hidden-key", json={})
        opened.save()
    for logger in ("", "vcr", "vcr.stubs", "vcr.cassette"):
        caplog.set_level(logging.DEBUG, logger)
    logging.getLogger("urllib3").setLevel(logging.INFO)  # logs addresses on its own account
    with cassette(mode) as opened, requests.Session() as session:
        session.post(f"{server.url}/?key=hidden-key", json={})
        if mode == "none":
            with pytest.raises(CassetteMiss):
                session.post(f"{server.url}/?key=hidden-key", json={"another": 1})
    assert "hidden-key" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("vcr")]


def test_vcrpy_may_log_again_afterwards(cassette: Any, caplog: pytest.LogCaptureFixture) -> None:
    with cassette("missing"):
        pass
    caplog.set_level(logging.DEBUG, "vcr")
    logging.getLogger("vcr.stubs").info("a message")
    assert "a message" in caplog.text
