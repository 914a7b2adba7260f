from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from pytest_templates.cassettes.http.capture import ResponseCapture
from pytest_templates.cassettes.recorded import RecordedResponse
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteError

libraries = pytest.mark.parametrize("library", [httpx, httpx2])


def test_a_test_that_ends_while_a_thread_reads_keeps_whole_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, has_left = threading.Event(), threading.Event()

    def clock() -> float:
        if threading.current_thread() is reader:
            reads.set()
            has_left.wait(0.2)  # where the test may end in the midst of a piece, it does now
        return 0.0

    recorded: list[RecordedResponse] = []
    capture = ResponseCapture(RecordedResponse(200, "", (), b""), streamed=True, started=0.0, record=recorded.append)
    monkeypatch.setattr("pytest_templates.cassettes.http.capture.seconds", clock)
    reader = threading.Thread(target=capture.piece, args=(b"piece",))
    reader.start()
    reads.wait(10)
    capture.leave()
    has_left.set()
    reader.join()
    capture.piece(b"late")
    assert [(one.body, one.pieces) for one in recorded] == [(b"piece", [b"piece"])]


def pieces(library: Any, url: str, go: threading.Event | None = None) -> list[bytes]:
    """What a client gets, piece by piece; after each the server may speak on."""
    found = []
    with library.Client() as client, client.stream("POST", url, json={}) as answer:
        for piece in answer.iter_bytes():
            found.append(piece)
            if go is not None:
                go.set()
    return found


def recorded(path: Path) -> RecordedResponse:
    (interaction,) = load_cassette(path)
    return interaction.response


def recorded_and_replayed(library: Any, cassette: Any, speaker: Any, first: bytes, *rest: bytes) -> list[bytes]:
    """The pieces in which a client gets what the server says, live and in replay the same."""
    go = threading.Event()
    speaker.script = [first, go, *rest]
    seen = []
    for mode in ("missing", "none"):
        with cassette(mode) as opened:
            seen.append(pieces(library, speaker.url, go))
            opened.save()
    assert b"".join(seen[0]) == b"".join(seen[1])
    assert speaker.asked == 1
    return seen[1]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
@libraries
def test_a_compressed_stream_is_kept_decoded(
    library: Any, encoding: str, cassette: Any, speaker: Any, path: Path
) -> None:
    packer = zlib.compressobj(wbits={"gzip": 31, "deflate": 15, "raw deflate": -15}[encoding])
    events = [b"data: one\n\n", b"data: two\n\n"]
    packed = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events]
    speaker.headers["content-encoding"] = encoding.removeprefix("raw ")
    replayed = recorded_and_replayed(library, cassette, speaker, *packed, packer.flush())
    assert replayed == recorded(path).pieces == events


def test_a_compressed_stream_can_be_left_early(cassette: Any, speaker: Any, path: Path) -> None:
    said = b"data: one\n\ndata: two\n\n" * 9000
    speaker.headers["content-encoding"] = "gzip"
    speaker.script = [gzip.compress(said)[:40], "wait"]
    with cassette("missing") as opened, httpx2.Client() as client:
        with client.stream("POST", speaker.url, json={}) as answer:
            first = next(answer.iter_bytes())
        opened.save()
    assert recorded(path).body == first
    assert said.startswith(first)


def test_an_encoding_that_cannot_be_undone_is_refused(cassette: Any, speaker: Any) -> None:
    speaker.headers["content-encoding"] = "rot13"
    speaker.script = [b"qngn", "wait"]
    with cassette("missing"), pytest.raises(CassetteError, match="rot13"):
        pieces(httpx2, speaker.url)
    assert speaker.left.wait(10)


@libraries
def test_json_lines_are_kept_as_lines(library: Any, cassette: Any, speaker: Any, path: Path) -> None:
    speaker.headers["content-type"] = "application/x-ndjson"
    lines = [b'{"response":"Hel","done":false}\n', b'{"response":"lo","done":true}\n']
    assert recorded_and_replayed(library, cassette, speaker, *lines) == lines
    text = path.read_text("utf-8")
    assert "      lines:\n      - at: 0." in text
    assert "        json:\n          response: Hel\n          done: false\n" in text


@libraries
def test_any_other_answer_that_is_streamed_keeps_its_pieces(
    library: Any, cassette: Any, speaker: Any, path: Path
) -> None:
    speaker.headers["content-type"] = "application/vnd.amazon.eventstream"
    frames = [b"\x00\x00\x00\x10head", b"\xff\xfe\x00tail"]
    assert recorded_and_replayed(library, cassette, speaker, *frames) == frames
    assert "      pieces:\n      - at: 0." in path.read_text("utf-8")


def test_an_answer_that_is_read_at_once_is_kept_whole(cassette: Any, speaker: Any, path: Path) -> None:
    speaker.headers["content-type"] = "application/json"
    speaker.script = [b'{"a":', b"1}"]
    for mode in ("missing", "none"):
        with cassette(mode) as opened, httpx2.Client() as client:
            assert client.post(speaker.url, json={}).json() == {"a": 1}
            opened.save()
    assert recorded(path).arrivals == ()
    assert "      json:\n        a: 1\n" in path.read_text("utf-8")


def test_an_event_in_two_pieces_is_replayed_in_one(cassette: Any, speaker: Any) -> None:
    halves = b"data: one\n\ndata: t", b"wo\n\ndata: three\n\n"
    replayed = recorded_and_replayed(httpx2, cassette, speaker, *halves)
    assert replayed == [b"data: one\n\n", b"data: two\n\ndata: three\n\n"]


def test_a_character_in_two_pieces_comes_back(cassette: Any, speaker: Any) -> None:
    speaker.headers["content-type"] = "text/plain"
    halves = "é".encode()[:1], "é".encode()[1:]
    assert recorded_and_replayed(httpx2, cassette, speaker, *halves) == list(halves)


def test_the_secrets_of_a_stream_do_not_reach_the_disk(cassette: Any, speaker: Any, path: Path) -> None:
    environ = {"SOME_KEY": "sk-0123456789"}
    event = b'data: {"echo":"sk-0123456789","password":"hunter2"}\n\n'
    go = threading.Event()
    speaker.script = [event, go, b"data: plain\n\n"]
    with cassette("missing", environ) as opened:
        assert pieces(httpx2, speaker.url, go)[0] == event
        opened.save()
    assert recorded(path).pieces == [b'data: {"echo":"REDACTED","password":"REDACTED"}\n\n', b"data: plain\n\n"]


def test_a_client_that_leaves_after_the_last_event_has_heard_all(cassette: Any, speaker: Any, path: Path) -> None:
    speaker.script = [b"data: one\n\ndata: [DONE]\n\n", "wait"]
    with cassette("missing") as opened, httpx2.Client() as client:
        with client.stream("POST", speaker.url, json={}) as answer:
            next(answer.iter_lines())
        opened.save()
    assert recorded(path).cut is None
    with cassette("none"):
        assert b"".join(pieces(httpx2, speaker.url)) == recorded(path).body


def test_a_stream_that_nobody_closed_is_saved_as_far_as_it_was_read(cassette: Any, speaker: Any, path: Path) -> None:
    speaker.script = [b"data: one\n\n", "wait"]
    with cassette("missing") as opened, httpx2.Client() as client:
        answer = client.send(client.build_request("POST", speaker.url, json={}), stream=True)
        lines = answer.iter_lines()
        assert next(lines) == "data: one"
        opened.save()
        assert recorded(path).body == b"data: one\n\n"
        assert recorded(path).cut
        answer.close()


@libraries
def test_closing_an_answer_closes_its_connection_while_the_client_lives_on(
    library: Any, cassette: Any, speaker: Any
) -> None:
    speaker.script = [b"data: one\n\n", "wait"]
    with cassette("missing") as opened, library.Client() as client:
        answer = client.send(client.build_request("POST", speaker.url, json={}), stream=True)
        lines = answer.iter_lines()
        assert next(lines) == "data: one"
        answer.close()
        assert opened.recorded == 1
        assert speaker.left.wait(10)
        lines.close()


@libraries
def test_the_same_holds_in_an_event_loop(library: Any, cassette: Any, speaker: Any) -> None:
    speaker.script = [b"data: one\n\n", "wait"]

    async def leave() -> None:
        async with library.AsyncClient() as client:
            answer = await client.send(client.build_request("POST", speaker.url, json={}), stream=True)
            lines = answer.aiter_lines()
            assert await anext(lines) == "data: one"
            await answer.aclose()
            assert await asyncio.to_thread(speaker.left.wait, 10)
            await lines.aclose()

    with cassette("missing") as opened:
        asyncio.run(leave())
        assert opened.recorded == 1


@libraries
def test_a_stream_whose_iterator_was_dropped_was_left(library: Any, cassette: Any, speaker: Any) -> None:
    speaker.script = [b"data: one\n\n", "wait"]
    with cassette("missing") as opened, library.Client() as client:
        answer = client.send(client.build_request("POST", speaker.url, json={}), stream=True)
        assert next(answer.iter_lines()) == "data: one"
        assert speaker.left.wait(10)
        assert opened.recorded == 1
        answer.close()


def test_an_answer_whose_body_nobody_wants_is_kept(cassette: Any, speaker: Any, path: Path) -> None:
    speaker.script = ["wait"]
    for mode in ("missing", "none"):
        with cassette(mode) as opened, httpx2.Client() as client:
            with client.stream("POST", speaker.url, json={}) as answer:
                assert answer.status_code == 200
            opened.save()
    assert recorded(path).body == b""
    assert speaker.asked == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_stream_was_left(backend: str, cassette: Any, speaker: Any, path: Path) -> None:
    speaker.script = [b"data: one\n\n", "wait"]

    async def listen() -> None:
        async with httpx2.AsyncClient() as client:
            with anyio.move_on_after(10) as scope:
                async with client.stream("POST", speaker.url, json={}) as answer:
                    async for _ in answer.aiter_lines():
                        scope.deadline = anyio.current_time() + 0.02

    with cassette("missing") as opened:
        anyio.run(listen, backend=backend)
        assert speaker.left.wait(10)
        opened.save()
    cut = recorded(path).cut
    assert cut
    assert cut.by == "cancellation"


def test_a_silent_server_runs_into_the_same_timeout_again(cassette: Any, speaker: Any, path: Path) -> None:
    speaker.script = [b"data: one\n\n", "wait"]
    for mode in ("missing", "none"):
        with cassette(mode) as opened, httpx2.Client(timeout=0.1) as client:
            with pytest.raises(httpx2.ReadTimeout), client.stream("POST", speaker.url, json={}) as answer:
                answer.read()
            opened.save()
    assert speaker.asked == 1


def test_many_streams_at_once_are_kept_apart(cassette: Any, speaker: Any) -> None:
    speaker.script = [b"data: one\n\n", b"data: two\n\n"]

    async def listen(client: httpx2.AsyncClient, number: int) -> list[str]:
        async with client.stream("POST", speaker.url, json={"n": number}) as answer:
            return [line async for line in answer.aiter_lines() if line]

    async def listen_to_all() -> list[list[str]]:
        async with httpx2.AsyncClient() as client:
            return await asyncio.gather(*(listen(client, number) for number in range(20)))

    for mode in ("missing", "none"):
        with cassette(mode) as opened:
            assert asyncio.run(listen_to_all()) == [["data: one", "data: two"]] * 20
            opened.save()
    assert (speaker.asked, opened.played) == (20, 20)


def test_other_libraries_replay_a_stream_in_one_piece(cassette: Any, speaker: Any) -> None:
    import requests

    speaker.script = [b"data: one\n\n", b"data: two\n\n"]
    with cassette("missing") as opened:
        pieces(httpx2, speaker.url)
        opened.save()
    with cassette("none"), requests.Session() as session:
        body = json.dumps({}, separators=(",", ":"))
        answer = session.post(speaker.url, data=body, stream=True)
        assert [line for line in answer.iter_lines() if line] == [b"data: one", b"data: two"]
