"""Whatever is in a text, the time that it takes to scrub grows with its length, and not with its square."""

from __future__ import annotations

import json
import time

import pytest

from pytest_templates.cassettes.recorded import RecordedRequest
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.scrub import scrub_body
from pytest_templates.redaction.secrets import Secrets

NOTHING = Secrets({})
KINDS = ("application/json", "text/plain", "text/event-stream", "application/x-www-form-urlencoded", "multipart/mixed")
UNITS = [
    *('"', '\\"', "\\", "'", "{", "\n", " ", "a", "1", "A1", "%25", "&amp;", "\\u0026", "\\u0070"),
    *('"password": {', '"password": [', '"password": {"type": "string", ', '"password": "x1", ', '"password"   '),
    *('"password": ', "password=", '\\"password\\": \\"', "password: ", "key\n: ", "\"password': '", "abckey_", '"key'),
    *("&sig=a1b2c3d4e5", "?sig=", "&sig=.", "://a:b", "://a:b@", "://", "password=a1&", "Credential=", "sig=a;"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nA: ", "-----BEGIN PRIVATE KEY-----\n" + "A" * 64),
    *("sk-", " sk-", "Bearer ", "Basic A", "A/1//0abcdefghij1234567890", " eyJaaaaaaaaaa.eyJaaaaaaaaaaa.", "bot1"),
    *('name="password"\r\n', 'name="password"\r\n\r\n', 'data: {"a": "password"}\n\n', "[" * 9 + "]", 'a="\\"'),
]
SHORT, LONG = 2_000, 20_000  # characters
SQUARE = (LONG / SHORT) ** 2


def seconds(text: str) -> float:
    """The processor time that it takes to scrub a text as a body of every kind, and to learn from it."""
    started = time.process_time()
    for kind in KINDS:
        scrub_body((("content-type", kind),), text.encode(), NOTHING)
    scrub_body((("content-type", KINDS[0]),), json.dumps({"a": text}).encode(), NOTHING)
    headers = (("authorization", text), ("cookie", text))
    Credentials({}).learn(RecordedRequest("POST", f"https://host/?{text}", headers, text.encode()))
    return time.process_time() - started


@pytest.mark.parametrize("unit", UNITS)
def test_the_time_grows_with_the_length(unit: str) -> None:
    short, long = ((unit * size)[:size] for size in (SHORT, LONG))
    least = max(min(seconds(short) for _ in range(2)), 0.01)  # what grows with the square takes seconds
    assert min(seconds(long) for _ in range(2)) < least * SQUARE / 3
