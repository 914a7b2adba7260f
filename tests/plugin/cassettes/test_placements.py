"""One secret in every place that a recording has: it never reaches the file, and the file replays without it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

import httpx2
import pytest

from pytest_templates.cassettes.format.document import from_text

SECRET = "kX/3f+Zq9==aB7_wQ7s"  # not a key's shape: known by the environment, or by the header that carries it
DUMMY = "no-key-in-replay"
JSON = "application/json"
Said = tuple[int, str, dict[str, str], list[bytes]]  # status, reason, headers, pieces of the body


class Site:
    """A server whose answer is set by the test."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked = 0
        self.answer: Said = said(b'{"ok":true}')


def said(*pieces: bytes, kind: str = JSON, status: int = 200, reason: str = "OK", **headers: str) -> Said:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, reason, {"content-type": kind, **named}, list(pieces)


@pytest.fixture
def site(serving: Any) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.asked += 1
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, reason, headers, pieces = state.answer
            self.send_response_only(status, reason)
            for name, value in {**headers, "transfer-encoding": "chunked"}.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in [*pieces, b""]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()

        do_GET = do_POST  # noqa: N815 - the name that http.server asks for

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as url:
        state = Site(f"{url}/v1")
        yield state


def post(**given: Any) -> Callable[[httpx2.Client, str, str], object]:
    """A request that carries the secret wherever there is a placeholder in what is given."""
    return lambda client, url, secret: client.post(url, **filled(given, secret))


def to(url_of: Callable[[str, str], str]) -> Callable[[httpx2.Client, str, str], object]:
    return lambda client, url, secret: client.post(url_of(url, secret), json={})


def filled(value: Any, secret: str) -> Any:
    if callable(value):
        return value(secret)
    if isinstance(value, str):
        return value.replace("SECRET", secret)
    if isinstance(value, dict):
        return {filled(name, secret): filled(inner, secret) for name, inner in value.items()}
    return type(value)(filled(inner, secret) for inner in value) if isinstance(value, (list, tuple)) else value


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def escaped(secret: str) -> bytes:
    """JSON in which every character of the secret is an escape."""
    return ('{"a":"x ' + "".join(f"\\u{ord(one):04x}" for one in secret) + '"}').encode()


REQUESTS = {
    "authorization header": post(headers={"authorization": "Bearer SECRET"}),
    "key header": post(headers={"x-goog-api-key": "SECRET"}),
    "any header": post(headers={"x-anything": "SECRET"}),
    "kept header": post(headers={"accept": "text/SECRET"}),
    "cookie": post(headers={"cookie": "session=SECRET"}),
    "query": post(params={"q": "SECRET"}),
    "secret query parameter": post(params={"key": "SECRET"}),
    "name of a query parameter": post(params={"SECRET": "1"}),
    "query as it is": to(lambda url, secret: f"{url}?q={secret}"),
    "fragment": to(lambda url, secret: f"{url}#{quote(secret, safe='')}"),
    "user": to(lambda url, secret: url.replace("//", f"//{quote(secret, safe='')}@")),
    "password": to(lambda url, secret: url.replace("//", f"//user:{quote(secret, safe='')}@")),
    "path": to(lambda url, secret: f"{url}/keys/{quote(secret, safe='')}/rotate"),
    "json value": post(json={"messages": [{"role": "user", "content": "My key is SECRET."}]}),
    "deep in json": post(json={"a": [{"b": {"c": [1, None, "SECRET"]}}]}),
    "json name": post(json={"x": {"SECRET": 1, "other": 2}}),
    "secret json member": post(json={"api_key": "SECRET"}),
    "json in json": post(json={"arguments": lambda secret: json.dumps({"deep": json.dumps({"a": secret})})}),
    "escaped json": post(content=escaped, headers={"content-type": JSON}),
    "escaped slashes": post(content=lambda s: json.dumps({"a": s}).replace("/", "\\/"), headers={"content-type": JSON}),
    "broken json": post(content=lambda s: escaped(s)[:-1], headers={"content-type": JSON}),
    "form": post(data={"a": "1", "b": "SECRET"}),
    "secret form field": post(data={"client_secret": "SECRET"}),
    "multipart field": post(files={"f": ("a.txt", b"x")}, data={"note": "SECRET"}),
    "multipart file": post(files={"f": ("a.txt", lambda secret: f"hello {secret}".encode())}),
    "name of a file": post(files=lambda secret: {"f": (f"{secret}.txt", b"x")}),
    "text": post(content="the key SECRET, written down", headers={"content-type": "text/plain"}),
    "binary": post(content=lambda secret: b"\xff\x00" + secret.encode() + b"\xfe"),
    "base64": post(json={"basic": lambda secret: b64(secret)}),
    "base64 behind one": post(json={"basic": lambda secret: b64(f"u{secret}")}),
    "base64 behind two": post(json={"basic": lambda secret: b64(f"u:{secret}")}),
    "base64 for addresses": post(params={"b": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode()}),
    "hexadecimal": post(json={"hex": lambda secret: secret.encode().hex()}),
    "url in json": post(json={"url": lambda secret: f"https://h/?next={quote(quote(secret, safe=''), safe='')}"}),
    "gzip": post(
        content=lambda s: gzip.compress(json.dumps({"a": s}).encode(), mtime=0), headers={"content-encoding": "gzip"}
    ),
}


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


KNOWN = json.dumps({"says": f"Your key {SECRET} is fine."}).encode()
EVENTS = "text/event-stream"
ANSWERS = {
    "header": said(b"{}", x_request_key=SECRET),
    "set-cookie": said(b"{}", set_cookie=f"session={SECRET}"),
    "kept header": said(b"{}", retry_after=SECRET),
    "redirect": said(b"", status=307, location=f"?next={quote(SECRET, safe='')}"),
    "reason": said(b"{}", reason=f"Fine {SECRET}"),
    "json": said(KNOWN),
    "json name": said(json.dumps({SECRET: SECRET}).encode()),
    "error": said(json.dumps({"error": {"message": f"Incorrect API key: {SECRET}"}}).encode(), status=401),
    "text": said(f"error: {SECRET}".encode(), kind="text/plain"),
    "html without a type": said(f"<b>{SECRET}</b>".encode(), kind=""),
    "gzip": said(gzip.compress(KNOWN), content_encoding="gzip"),
    "stream": said(event(content=f"It is {SECRET}."), b"data: [DONE]\n\n", kind=EVENTS),
    "stream cut within an event": said(*re.split(b"(?<=Zq9)", event(content=f"It is {SECRET}.")), kind=EVENTS),
    "stream that says it in pieces": said(*(event(content=c) for c in ["It is ", *SECRET, "."]), kind=EVENTS),
    "stream of text": said(*(f"data: {c}\n\n".encode() for c in (SECRET[:9], SECRET[9:], "x")), kind=EVENTS),
    "lines of json": said(
        *(b'{"r": "%s"}\n' % c.encode() for c in (SECRET[:9], SECRET[9:])), kind="application/x-ndjson"
    ),
    "base64": said(json.dumps({"b": b64(f"user:{SECRET}")}).encode()),
    "url": said(json.dumps({"url": f"https://h/?k={quote(SECRET, safe='')}"}).encode()),
    "binary": said(b"\x89PNG\xff" + SECRET.encode(), kind="image/png"),
}


def views(text: str) -> Iterator[str]:
    """A file as one sees it who looks for a secret: with its escapes undone, with its pieces side by side."""
    yield from (text, unquote(text), unquote(unquote(text)), unquote_plus(text), re.sub(r"\\+", "", text))
    yield re.sub(r"\\+u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
    yield "".join(re.findall(r"(?:content|r|data): \"?(.*?)\"?\n", text))
    for run in re.findall(r"[A-Za-z0-9+/_-]{8,}", text.replace("\n      ", "")):
        safe = run.translate(str.maketrans("+/", "-_"))
        parts = (safe[start : start + (len(safe) - start) // 4 * 4] for start in range(4))
        yield from (base64.urlsafe_b64decode(part).decode("latin-1") for part in parts)
    for digits in re.findall(r"(?:[0-9a-fA-F]{2}){4,}", text):
        yield bytes.fromhex(digits).decode("latin-1")


def holds(text: str, secret: str) -> bool:
    return any(secret[start : start + 6] in view for view in views(text) for start in range(len(secret) - 5))


@pytest.mark.parametrize("secret", [SECRET, "ab" * 10])
@pytest.mark.parametrize("place", REQUESTS)
def test_a_way_to_hide_a_secret_is_seen_through_by_these_tests(place: str, secret: str, site: Site) -> None:
    """The instrument works: where nothing is scrubbed, the secret is found."""
    sent = []
    with httpx2.Client(transport=httpx2.MockTransport(lambda r: sent.append(r) or httpx2.Response(200))) as client:
        REQUESTS[place](client, site.url, secret)
    (request,) = sent
    body = gzip.decompress(request.content) if place == "gzip" else request.content
    shown = f"{request.url}\n{request.headers.raw!r}\n{body.decode('latin-1')}"
    assert holds(shown, secret) or place in {"fragment", "user", "password"}  # these the client keeps to itself


@pytest.mark.parametrize("place", REQUESTS)
@pytest.mark.parametrize("known_by", ["environment", "header"])
def test_a_secret_in_a_request_is_kept_nowhere(place: str, known_by: str, site: Site, cassette: Any, path: Any) -> None:
    def run(mode: str, secret: str) -> None:
        headers = {"x-api-key": secret} if known_by == "header" else {}
        environ = {"SOME_API_KEY": secret} if known_by == "environment" else {}
        with cassette(mode, environ) as opened, httpx2.Client(headers=headers) as client:
            REQUESTS[place](client, site.url, secret)
            opened.save()
            assert opened.played == (mode == "none")

    run("missing", SECRET)
    assert site.asked == 1
    assert not holds(path.read_text(), SECRET), path.read_text()
    run("none", DUMMY)
    assert site.asked == 1


@pytest.mark.parametrize(
    "place", ["query", "path", "json value", "json name", "form", "multipart field", "text", "gzip"]
)
def test_a_key_that_only_its_shape_gives_away_is_kept_nowhere(place: str, site: Site, cassette: Any, path: Any) -> None:
    key = "sk-proj-" + "a1B2c3D4" * 9
    with cassette("missing") as opened, httpx2.Client() as client:
        REQUESTS[place](client, site.url, key)
        opened.save()
    assert not holds(path.read_text(), key[8:])


@pytest.mark.parametrize("place", ANSWERS)
@pytest.mark.parametrize("known_by", ["environment", "header"])
def test_a_secret_in_an_answer_is_kept_nowhere(place: str, known_by: str, site: Site, cassette: Any, path: Any) -> None:
    site.answer = ANSWERS[place]

    def run(mode: str, secret: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {secret}"} if known_by == "header" else {}
        environ = {"SOME_API_KEY": secret} if known_by == "environment" else {}
        with cassette(mode, environ) as opened, httpx2.Client(headers=headers) as client:
            answer = client.post(site.url, json={})
            opened.save()
        return answer

    live = run("missing", SECRET)
    assert holds(f"{live.headers!r} {live.reason_phrase} {live.text}", SECRET) or place.startswith(
        ("stream", "lines", "base64", "url")
    )
    assert not holds(path.read_text(), SECRET), path.read_text()
    replayed = run("none", DUMMY)
    assert (site.asked, replayed.status_code) == (1, live.status_code)
    assert len(replayed.text.splitlines()) == len(live.text.splitlines())


def test_a_secret_in_template_and_model_is_kept_nowhere(site: Site, cassette: Any, path: Any, caller: Any) -> None:
    with cassette("missing", {"MY_TOKEN": SECRET}) as opened, httpx2.Client() as client:
        with caller(f"support/{SECRET}", f"openai:{SECRET}"):
            client.post(site.url, json={})
        opened.save()
    assert not holds(path.read_text(), SECRET)
    assert from_text(path.read_text())[0].template == "support/REDACTED"


def test_a_stream_that_says_a_secret_in_pieces_keeps_its_events(site: Site, cassette: Any) -> None:
    site.answer = ANSWERS["stream that says it in pieces"]
    for mode in ("missing", "none"):
        with cassette(mode, {"MY_TOKEN": SECRET}) as opened, httpx2.Client() as client:
            lines = [json.loads(line[6:]) for line in client.post(site.url, json={}).text.split("\n\n") if line]
            opened.save()
    deltas = [line["choices"][0]["delta"]["content"] for line in lines]
    assert deltas == ["It is ", "REDACTED", *[""] * (len(SECRET) - 1), "."]


def test_a_key_that_a_later_request_shows_is_taken_out_of_the_earlier_ones(
    site: Site, cassette: Any, path: Any
) -> None:
    site.answer = said(json.dumps({"fresh": SECRET}).encode())
    with cassette("missing") as opened, httpx2.Client() as client:
        key = client.post(site.url, json={"step": 1}).json()["fresh"]
        client.post(site.url, json={"step": 2}, headers={"authorization": f"Bearer {key}"})
        opened.save()
    assert path.read_text().count("fresh: REDACTED") == 2


def test_a_variable_that_is_gone_when_the_file_is_written_counts(site: Site, cassette: Any, path: Any) -> None:
    environ = {"MY_TOKEN": "12345678"}
    site.answer = said(b'{"number":12345678}')
    with cassette("missing", environ) as opened, httpx2.Client() as client:
        client.post(site.url, json={})
        environ.clear()
        with pytest.raises(Exception, match=r"MY_TOKEN in line \d+ \(interaction 1, response body\)"):
            opened.save()
    assert not path.exists()
