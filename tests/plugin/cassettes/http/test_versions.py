"""The version of HTTP by which an answer came is the same in replay, and written down where it is not 1.1."""

from __future__ import annotations

import asyncio
import http.client
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest
import requests

from pytest_templates.cassettes.format.document import FormatError, from_text, to_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.storage.store import load_cassette

aiohttp = pytest.importorskip("aiohttp")


def by_aiohttp(url: str) -> str:
    async def ask() -> str:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return f"{answer.version.major}.{answer.version.minor}"

    return asyncio.run(ask())


def by_http_client(url: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", "/")
    version = connection.getresponse().version
    connection.close()
    return str(version / 10)


def by_requests(url: str) -> str:
    return str(requests.get(url).raw.version / 10)


PROGRAMS = {
    "httpx": lambda url: httpx.get(url).http_version.removeprefix("HTTP/"),
    "httpx2": lambda url: httpx2.get(url).http_version.removeprefix("HTTP/"),
    "requests": by_requests,
    "http.client": by_http_client,
    "aiohttp": by_aiohttp,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_program_sees_the_version_again(
    version: str, program: Any, recorded_and_replayed: Any, web: Any, path: Path
) -> None:
    web.protocol = f"HTTP/{version}"
    assert recorded_and_replayed(program) == (version, version)
    (interaction,) = load_cassette(path)
    assert interaction.response.http_version == ("" if version == "1.1" else "HTTP/1.0")
    assert ("http_version: HTTP/1.0\n" in path.read_text("utf-8")) == (version == "1.0")


def test_a_version_that_is_no_text_is_refused() -> None:
    response = RecordedResponse(200, "", (), b"", http_version="HTTP/2")
    text = to_text([Interaction(None, None, RecordedRequest("GET", "u", (), b""), response)])
    assert from_text(text)[0].response == response
    with pytest.raises(FormatError, match="has an impossible 'http_version'"):
        from_text(text.replace("HTTP/2", "2"))
