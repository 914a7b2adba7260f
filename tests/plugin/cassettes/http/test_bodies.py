"""Bodies in every form that clients take are sent as they are without a cassette, and found again."""

from __future__ import annotations

import array
import asyncio
import http.client
import io
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest
import requests
import urllib3

aiohttp = pytest.importorskip("aiohttp")

WHOLE = b"first second"


def pieces() -> Iterator[bytes]:
    yield b"first "
    yield b"second"


async def async_pieces() -> AsyncIterator[bytes]:
    yield b"first "
    yield b"second"


def text_file() -> Any:
    return io.StringIO("first second")


def read_once() -> Any:
    """A file without a place to go back to."""

    class Pipe(io.RawIOBase):
        left = [b"first ", b"second"]  # noqa: RUF012 - each file has a class of its own

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            part = self.left.pop(0) if self.left else b""
            buffer[: len(part)] = part
            return len(part)

    return Pipe()


class Reader:
    """What a program has made to be read like a file: block by block, each as long as it likes."""

    def __init__(self) -> None:
        self._blocks = [b"first ", b"second"]

    def read(self, size: int) -> bytes:
        return self._blocks.pop(0) if self._blocks else b""


BODIES: dict[str, Callable[[], Any]] = {
    "bytes": lambda: WHOLE,
    "list": lambda: [b"first ", b"second"],
    "tuple": lambda: (b"first ", b"second"),
    "generator": pieces,
    "file": lambda: io.BytesIO(WHOLE),
    "pipe": read_once,
    "reader": Reader,
    "array": lambda: array.array("B", WHOLE),
}


def by_http_client(url: str, body: Any) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", "/", body)
    answer = connection.getresponse().read()
    connection.close()
    return answer


def by_hand(url: str, body: Any) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.putrequest("POST", "/", skip_accept_encoding=True)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(body, encode_chunked=True)
    answer = connection.getresponse().read()
    connection.close()
    return answer


def by_urllib(url: str, body: Any) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, body, method="POST")) as answer:
        return bytes(answer.read())


def by_urllib3(url: str, body: Any) -> bytes:
    with urllib3.PoolManager() as pool:
        return pool.request("POST", url, body=body).data


def by_requests(url: str, body: Any) -> bytes:
    with requests.Session() as session:
        return session.post(url, data=body).content


def by_httpx(library: Any) -> Callable[[str, Any], bytes]:
    def send(url: str, body: Any) -> bytes:
        with library.Client() as client:
            return bytes(client.post(url, content=body).content)

    return send


SENDERS: dict[str, tuple[Callable[[str, Any], bytes], set[str]]] = {  # each with what it does not take
    "http.client": (by_http_client, set()),
    "http.client by hand": (by_hand, set()),
    "urllib.request": (by_urllib, set()),
    "urllib3": (by_urllib3, set()),
    "requests": (by_requests, {"list", "tuple", "array", "reader"}),
    "httpx": (by_httpx(httpx), {"array", "reader"}),
    "httpx2": (by_httpx(httpx2), {"array", "reader"}),
}
CASES = [(sender, body) for sender, (_, without) in SENDERS.items() for body in BODIES if body not in without]


@pytest.mark.parametrize(("sender", "body"), CASES)
def test_a_body_is_sent_as_it_is_without_a_cassette(
    sender: str, body: str, recorded_and_replayed: Any, web: Any
) -> None:
    send = SENDERS[sender][0]
    assert send(web.url, BODIES[body]()) == WHOLE
    (bare,) = web.asked

    assert recorded_and_replayed(lambda url: send(url, BODIES[body]())) == (WHOLE, WHOLE)

    assert [(one.body, one.framing) for one in web.asked[1:]] == [(WHOLE, bare.framing)]


@pytest.mark.parametrize(("sender", "sent"), [("http.client", "é".encode("latin-1")), ("urllib3", "é".encode())])
@pytest.mark.parametrize("make", [lambda: "é", lambda: io.StringIO("é")], ids=["text", "file"])
def test_a_text_is_sent_in_the_encoding_of_its_client(
    sender: str, sent: bytes, make: Any, recorded_and_replayed: Any, web: Any
) -> None:
    send = SENDERS[sender][0]
    assert recorded_and_replayed(lambda url: send(url, make())) == (sent, sent)
    assert [one.body for one in web.asked] == [sent]


def by_aiohttp(make: Callable[[], Any]) -> Callable[[str], bytes]:
    async def send(url: str) -> bytes:
        async with aiohttp.ClientSession() as session, session.post(url, data=make()) as answer:
            return bytes(await answer.read())

    return lambda url: asyncio.run(send(url))


def bytes_in_place() -> Any:
    return bytearray(WHOLE)


def view_of_bytes() -> Any:
    return memoryview(WHOLE)


@pytest.mark.parametrize(
    "make",
    [
        lambda: WHOLE,
        async_pieces,
        lambda: io.BytesIO(WHOLE),
        text_file,
        read_once,
        bytes_in_place,
        view_of_bytes,
    ],
)
def test_aiohttp_sends_what_it_is_given(make: Any, recorded_and_replayed: Any, web: Any) -> None:
    send = by_aiohttp(make)
    if make is not read_once:  # by itself, aiohttp sends only what it can read again
        assert send(web.url) == WHOLE
    framing = [one.framing for one in web.asked]

    assert recorded_and_replayed(send) == (WHOLE, WHOLE)

    assert [one.body for one in web.asked] == [WHOLE] * len(web.asked)
    assert [one.framing for one in web.asked[1:]] == framing


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_httpx_sends_what_an_async_generator_makes(library: Any, recorded_and_replayed: Any, web: Any) -> None:
    async def send(url: str) -> bytes:
        async with library.AsyncClient() as client:
            return bytes((await client.post(url, content=async_pieces())).content)

    assert recorded_and_replayed(lambda url: asyncio.run(send(url))) == (WHOLE, WHOLE)
    (asked,) = web.asked
    assert asked.framing == {"transfer-encoding": "chunked"}
