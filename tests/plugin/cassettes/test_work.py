"""What replaying a request and opening a cassette have to do, counted: in calls of functions, which take no time."""

from __future__ import annotations

import gc
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.cassette import open_cassette
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Headers, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.scrub import is_plain, scrub_request, stays
from pytest_templates.cassettes.settings import CassetteSettings
from pytest_templates.cassettes.storage.store import load_cassette
from pytest_templates.errors import CassetteMiss
from pytest_templates.redaction.secrets import Source, secrets_for

URL = "http://127.0.0.1:9/v1/chat/completions"
JSON_TYPE: Headers = (("accept", "*/*"), ("content-type", "application/json"))
KEY = "kX3fZq9aB7kX3fZq9aB7"


def question(number: int, words: int = 10) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": f"Question {number}. " + "Say it again. " * words}]}


def body(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@pytest.fixture
def recorded(path: Path) -> Callable[..., None]:
    """Writes a cassette that answers these requests."""

    def write(*sent: dict[str, Any]) -> None:
        answers = (RecordedResponse(200, "", JSON_TYPE[1:], body({"answer": n})) for n in range(len(sent)))
        requests = (RecordedRequest("POST", URL, JSON_TYPE, body(one)) for one in sent)
        path.parent.mkdir(parents=True)
        path.write_text(to_text([Interaction(None, "m", *pair) for pair in zip(requests, answers, strict=True)]))

    return write


def called_by(deed: Callable[[], object]) -> Counter[str]:
    """How often a deed calls each function of the plugin, by the name of its module and its own."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("pytest_templates."):
            counted[f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"] += 1

    gc.disable()
    sys.setprofile(count)
    try:
        deed()
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


READING = ("json_text.load", "members._names", "key_patterns.keys_in", "addresses.address_spans", "secrets.values_of")


def test_a_request_as_it_was_recorded_is_neither_read_nor_searched(
    recorded: Callable[..., None], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    recorded(*map(question, range(4)), question(4, 1_000))
    client = httpx2.Client(headers={"authorization": "Bearer " + KEY[::-1]})
    with client, open_cassette(CassetteSettings(path)) as opened:
        client.post(URL, json=question(0))  # what is made once is made
        first, second, long = (
            called_by(lambda sent=sent: client.post(URL, json=sent))
            for sent in (question(1), question(2), question(4, 1_000))
        )
        assert opened.played == 4
    assert first == second == long
    assert [first[name] for name in READING] == [0] * len(READING)
    assert first.total() < 120


def test_a_request_that_only_matches_is_read_once(recorded: Callable[..., None], path: Path) -> None:
    recorded(question(0), question(1))
    with httpx2.Client() as client, open_cassette(CassetteSettings(path)) as opened:
        others = [{"messages": question(number)["messages"], "model": "m"} for number in range(2)]
        client.post(URL, json=others[0])
        counted = called_by(lambda: client.post(URL, json=others[1]))
        assert opened.played == 2
    assert (counted["json_text.load"], counted["key_patterns.keys_in"]) == (1, 1)


def test_a_cassette_as_it_was_written_is_read_without_yaml(recorded: Callable[..., None], path: Path) -> None:
    recorded(*map(question, range(3)))

    def read() -> None:
        assert len(load_cassette(path)) == 3

    assert called_by(read)["yaml_text.load"] == 0
    path.write_text(path.read_text().replace("model: m\n", "model: m # the small one\n", 1))
    assert called_by(read)["yaml_text.load"] == 1


def test_a_variable_that_is_set_while_a_cassette_is_open_is_secret(
    recorded: Callable[..., None], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"messages": [{"role": "user", "content": f"say {KEY}"}]}
    recorded(question(0), asked)
    with httpx2.Client() as client, open_cassette(CassetteSettings(path)) as opened:
        client.post(URL, json=question(0))
        monkeypatch.setenv("SOME_KEY", KEY)
        with pytest.raises(CassetteMiss) as missed:
            client.post(URL, json=asked)  # it is compared without the secret, which the file has
        assert KEY not in str(missed.value) + repr(opened.requests)


def test_a_key_that_a_client_sends_is_secret_from_then_on(recorded: Callable[..., None], path: Path) -> None:
    asked = {"messages": [{"role": "user", "content": f"say {KEY}"}]}
    recorded(asked)
    client = httpx2.Client(headers={"authorization": f"Bearer {KEY}"})
    with client, open_cassette(CassetteSettings(path)) as opened:
        with pytest.raises(CassetteMiss):
            client.post(URL, json=asked)
        assert KEY not in repr(opened.requests)


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "text/event-stream", "text/plain"])
def test_an_answer_is_replayed_to_the_byte(content_type: str, path: Path) -> None:
    said = b'{"a": 1.50,\n "b":"\\u00e9"}\n\n'
    path.parent.mkdir(parents=True)
    asked = RecordedRequest("POST", URL, JSON_TYPE, body(question(0)))
    answer = RecordedResponse(201, "Very good", (("content-type", content_type), ("x-a", "é"), ("x-a", "b")), said)
    path.write_text(to_text([Interaction(None, None, asked, answer)]), encoding="utf-8")
    with httpx2.Client() as client, open_cassette(CassetteSettings(path)):
        response = client.post(URL, json=question(0))
    assert (response.status_code, response.reason_phrase, response.content) == (201, "Very good", said)
    assert response.headers.get_list("x-a") == ["é", "b"]


pieces = st.lists(
    st.sampled_from(
        [
            *('"password"', ":", '"', "=", "{", "}", "[", "]", ",", "\\u0061", "\\/", "%41", "api_key", "é", " ", "@"),
            *(KEY, KEY[:9], KEY[9:], "sk-proj-" + KEY, "https://a:b@c/?sig=x", "<Secret>x", "value", "0123456789"),
        ]
    ),
    max_size=8,
).map("".join)


@given(pieces, st.sampled_from(["application/json", "application/json; charset=utf-8", "application/jsonl", "a/b"]))
def test_what_is_plain_and_stays_is_what_scrubbing_leaves(text: str, content_type: str) -> None:
    sent = f'{{"a":"{text}"}}'.encode() if len(text) % 2 else json.dumps({"a": text}).encode()
    headers = (("accept", text[:3].strip() or "*/*"), ("content-type", content_type))
    request = RecordedRequest("POST", f"https://host/v1?a={text[:20].strip()}", headers, sent)
    secrets = secrets_for({KEY: Source("a key"), "0123456789": Source("a number")})
    if is_plain(request) and stays(request, secrets):
        credentials = Credentials({})
        credentials.learn(request)
        known, in_head = credentials.secrets(), Credentials({})
        in_head.learn_from_head(request)
        assert known is in_head.secrets()
        assert scrub_request(request, secrets) == request


@pytest.mark.parametrize(
    ("uri", "content_type", "sent"),
    [
        (f"https://host/{KEY[:-1]}%37", "application/json", "{}"),
        ("https://host/", "application/x-ndjson", f'{{"a":"{KEY[:9]}"}}\n{{"a":"{KEY[9:]}"}}'),
        ("https://host/", "application/json", f'{{"a":"{KEY[:-1]}\\u0037"}}'),
        ("https://host/", "application/json", f'{{"a":"{KEY}"}}'),
        ("https://host/", "application/json", '{"password":"open sesame"}'),
    ],
)
def test_what_holds_a_secret_is_not_plain_or_does_not_stay(uri: str, content_type: str, sent: str) -> None:
    secrets = secrets_for({KEY: Source("a key")})
    request = RecordedRequest("POST", uri, (("content-type", content_type),), sent.encode())
    assert scrub_request(request, secrets) != request
    assert not (is_plain(request) and stays(request, secrets))
