"""Answers in Zstandard are kept decoded by whichever package is installed, and refused where none is."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import httpx2
import pytest
import requests

from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteError

BODY = b'{"said": "hello"}' * 40
PACKAGES = ("compression.zstd", "backports.zstd", "zstandard")


def is_installed(name: str) -> bool:
    package, _, module = name.partition(".")
    return find_spec(package) is not None and (not module or find_spec(name) is not None)


installed = [name for name in PACKAGES if is_installed(name)]
FRAME = b"\x28\xb5\x2f\xfd" + BODY[::-1]
STAND_IN = dedent(
    """
    MAGIC = b"\\x28\\xb5\\x2f\\xfd"

    class Frame:
        eof = False
        unused_data = b""

        def decompress(self, data):
            assert data.startswith(MAGIC)
            self.eof = True
            return data[len(MAGIC):][::-1]

    class ZstdDecompressor:
        decompressobj = staticmethod(Frame)

    def compress(data):
        return MAGIC + data[::-1]
    """
)


def compressed() -> bytes:
    """The body as the installed package writes it, or as the one that stands in for it does."""
    if not installed:
        return FRAME
    package: Any = import_module(installed[0])
    made = package.ZstdCompressor().compress(BODY) if installed[0] == "zstandard" else package.compress(BODY)
    return bytes(made)


def ask(url: str) -> bytes:
    with httpx2.Client() as client, client.stream("GET", url) as answer:
        return b"".join(answer.iter_raw())


def test_zstandard_is_undone(
    cassette: Any, web: Any, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = compressed()
    if not installed:
        (tmp_path / "zstandard.py").write_text(STAND_IN, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
    web.answer = lambda request: request.says(packed, 200, ("Content-Encoding", "zstd"), ("Content-Type", "text/plain"))
    with cassette("missing") as opened:
        assert ask(web.url) == packed
        opened.save()
    (interaction,) = load_cassette(path)
    assert interaction.response.body == BODY
    assert interaction.response.headers == (("content-type", "text/plain"), ("content-length", str(len(BODY))))
    with cassette():
        assert ask(web.url) == packed
    if not installed:
        del sys.modules["zstandard"]


@pytest.mark.skipif(bool(installed), reason=f"{installed} is installed")
def test_without_a_package_for_it_the_answer_is_refused(cassette: Any, web: Any) -> None:
    web.answer = lambda request: request.says(FRAME, 200, ("Content-Encoding", "zstd"))
    with cassette("missing"), pytest.raises(CassetteError, match="or zstandard"):
        ask(web.url)


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_an_answer_that_cannot_be_kept_fails_the_test_where_the_program_swallows_the_error(
    library: Any, cassette: Any, web: Any
) -> None:
    web.answer = lambda request: request.says(BODY, 200, ("Content-Encoding", "compress"))

    async def ask_async(url: str) -> None:
        async with library.AsyncClient() as client:
            await client.get(url)

    for program in (library.get, lambda url: asyncio.run(ask_async(url)), requests.get):
        with cassette("missing") as opened, suppress(Exception):
            program(web.url)
        assert ["'compress'" in str(error) for error in opened.misses] == [True]
