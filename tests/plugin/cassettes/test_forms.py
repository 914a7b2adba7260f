from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
import requests

from pytest_templates.errors import CassetteMiss

aiohttp = pytest.importorskip("aiohttp")

Send = Callable[[str, str, bytes], str]


def with_httpx(library: Any) -> Send:
    def send(url: str, name: str, content: bytes) -> str:
        with library.Client() as client:
            answer = client.post(url, data={"purpose": name}, files={"file": ("a.txt", io.BytesIO(content))})
            return str(answer.text)

    return send


def with_requests(url: str, name: str, content: bytes) -> str:
    with requests.Session() as session:
        return session.post(url, data={"purpose": name}, files={"file": ("a.txt", io.BytesIO(content))}).text


def with_aiohttp(make: Callable[[str, bytes], Any]) -> Send:
    def send(url: str, name: str, content: bytes) -> str:
        async def ask() -> str:
            async with aiohttp.ClientSession() as session, session.post(url, data=make(name, content)) as answer:
                return str(await answer.text())

        return asyncio.run(ask())

    return send


def form(name: str, content: bytes) -> Any:
    data = aiohttp.FormData({"purpose": name})
    data.add_field("file", io.BytesIO(content), filename="a.txt", content_type="text/plain")
    return data


def mapping(name: str, content: bytes) -> Any:
    return {"purpose": name, "file": io.BytesIO(content)}


def plain(name: str, content: bytes) -> Any:
    return {"purpose": name, "content": content.decode("latin-1")}


def parts(name: str, content: bytes) -> Any:
    writer = aiohttp.MultipartWriter("mixed")
    writer.append(name)
    writer.append(content)
    return writer


SENDERS = {
    "httpx": with_httpx(httpx),
    "httpx2": with_httpx(httpx2),
    "requests": with_requests,
    "aiohttp-form": with_aiohttp(form),
    "aiohttp-mapping": with_aiohttp(mapping),
    "aiohttp-plain": with_aiohttp(plain),
    "aiohttp-parts": with_aiohttp(parts),
}


@pytest.fixture(params=SENDERS)
def send(request: pytest.FixtureRequest) -> Send:
    return SENDERS[request.param]


def accepts(server: Any) -> None:
    server.answer = lambda _: server.says(b"accepted", "text/plain")


def test_a_form_matches_by_its_parts_whatever_its_boundary(send: Send, cassette: Any, server: Any) -> None:
    accepts(server)
    for mode in ("missing", "none"):
        with cassette(mode) as opened:
            assert send(server.url, "batch", b"line\r\n\x00\xff") == "accepted"
            opened.save()
    (body,) = server.bodies
    assert b"batch" in body
    assert opened.played == 1


@pytest.mark.parametrize(("name", "content"), [("batch", b"other"), ("other", b"line")])
def test_another_part_is_another_request(send: Send, name: str, content: bytes, cassette: Any, server: Any) -> None:
    accepts(server)
    with cassette("missing") as opened:
        send(server.url, "batch", b"line")
        opened.save()
    with cassette("none"), pytest.raises(CassetteMiss, match="no-match"):
        send(server.url, name, content)


@pytest.mark.parametrize("stream", [False, True])
def test_aiohttp_gets_the_same_live_and_replayed(stream: bool, cassette: Any, server: Any) -> None:
    async def ask() -> list[bytes]:
        body = {"messages": [{"content": "hello there"}], "stream": stream}
        async with aiohttp.ClientSession() as session, session.post(server.url, json=body) as answer:
            return [line async for line in answer.content]

    seen = []
    for mode in ("missing", "none"):
        with cassette(mode) as opened:
            seen.append(asyncio.run(ask()))
            opened.save()
    assert seen[0] == seen[1]
    assert b"HELLO" in seen[0][0]
    assert [json.loads(body)["stream"] for body in server.bodies] == [stream]


def test_a_body_that_aiohttp_reads_from_a_file_is_sent_whole(cassette: Any, server: Any) -> None:
    accepts(server)
    with cassette("missing"):
        with_aiohttp(lambda name, content: io.BytesIO(content))(server.url, "", b"the whole file")
    assert server.bodies == [b"the whole file"]
