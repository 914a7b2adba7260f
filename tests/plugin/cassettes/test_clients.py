from __future__ import annotations

import asyncio
import http.client
import time
import urllib.request
from typing import Any

import httpx2
import openai
import pytest
import requests

from pytest_templates.errors import CassetteMiss

MODES = ("missing", "none")
MESSAGES: Any = [{"role": "user", "content": "hello there"}]


def replayed(cassette: Any, server: Any, program: Any) -> list[Any]:
    """What a program gives while it is recorded, and while it is replayed."""
    seen = []
    for mode in MODES:
        with cassette(mode) as opened:
            seen.append(program(server.url))
            opened.save()
    assert len(server.bodies) == opened.played > 0
    return seen


def openai_sync(url: str) -> Any:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        return client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content


def openai_stream(url: str) -> Any:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return [chunk.choices[0].delta.content for chunk in chunks]


def openai_async(url: str) -> Any:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
            answer = await client.chat.completions.create(model="m", messages=MESSAGES)
            return answer.choices[0].message.content

    return asyncio.run(ask())


def openai_async_stream(url: str) -> Any:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
            chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            return [chunk.choices[0].delta.content async for chunk in chunks]

    return asyncio.run(ask())


def with_requests(url: str) -> Any:
    with requests.Session() as session:
        return session.post(url, json={"messages": MESSAGES}).json()


def with_requests_stream(url: str) -> Any:
    with requests.Session() as session:
        answer = session.post(url, json={"messages": MESSAGES, "stream": True}, stream=True)
        return list(answer.iter_lines())


def with_urllib(url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, data=b'{"messages": []}')) as answer:
        return answer.status, answer.read()


def with_http_client(url: str) -> Any:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("POST", "/", body=b'{"messages": []}')
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("content-type"), answer.read()


def with_httpx2_stream(url: str) -> Any:
    with (
        httpx2.Client() as client,
        client.stream("POST", url, json={"messages": MESSAGES, "stream": True}) as answer,
    ):
        return list(answer.iter_lines())


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "program",
    [
        openai_sync,
        openai_stream,
        openai_async,
        openai_async_stream,
        with_requests,
        with_requests_stream,
        with_httpx2_stream,
    ],
)
def test_every_client_gets_the_same_live_and_replayed(program: Any, compress: bool, cassette: Any, server: Any) -> None:
    server.compress = compress
    recorded, replay = replayed(cassette, server, program)
    assert recorded == replay
    assert recorded


def test_a_client_that_leaves_with_the_whole_answer_in_hand_was_not_early(cassette: Any, server: Any) -> None:
    server.answer = lambda _: server.says(b"whole", "text/plain")
    with cassette("missing") as opened, httpx2.Client() as client:
        with client.stream("POST", server.url, json={}) as answer:
            assert next(answer.iter_bytes()) == b"whole"
        opened.save()
    with cassette("none"), httpx2.Client() as client:
        assert client.post(server.url, json={}).text == "whole"


@pytest.mark.parametrize("program", [with_urllib, with_http_client])
def test_the_clients_of_the_standard_library_get_the_same(program: Any, cassette: Any, server: Any) -> None:
    recorded, replay = replayed(cassette, server, program)
    assert recorded == replay


def test_an_https_connection_can_be_made_while_a_cassette_is_open(cassette: Any) -> None:
    with cassette("none") as opened:
        connection = http.client.HTTPSConnection("localhost", 1)
        connection.request("GET", "/")
        with pytest.raises(CassetteMiss, match="GET https://localhost:1/"):
            connection.getresponse()
        with requests.Session() as session, pytest.raises(CassetteMiss, match="https://localhost:1/a"):
            session.get("https://localhost:1/a")
        connection.close()
    assert len(opened.misses) == 2


@pytest.mark.parametrize("program", [openai_sync, openai_stream, openai_async, openai_async_stream])
def test_a_miss_reaches_the_program_at_once_and_unwrapped(program: Any, cassette: Any, server: Any) -> None:
    started = time.monotonic()
    with cassette("none") as opened, pytest.raises(CassetteMiss):
        program(server.url)
    assert len(opened.misses) == 1  # a client that tries again would have missed again
    assert time.monotonic() - started < 0.4  # the shortest wait before a second try
    assert server.bodies == []


def test_a_miss_is_kept_where_the_program_swallowed_it(cassette: Any, server: Any) -> None:
    with cassette("none") as opened:
        for _ in range(2):
            with pytest.raises(CassetteMiss):
                with_requests(server.url)
    assert [miss.reason for miss in opened.misses] == ["no-cassette", "no-cassette"]
