"""What an answer gives as a secret a later request may carry anywhere: its placeholder is recorded and replayed."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import requests

from pytest_templates.cassettes.recorded import RecordedResponse
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.storage.store import load_cassette

TOKEN = "up/k7Qw9xLr2TzVb6NmYc0sHd"
LETTERS = "kQwxLrTzVbNmYcsHdGjWq"
DIGITS = "83641975203846519"


@pytest.fixture
def uploads(server: Any) -> Any:
    """A server that gives a token for uploads in every way, and takes what follows."""
    server.token = TOKEN

    def answer(_: Any) -> Any:
        told = {"upload": {"session_token": server.token, "parts": 2}}
        return server.says(json.dumps(told).encode(), x_upload_token=server.token)

    server.answer = answer
    return server


def upload(client: Any, url: str) -> list[int]:
    started = client.post(f"{url}/uploads", json={"name": "a.txt"})
    token = started.json()["upload"]["session_token"]
    in_path = [client.post(f"{url}/uploads/{quote(token, '')}/part/{number}", content=b"x") for number in (1, 2)]
    in_query = client.post(f"{url}/done", params={"upload": token, "of": "a.txt"})
    in_body = client.post(f"{url}/done", json={"uploads": [token], "id": f"upload:{token}"})
    by_header = client.post(f"{url}/of/{quote(started.headers['x-upload-token'], '')}")
    return [one.status_code for one in (started, *in_path, in_query, in_body, by_header)]


@pytest.mark.parametrize("token", [TOKEN, LETTERS, DIGITS], ids=["mixed", "letters", "digits"])
def test_a_token_that_an_answer_gave_is_nowhere_on_the_cassette_and_replays(
    token: str, cassette: Any, uploads: Any, path: Any
) -> None:
    uploads.token = token
    with httpx.Client() as client:
        with cassette("missing") as opened:
            live = upload(client, uploads.url)
            opened.save()
        with cassette() as opened:
            assert upload(client, uploads.url) == live == [200] * 6
            assert (opened.played, opened.unused) == (6, 0)

    text = path.read_text("utf-8")
    assert not any(way in text for way in (token, quote(token, ""), base64.b64encode(token.encode()).decode()))
    assert [one.request.uri.removeprefix(uploads.url) for one in load_cassette(path)] == [
        "/uploads",
        "/uploads/REDACTED/part/1",
        "/uploads/REDACTED/part/2",
        "/done?upload=REDACTED&of=a.txt",
        "/done",
        "/of/REDACTED",
    ]


def test_a_compressed_answer_gives_its_secrets_as_well(cassette: Any, uploads: Any, path: Any) -> None:
    uploads.compress = True

    def program() -> int:
        token = requests.post(f"{uploads.url}/uploads", timeout=9).json()["upload"]["session_token"]
        return requests.post(f"{uploads.url}/uploads/{token}/part", timeout=9).status_code

    for mode in ("missing", "none"):
        with cassette(mode) as opened:
            assert program() == 200
            opened.save()
    assert TOKEN not in path.read_text("utf-8")


def secrets_of_answer(headers: dict[str, str], body: bytes) -> Any:
    credentials = Credentials({})
    credentials.learn_from_answer(RecordedResponse(200, "", tuple(headers.items()), body))
    return credentials.secrets()


GIVEN = {
    "JSON": ({}, json.dumps({"access_token": TOKEN}).encode()),
    "compressed": ({"content-encoding": "deflate"}, zlib.compress(json.dumps({"access_token": TOKEN}).encode())),
    "XML": ({}, f"<a><SessionToken>{TOKEN}</SessionToken></a>".encode()),
    "session": ({}, json.dumps({"sessionid": TOKEN}).encode()),
    "header": ({"x-subject-token": TOKEN}, b""),
    "cookie": ({"set-cookie": f"csrf={TOKEN}; Path=/"}, b""),
}


@pytest.mark.parametrize(("headers", "body"), GIVEN.values(), ids=GIVEN)
def test_what_an_answer_gives_is_secret_from_then_on(headers: dict[str, str], body: bytes) -> None:
    assert secrets_of_answer(headers, body).replace(f"/uploads/{TOKEN}/part/1") == "/uploads/REDACTED/part/1"


KEPT = (
    {"access_token": "unauthorized"},
    {"access_token": "invalid_request_error"},
    {"password": "may hold spaces 1"},
    {"id": "upload_k7Qw9xLr2TzVb6NmYc0sHd"},
    {"session_id": "k7Qw9xLr2TzVb6NmYc0sHd"},
    {"next_page_token": "k7Qw9xLr2TzVb6NmYc0sHd"},
    {"api_key": "2026-01-31"},
    {"access_token": "1700000000"},
)


@pytest.mark.parametrize("given", KEPT, ids=[json.dumps(one) for one in KEPT])
def test_words_times_and_ids_that_an_answer_gives_stay_elsewhere(given: dict[str, str]) -> None:
    (value,) = given.values()
    text = f"it says {value} here"
    assert secrets_of_answer({}, json.dumps(given).encode()).replace(text) == text


def test_no_more_than_the_last_secrets_of_answers_are_looked_for() -> None:
    credentials = Credentials({})
    for number in range(1000):
        body = json.dumps({"access_token": f"token{number:05}x"}).encode()
        credentials.learn_from_answer(RecordedResponse(200, "", (), body))

    secrets = credentials.secrets()
    assert secrets.find("token00999x") is not None
    assert secrets.find("token00001x") is None
