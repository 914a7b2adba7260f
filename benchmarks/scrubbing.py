"""How the time to scrub a text grows with its length, whatever is in it: a pattern that tries again grows faster."""

from __future__ import annotations

import json
from time import process_time

from measuring import exponent, show

from pytest_templates.cassettes.recorded import RecordedRequest
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.scrub import scrub_body
from pytest_templates.redaction.secrets import Secrets

SIZES = (2_000, 8_000, 32_000)  # characters
ROUNDS = 3
SHOWN = 10
NOTHING = Secrets({})
KINDS = (
    *("application/json", "text/plain", "text/event-stream", "application/x-www-form-urlencoded"),
    "multipart/form-data; boundary=b",
)
UNITS = (
    *('"', '\\"', "\\", "'", "{", "\n", " ", "a", "1", "A1", "%25", "&amp;", "\\u0026", "\\u0070"),
    *('"password": {', '"password": [', '"password": {"type": "string", ', '"password": "x1", ', '"password"   '),
    *('"password": ', "password=", '\\"password\\": \\"', "password: ", "key\n: ", "\"password': '", "abckey_", '"key'),
    *("&sig=a1b2c3d4e5", "?sig=", "&sig=.", "://a:b", "://a:b@", "://", "password=a1&", "Credential=", "sig=a;"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nA: ", "-----BEGIN PRIVATE KEY-----\n" + "A" * 64),
    *("sk-", " sk-", "Bearer ", "Basic A", "A/1//0abcdefghij1234567890", " eyJaaaaaaaaaa.eyJaaaaaaaaaaa.", "bot1"),
    *("<", "<a ", "<password>", "<password><![CDATA[", "<password><!--", '<a b="', "<a b='\"", "&lt;", "&amp;lt;"),
    *("</", '"value": ', '"name": "password", "value": ', "<name>password</name>"),
    *("\r\n--b\r\ncontent-disposition: a; name=key\r\n\r\n", "\r\n--b\r\n\r\n", "--b\r\n"),
    *("<password>&lt;", "code: ", '<value name="password">', "pass="),
    *('name="password"\r\n', 'name="password"\r\n\r\n', 'data: {"a": "password"}\n\n', "[" * 9 + "]", 'a="\\"'),
    *('{"name": "REGION", "value": 17},\n', '<span id="a" class="b">text</span>\n', "code: a, ", "pass="),
    *("<password>", "<password>a1", "<a:password b='c'>", "</password>", "<![CDATA[", "name=password\r\n\r\na1"),
)


def scrub(text: str) -> None:
    """Scrub a text as a body of every kind, and learn from it as from a request."""
    for kind in KINDS:
        scrub_body((("content-type", kind),), text.encode(), NOTHING)
    scrub_body((("content-type", KINDS[0]),), json.dumps({"a": text}).encode(), NOTHING)
    headers = (("authorization", text), ("cookie", text))
    Credentials({}).learn(RecordedRequest("POST", f"https://host/?{text}", headers, text.encode()))


def seconds(text: str) -> float:
    """The least processor time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        started = process_time()
        scrub(text)
        times.append(process_time() - started)
    return min(times)


def main() -> None:
    """Measure, and print those that grow fastest."""
    rows = []
    for unit in UNITS:
        costs = {size: seconds((unit * size)[:size]) for size in SIZES}
        rows.append((exponent(costs.items()), repr(unit)[:40], costs[max(SIZES)] * 1e3))
    rows.sort(reverse=True)
    show(
        f"Scrubbing {len(UNITS)} texts of {min(SIZES):,} to {max(SIZES):,} characters: those that grow fastest",
        ("repeated", "grows with length ** k", "ms of the longest"),
        ((unit, grows, cost) for grows, unit, cost in rows[:SHOWN]),
    )


if __name__ == "__main__":
    main()
