"""What programs steer by in the headers of answers is the same in replay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
import requests
import requests.auth

aiohttp = pytest.importorskip("aiohttp")

Both = Callable[[Callable[[str], Any]], tuple[Any, Any]]


def numbered(request: Any) -> int:
    return int(request.path.rpartition("=")[2]) if "=" in request.path else 1


def paged(request: Any) -> Any:
    page = numbered(request)
    following = (("Link", f'</models?page={page + 1}>; rel="next"'),) if page < 3 else ()
    return request.says(b"%d" % page, 200, ("Content-Type", "text/plain"), *following)


def pages_by_requests(url: str) -> list[str]:
    seen, page = [], "/models"
    while page:
        answer = requests.get(url + page)
        seen.append(answer.text)
        page = answer.links.get("next", {}).get("url", "")
    return seen


def pages_by_httpx(url: str) -> list[str]:
    seen, page = [], "/models"
    with httpx2.Client(base_url=url) as client:
        while page:
            answer = client.get(page)
            seen.append(answer.text)
            page = answer.links.get("next", {}).get("url", "")
    return seen


def pages_by_aiohttp(url: str) -> list[str]:
    async def ask() -> list[str]:
        seen, page = [], f"{url}/models"
        async with aiohttp.ClientSession() as session:
            while page:
                async with session.get(page) as answer:
                    seen.append(await answer.text())
                    page = answer.links["next"]["url"] if "next" in answer.links else ""
        return seen

    return asyncio.run(ask())


@pytest.mark.parametrize("program", [pages_by_requests, pages_by_httpx, pages_by_aiohttp])
def test_pages_are_followed_to_the_last(program: Any, recorded_and_replayed: Both, web: Any) -> None:
    web.answer = paged
    assert recorded_and_replayed(program) == (["1", "2", "3"], ["1", "2", "3"])


def challenged(request: Any) -> Any:
    if "authorization" in request.headers:
        return request.says(b"in")
    nonce = f'Digest realm="r", nonce="{time.time()}", qop="auth", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    return request.says(b"out", 401, ("WWW-Authenticate", nonce))


def digest_by_httpx(library: Any) -> Callable[[str], str]:
    def ask(url: str) -> str:
        with library.Client(auth=library.DigestAuth("me", "a long password 1")) as client:
            return str(client.get(url).text)

    return ask


def digest_by_requests(url: str) -> str:
    return requests.get(url, auth=requests.auth.HTTPDigestAuth("me", "a long password 1")).text


@pytest.mark.parametrize("program", [digest_by_httpx(httpx), digest_by_httpx(httpx2), digest_by_requests])
def test_a_client_that_is_challenged_asks_again(
    program: Any, recorded_and_replayed: Both, web: Any, path: Path
) -> None:
    web.answer = challenged
    assert recorded_and_replayed(program) == ("in", "in")
    assert [b"authorization" in str(one.headers).encode() for one in web.asked] == [False, True]
    assert "a long password" not in path.read_text("utf-8")


def logged_in(request: Any) -> Any:
    if request.path == "/login":
        session = "session=s3cr3t-session-1; Path=/; Expires=Wed, 21 Oct 2099 07:28:00 GMT; HttpOnly"
        return request.says(b"", 200, ("Set-Cookie", session), ("Set-Cookie", "csrf=c5rf-value-1; Path=/"))
    is_known = "session=s3cr3t-session-1" in request.headers.get("cookie", "")
    return request.says(b"welcome" if is_known and b"c5rf" in request.body else b"go away")


def login_by_httpx(url: str) -> tuple[str, list[str]]:
    with httpx2.Client(base_url=url) as client:
        client.post("/login")
        return client.post("/me", json={"csrf": client.cookies["csrf"]}).text, sorted(client.cookies)


def login_by_requests(url: str) -> tuple[str, list[str]]:
    with requests.Session() as session:
        session.post(f"{url}/login")
        answer = session.post(f"{url}/me", json={"csrf": session.cookies["csrf"]})
        return answer.text, sorted(session.cookies.keys())


def login_by_aiohttp(url: str) -> tuple[str, list[str]]:
    async def ask() -> tuple[str, list[str]]:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            async with session.post(f"{url}/login") as answer:
                csrf = answer.cookies["csrf"].value
            async with session.post(f"{url}/me", json={"csrf": csrf}) as answer:
                return await answer.text(), sorted(cookie.key for cookie in session.cookie_jar)

    return asyncio.run(ask())


@pytest.mark.parametrize("program", [login_by_httpx, login_by_requests, login_by_aiohttp])
def test_a_program_logs_in_by_a_cookie_whose_value_no_file_holds(
    program: Any, recorded_and_replayed: Both, web: Any, path: Path
) -> None:
    web.answer = logged_in
    live, replayed = recorded_and_replayed(program)
    assert live == replayed == ("welcome", ["csrf", "session"])
    text = path.read_text("utf-8")
    assert "s3cr3t-session-1" not in text
    assert "c5rf-value-1" not in text


SEEN = {
    "Content-Type": "text/plain",
    "X-Request-ID": "req_1",
    "X-RateLimit-Remaining-Tokens": "39998",
    "Retry-After": "7",
    "OpenAI-Poll-After-Ms": "1000",
    "ETag": '"abc"',
    "X-Total-Count": "12",
    "Content-Disposition": 'attachment; filename="résumé.txt"',
    "X-Amzn-Bedrock-Input-Token-Count": "12",
    "Content-Range": "bytes 0-3/9",
}
ABOUT = [name.lower() for name in SEEN]


def headers_by_httpx(url: str) -> dict[str, str]:
    with httpx.Client() as client:
        return {name: value for name, value in client.get(url).headers.items() if name in ABOUT}


def headers_by_requests(url: str) -> dict[str, str]:
    return {name.lower(): value for name, value in requests.get(url).headers.items() if name.lower() in ABOUT}


@pytest.mark.parametrize("program", [headers_by_httpx, headers_by_requests])
def test_what_speaks_of_quotas_ids_and_waits_is_kept(program: Any, recorded_and_replayed: Both, web: Any) -> None:
    web.answer = lambda request: request.says(b"four", 200, *SEEN.items())
    live, replayed = recorded_and_replayed(program)
    assert live == replayed
    assert sorted(replayed) == sorted(ABOUT)


def test_the_length_of_what_is_not_sent_is_kept(recorded_and_replayed: Both, web: Any) -> None:
    web.answer = lambda request: request.says(b"", 200, ("Content-Length", "123456"), ("Content-MD5", "abc"))

    def program(url: str) -> list[tuple[str, str, int]]:
        with httpx2.Client() as client:
            answers: list[Any] = [client.head(url), requests.head(url)]
        return [(one.headers["content-length"], one.headers["content-md5"], len(one.content)) for one in answers]

    live, replayed = recorded_and_replayed(program)
    assert live == replayed == [("123456", "abc", 0)] * 2
