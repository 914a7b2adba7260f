"""aiohttp follows redirects, keeps cookies and raises as it does without a cassette, also in replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pytest_templates.errors import CassetteError

aiohttp = pytest.importorskip("aiohttp")


def told(request: Any) -> Any:
    """What was asked, in the end; on the way to it, redirects."""
    steps = {"/moved": "/told", "/relative": "told", "/chain": "moved", "/round": "/round", "/away": "ftp://elsewhere/"}
    path, _, status = request.path.partition("?")
    if path in steps:
        to = steps[path] if path == "/away" else f"{steps[path]}?{status}"
        return request.says(b"", int(status[:3]), ("Location", to))
    return request.says(f"{request.method} {request.body.decode()}".encode(), 200, ("Content-Type", "text/plain"))


def asked(path: str, **settings: Any) -> Callable[[str], Any]:
    async def ask(url: str) -> Any:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.post(url + path, json={"q": 1}, **settings) as answer:
                    history = [(one.status, one.method, str(one.url)) for one in answer.history]
                    return answer.status, str(answer.url), await answer.text(), history
            except aiohttp.ClientError as error:
                return type(error).__name__

    return lambda url: asyncio.run(ask(url))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("start", ["/moved", "/relative", "/chain"])
def test_a_redirect_is_followed_as_its_status_says(
    start: str, status: int, recorded_and_replayed: Any, web: Any
) -> None:
    web.answer = told
    live, replayed = recorded_and_replayed(asked(f"{start}?{status}"))
    assert live == replayed
    assert live[2] == ('POST {"q": 1}' if status in {307, 308} else "GET ")
    assert [one[0] for one in live[3]] == [status] * (2 if start == "/chain" else 1)


@pytest.mark.parametrize(
    ("start", "settings", "outcome"),
    [
        ("/moved?307", {"allow_redirects": False}, 307),
        ("/round?307", {"max_redirects": 3}, "TooManyRedirects"),
        ("/away?302", {}, "NonHttpUrlRedirectClientError"),
        ("/moved?307", {"params": {"more": "1"}}, 200),
        ("/told", {"raise_for_status": True}, 200),
    ],
)
def test_settings_of_redirects_count(
    start: str, settings: Any, outcome: Any, recorded_and_replayed: Any, web: Any
) -> None:
    web.answer = told
    live, replayed = recorded_and_replayed(asked(start, **settings))
    assert live == replayed
    assert (live if isinstance(live, str) else live[0]) == outcome


def test_what_is_wrong_with_an_answer_is_raised_in_replay(recorded_and_replayed: Any, web: Any) -> None:
    web.answer = lambda request: request.says(b"no", 404, ("Content-Type", "text/html"))

    async def ask(url: str) -> list[str]:
        raised = []
        async with aiohttp.ClientSession(headers={"x": "y"}) as session:
            async with session.get(url) as answer:
                for call in (answer.json, answer.raise_for_status):
                    try:
                        result = call()
                        await result
                    except aiohttp.ClientResponseError as error:
                        raised.append(f"{type(error).__name__} {error.status} {error.request_info.url.path}")
            try:
                await answer.content.read(1)
            except aiohttp.ClientConnectionError as error:
                raised.append(type(error).__name__)
        return raised

    live, replayed = recorded_and_replayed(lambda url: asyncio.run(ask(url)))
    assert live == replayed == ["ContentTypeError 404 /", "ClientResponseError 404 /", "ClientConnectionError"]


def test_middlewares_of_the_program_run_before_the_cassette(recorded_and_replayed: Any, web: Any) -> None:
    async def marked(request: Any, send: Any) -> Any:
        await request.update_body(b"marked")
        return await send(request)

    async def ask(url: str) -> tuple[str, str]:
        async with aiohttp.ClientSession(middlewares=(marked,)) as session:
            async with session.post(url, data=b"plain") as answer:
                by_session = await answer.text()
            async with session.post(url, data=b"plain", middlewares=()) as answer:
                return by_session, await answer.text()

    assert recorded_and_replayed(lambda url: asyncio.run(ask(url))) == (("marked", "plain"), ("marked", "plain"))


def test_an_answer_can_be_read_in_pieces(recorded_and_replayed: Any, web: Any) -> None:
    web.answer = lambda request: request.says(b"one\ntwo\nthree")

    async def ask(url: str) -> tuple[list[bytes], list[bytes], bytes]:
        async with aiohttp.ClientSession() as session:
            async with session.get(url) as answer:
                lines = [line async for line in answer.content]
            async with session.get(url + "/2") as answer:
                chunks = [chunk async for chunk in answer.content.iter_chunked(5)]
            async with session.get(url + "/3") as answer:
                await answer.read()
                return lines, chunks, await answer.read()

    live, replayed = recorded_and_replayed(lambda url: asyncio.run(ask(url)))
    assert live == replayed == ([b"one\n", b"two\n", b"three"], [b"one\nt", b"wo\nth", b"ree"], b"one\ntwo\nthree")


@pytest.mark.parametrize("mode", ["missing", "none"])
def test_a_websocket_is_refused(mode: str, cassette: Any, web: Any) -> None:
    async def connect() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(web.url):
            pass

    with cassette(mode) as opened, pytest.raises(CassetteError, match="aiohttp opens a websocket") as caught:
        asyncio.run(connect())
    assert opened.misses == [caught.value]
    assert web.asked == []
