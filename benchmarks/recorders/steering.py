"""What a program sees beside the body of an answer, and what it does with it."""

from __future__ import annotations

from peers import Project
from server import Served

_HEADERS = {
    "etag": '"33a64df5"',
    "link": '</models?page=2>; rel="next"',
    "location": "/files/1",
    "operation-location": "/operations/1",
    "openai-poll-after-ms": "1500",
    "request-id": "req_2",
    "retry-after": "7",
    "www-authenticate": 'Digest realm="shelf", nonce="n1"',
    "x-amz-meta-author": "ada",
    "x-amzn-bedrock-input-token-count": "9",
    "x-goog-upload-status": "active",
    "x-goog-upload-url": "/upload?upload_id=1",
    "x-ratelimit-remaining-requests": "99",
    "x-request-id": "req_1",
}


def headers_kept(project: Project, served: Served) -> str:
    """Response headers that programs steer by: how many a replay gives."""
    code = """
def test_it(name):
    answer = httpx.post(URL + "/echo", headers={"x-echo-" + name: CASES[name]}, json={})
    assert answer.headers.get(name) == CASES[name]
"""
    return project.cases(code, {**_HEADERS}).same(_HEADERS)


_WITH_PIECES = """
import http.client
import aiohttp, requests, urllib3

BODY = [b"first ", b"second"]

def by_http_client(url):
    connection = http.client.HTTPConnection(URL.removeprefix("http://"))
    connection.request("POST", url.removeprefix(URL), BODY)
    return connection.getresponse().read()

def by_urllib3(url):
    return urllib3.PoolManager().request("POST", url, body=BODY).data

def by_requests(url):
    return requests.post(url, data=iter(BODY)).content

def by_httpx(url):
    return httpx.post(url, content=iter(BODY)).content

def by_aiohttp(url):
    async def pieces():
        for piece in BODY:
            yield piece

    async def ask():
        async with aiohttp.ClientSession() as session, session.post(url, data=pieces()) as answer:
            return await answer.read()

    return asyncio.run(ask())
"""


def bodies_in_pieces(project: Project, served: Served) -> str:
    """Bodies as lists and generators of bytes, by five libraries: how many are sent, recorded and replayed."""
    names = ["http_client", "urllib3", "requests", "httpx", "aiohttp"]
    code = """
def test_it(name):
    assert globals()["by_" + name](URL + "/echo") == b"first second"
"""
    return project.cases(code + _WITH_PIECES, dict.fromkeys(names)).same(names)


_WITH_REDIRECTS = """
import aiohttp, requests, urllib3

def by_urllib3(url):
    answer = urllib3.PoolManager().request("POST", url, body=b"{}", redirect=True)
    return answer.status, answer.data

def by_requests(url):
    answer = requests.post(url, data=b"{}")
    return answer.status_code, answer.content, len(answer.history), answer.url == URL + "/method"

def by_httpx(url):
    answer = httpx.post(url, content=b"{}", follow_redirects=True)
    return answer.status_code, answer.content, len(answer.history), str(answer.url) == URL + "/method"

def by_aiohttp(url):
    async def ask():
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{}") as answer:
            return answer.status, await answer.read(), len(answer.history), str(answer.url) == URL + "/method"

    return asyncio.run(ask())
"""


def redirects_followed(project: Project, served: Served) -> str:
    """POST through 301, 302, 303, 307 and 308, by four libraries: how many replay as they were."""
    names = [
        f"{name}-{code}" for name in ("urllib3", "requests", "httpx", "aiohttp") for code in (301, 302, 303, 307, 308)
    ]
    code = """
def test_it(name):
    library, status = name.split("-")
    same(globals()["by_" + library](URL + "/moved/" + status))
"""
    return project.cases(code + _WITH_REDIRECTS, dict.fromkeys(names)).same(names)


_LEAVING = """
import aiohttp, httpx2, requests

def by_requests():
    with requests.get(URL + "/words", stream=True) as answer:
        lines = answer.iter_lines()
        return [next(lines) for _ in range(3)]

def by_httpx():
    with httpx.stream("GET", URL + "/words") as answer:
        lines = answer.iter_lines()
        return [next(lines) for _ in range(3)]

def by_httpx2():
    with httpx2.stream("GET", URL + "/words") as answer:
        lines = answer.iter_lines()
        return [next(lines) for _ in range(3)]

def by_aiohttp():
    async def ask():
        async with aiohttp.ClientSession() as session, session.get(URL + "/words") as answer:
            return [await answer.content.readline() for _ in range(3)]

    return asyncio.run(ask())
"""


def streams_left_early(project: Project, served: Served) -> str:
    """Streams that four libraries leave after three lines: how many replay as they were."""
    names = ["requests", "httpx", "httpx2", "aiohttp"]
    code = """
def test_it(name):
    same(globals()["by_" + name]())
"""
    return project.cases(code + _LEAVING, dict.fromkeys(names)).same(names)
