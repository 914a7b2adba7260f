"""Programs that undo the compression of an answer themselves get it as it came, in recording as in replay."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import urllib.request
import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import httpx2
import pytest
import requests
import urllib3
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.format.decompression import ChunkDecoder, decoded, encoded_pieces
from pytest_templates.cassettes.format.document import FormatError, from_text, to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.storage.store import load_cassette

aiohttp = pytest.importorskip("aiohttp")

BODY = b'{"said": "hello"}' * 40
UNDO: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}


def by_s3(url: str) -> tuple[Any, ...]:
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        config=Config(retries={"max_attempts": 0}),
    )
    found = client.get_object(Bucket="b", Key="k")
    packed = found["Body"].read()
    return found["ContentEncoding"], found["ContentLength"] == len(packed), UNDO[found["ContentEncoding"]](packed)


def by_requests(url: str) -> tuple[Any, ...]:
    with requests.get(url, stream=True) as answer:
        packed = answer.raw.read()
        encoding = answer.headers["Content-Encoding"]
        return encoding, answer.headers["Content-Length"] == str(len(packed)), UNDO[encoding](packed)


def by_requests_content(url: str) -> tuple[Any, ...]:
    with requests.Session() as session:
        answers = [session.get(url) for _ in range(2)]
    return tuple((answer.content, answer.headers["Content-Encoding"]) for answer in answers)


def by_urllib3(url: str) -> tuple[Any, ...]:
    with urllib3.PoolManager(maxsize=1, block=True) as pool:  # one that is not given back would be waited for
        packed = pool.request("GET", url, decode_content=False).data
        streamed = pool.request("GET", url, preload_content=False)
        parts = b"".join(streamed.stream(7, decode_content=False))
        read = pool.request("GET", url, preload_content=False)
        text = read.read()
        lines = pool.request("GET", url, preload_content=False)
        undone = b"".join(lines.stream(7))
        lines.release_conn()
        return (
            packed == parts,
            UNDO[read.headers["content-encoding"]](packed),
            text,
            undone,
            pool.request("GET", url).data,
        )


def by_http_client(url: str) -> tuple[Any, ...]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", "/")
    with connection.getresponse() as answer:
        encoding, size, packed = answer.headers["Content-Encoding"], answer.length, answer.read()
    connection.close()
    return encoding, size == len(packed), UNDO[encoding](packed), answer.isclosed()


def by_urllib(url: str) -> tuple[Any, ...]:
    with urllib.request.urlopen(url) as answer:
        return answer.headers["Content-Encoding"], UNDO[answer.headers["Content-Encoding"]](answer.read())


def by_aiohttp(url: str) -> tuple[Any, ...]:
    async def ask() -> tuple[Any, ...]:
        async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(url) as answer:
            encoding = answer.headers["Content-Encoding"]
            return encoding, UNDO[encoding](await answer.read())

    return asyncio.run(ask())


def by_httpx(library: Any) -> Callable[[str], tuple[Any, ...]]:
    def program(url: str) -> tuple[Any, ...]:
        with library.Client() as client, client.stream("GET", url) as answer:
            packed = b"".join(answer.iter_raw(7))
        encoding = answer.headers["Content-Encoding"]
        return encoding, answer.headers["Content-Length"] == str(len(packed)), UNDO[encoding](packed)

    return program


def by_async_httpx(library: Any) -> Callable[[str], tuple[Any, ...]]:
    async def ask(url: str) -> tuple[Any, ...]:
        async with library.AsyncClient() as client, client.stream("GET", url) as answer:
            packed = b"".join([piece async for piece in answer.aiter_raw()])
        encoding = answer.headers["Content-Encoding"]
        return encoding, answer.headers["Content-Length"] == str(len(packed)), UNDO[encoding](packed)

    return lambda url: asyncio.run(ask(url))


PROGRAMS = {
    "httpx": by_httpx(httpx),
    "httpx2": by_httpx(httpx2),
    "httpx, async": by_async_httpx(httpx),
    "httpx2, async": by_async_httpx(httpx2),
    "aiohttp": by_aiohttp,
    "boto3": by_s3,
    "requests": by_requests,
    "requests content": by_requests_content,
    "urllib3": by_urllib3,
    "http.client": by_http_client,
    "urllib.request": by_urllib,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_program_gets_compressed_bytes_as_without_a_cassette(
    encoding: str, pack: Any, program: Any, recorded_and_replayed: Any, web: Any, path: Path
) -> None:
    packed = pack(BODY, 1)
    web.answer = lambda request: request.says(
        packed, 200, ("Content-Encoding", encoding), ("Content-Type", "text/plain"), ("ETag", '"1"')
    )
    bare = program(web.url)
    assert recorded_and_replayed(program) == (bare, bare)
    for interaction in load_cassette(path):
        assert interaction.response.body == BODY
        assert interaction.response.encoding == encoding
    assert f"encoding: {encoding}\n" in path.read_text("utf-8")


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_raw_stream_that_is_left_early_is_left_there_again(
    library: Any, recorded_and_replayed: Any, web: Any, path: Path
) -> None:
    packed = gzip.compress(BODY)
    web.answer = lambda request: request.says(packed, 200, ("Content-Encoding", "gzip"), stalls=True)

    def program(url: str) -> tuple[str, bytes]:
        with library.Client() as client, client.stream("GET", url) as answer:
            part = next(answer.iter_raw())
        return answer.headers["Content-Encoding"], zlib.decompressobj(31).decompress(part)

    assert recorded_and_replayed(program) == (("gzip", BODY), ("gzip", BODY))
    (interaction,) = load_cassette(path)
    assert interaction.response.cut is not None


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_what_httpx_has_undone_is_kept_as_no_other_answer(
    library: Any, recorded_and_replayed: Any, web: Any, path: Path
) -> None:
    web.answer = lambda request: request.says(gzip.compress(BODY), 200, ("Content-Encoding", "gzip"))

    def program(url: str) -> list[bytes]:
        with library.Client() as client, client.stream("GET", url) as answer:
            return [library.get(url).content, b"".join(answer.iter_bytes())]

    assert recorded_and_replayed(program) == ([BODY, BODY], [BODY, BODY])
    assert [one.response.encoding for one in load_cassette(path)] == ["", ""]


@given(pieces=st.lists(st.binary(min_size=1), min_size=1), is_whole=st.booleans(), encoding=st.sampled_from([*UNDO]))
def test_each_piece_of_a_body_that_is_compressed_again_is_the_same_piece(
    pieces: list[bytes], is_whole: bool, encoding: str
) -> None:
    decoder = ChunkDecoder(encoding)
    packed = encoded_pieces(pieces, encoding, is_whole=is_whole)

    assert [decoder.decode(piece) for piece in packed] == pieces
    assert (decoded(b"".join(packed), encoding) == b"".join(pieces)) is is_whole


def raw_by_requests(url: str) -> bytes:
    with requests.get(url, stream=True) as answer:
        return bytes(answer.raw.read())


def raw_by_httpx(url: str) -> bytes:
    with httpx.stream("GET", url) as answer:
        return b"".join(answer.iter_raw())


@pytest.mark.parametrize("program", [raw_by_requests, raw_by_httpx])
def test_what_is_no_compressed_body_comes_as_it_is(
    program: Any, recorded_and_replayed: Any, web: Any, path: Path
) -> None:
    web.answer = lambda request: request.says(BODY, 200, ("Content-Encoding", "gzip"))

    assert recorded_and_replayed(program) == (BODY, BODY)
    assert [one.response.encoding for one in load_cassette(path)] == [""]


def unpacked_by_aiohttp(url: str) -> bytes:
    async def ask() -> bytes:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return bytes(await answer.read())

    return asyncio.run(ask())


@pytest.mark.parametrize("program", [lambda url: requests.get(url).content, unpacked_by_aiohttp])
def test_a_body_that_is_packed_twice_is_kept_as_it_was_packed_first(
    program: Any, recorded_and_replayed: Any, web: Any, path: Path
) -> None:
    file = gzip.compress(BODY)
    web.answer = lambda request: request.says(gzip.compress(file), 200, ("Content-Encoding", "gzip"))
    assert recorded_and_replayed(program) == (file, file)
    assert [one.response.body for one in load_cassette(path)] == [file]


@pytest.mark.parametrize("rest", [b"\0", bytes(8), b"\x1f\x8b", b"\x1f\x8bzzzz", b"rest"])
@pytest.mark.parametrize(
    "program", [lambda url: requests.get(url).content, lambda url: httpx.get(url).content], ids=["requests", "httpx"]
)
def test_what_follows_a_compressed_body_is_passed_over(
    program: Any, rest: bytes, recorded_and_replayed: Any, web: Any, path: Path
) -> None:
    web.answer = lambda request: request.says(gzip.compress(BODY) + rest, 200, ("Content-Encoding", "gzip"))
    assert recorded_and_replayed(program) == (BODY, BODY)
    assert [(one.response.body, one.response.cut) for one in load_cassette(path)] == [(BODY, None)]


@pytest.mark.skipif(find_spec("brotli") is None and find_spec("brotlicffi") is None, reason="brotli is not installed")
def test_brotli_is_done_again(recorded_and_replayed: Any, web: Any) -> None:
    brotli: Any = import_module("brotli" if find_spec("brotli") else "brotlicffi")
    web.answer = lambda request: request.says(brotli.compress(BODY), 200, ("Content-Encoding", "br"))

    def program(url: str) -> bytes:
        return bytes(brotli.decompress(urllib3.request("GET", url, decode_content=False).data))

    assert recorded_and_replayed(program) == (BODY, BODY)


def test_an_encoding_that_does_not_exist_is_refused() -> None:
    response = RecordedResponse(200, "", (), b"x", encoding="gzip")
    text = to_text([Interaction(None, None, RecordedRequest("GET", "u", (), b""), response)])
    assert from_text(text)[0].response == response
    with pytest.raises(FormatError, match="has the unknown encoding 'zipped'"):
        from_text(text.replace("encoding: gzip", "encoding: zipped"))
