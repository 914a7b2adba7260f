"""What replaying a request and opening a cassette have to do, counted: in calls of functions, which take no time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.cassette import open_cassette
from pytest_templates.cassettes.format.document import to_text
from pytest_templates.cassettes.recorded import Headers, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.plain import Inspection, request_stays, scrub_inspected
from pytest_templates.cassettes.scrubbing.scrub import scrub
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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_text([Interaction(None, "m", *pair) for pair in zip(requests, answers, strict=True)]))

    return write


READING = ("json_text.load", "members._names", "key_patterns.keys_in", "addresses.address_spans", "secrets.values_of")


def test_a_request_as_it_was_recorded_is_neither_read_nor_searched(
    recorded: Callable[..., None], path: Path, monkeypatch: pytest.MonkeyPatch, called_by: Callable[..., Any]
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


def test_a_request_that_only_matches_is_read_once(
    recorded: Callable[..., None], path: Path, called_by: Callable[..., Any]
) -> None:
    recorded(question(0), question(1))
    with httpx2.Client() as client, open_cassette(CassetteSettings(path)) as opened:
        others = [{"messages": question(number)["messages"], "model": "m"} for number in range(2)]
        client.post(URL, json=others[0])
        counted = called_by(lambda: client.post(URL, json=others[1]))
        assert opened.played == 2
    assert (counted["json_text.load"], counted["key_patterns.keys_in"]) == (1, 1)


def test_a_cassette_as_it_was_written_is_read_without_yaml(
    recorded: Callable[..., None], path: Path, called_by: Callable[..., Any]
) -> None:
    recorded(*map(question, range(3)))

    def read() -> None:
        assert len(load_cassette(path)) == 3

    assert called_by(read)["yaml_text.load"] == 0
    path.write_text(path.read_text().replace("model: m\n", "model: m # the small one\n", 1))
    assert called_by(read)["yaml_text.load"] == 1


@pytest.fixture
def opened(
    recorded: Callable[..., None], path: Path, called_by: Callable[..., Any]
) -> Callable[[int], tuple[Counter[str], Counter[str]]]:
    """Counts the calls of opening and closing a cassette of so many interactions first and again."""

    def calls(size: int) -> tuple[Counter[str], Counter[str]]:
        recorded(*map(question, range(size)))
        settings = CassetteSettings(path, parsed=path.parent.parent / f"parsed-{size}")

        def opening() -> None:
            with open_cassette(settings):
                pass

        return called_by(opening), called_by(opening)

    return calls


def test_opening_takes_little_for_each_interaction(opened: Callable[[int], tuple[Counter[str], Counter[str]]]) -> None:
    few, many = opened(10), opened(30)
    first, again = (more - less for less, more in zip(few, many, strict=True))
    assert first.total() / 20 <= 240  # a little more or less, by what caches hold
    assert [first[name] for name in ("scrub.scrub_request", "scrub.scrub_response")] == [0, 0]  # heads are all alike
    assert again.total() / 20 <= 25
    assert few[1].total() - again.total() / 2 <= 330  # for none of them: more, where more libraries are loaded
    assert again["canonical_json.dumps"] == 0
    assert few[1]["secrets._names_secret"] == 0
    assert few[1]["seams.__init__"] == 0  # what is put into the libraries was made before


@pytest.mark.parametrize("mode", ["none", "missing"])
def test_closing_a_cassette_that_was_played_reads_and_writes_nothing(
    recorded: Callable[..., None], path: Path, called_by: Callable[..., Any], mode: Any
) -> None:
    recorded(question(0))
    with httpx2.Client() as client, open_cassette(CassetteSettings(path, mode)) as opened:
        client.post(URL, json=question(0))
        counted = called_by(opened.save)
    counted += called_by(opened.leave)
    touched = ("store.read_cassette", "store.replace", "store.put", "store.lock", "yaml_text.parts", "secrets.find")
    assert [counted[name] for name in touched] == [0] * len(touched)


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


UNANSWERED = RecordedResponse(204, "", (), b"")
KINDS = ["application/json", "application/json; charset=utf-8", "application/jsonl", "text/event-stream", "a/b"]


@given(pieces, st.sampled_from(KINDS), st.sampled_from(['{"a":"%s"}', 'data: {"a":"%s"}\n\ndata: {"a":"b"}\n\n', "%s"]))
def test_what_was_inspected_is_kept_as_what_is_scrubbed(text: str, kind: str, form: str) -> None:
    head = (("accept", text[:3].strip() or "*/*"), ("content-type", kind))
    sent = (form % text).encode()
    request = RecordedRequest("POST", f"https://host/v1?a={text[:20].strip()}", head, sent)
    length = str(len(sent) + len(text) % 2)
    response = RecordedResponse(200, "", (("content-type", kind), ("content-length", length), ("x-a", text[:9])), sent)
    secrets = secrets_for({KEY: Source("a key"), "0123456789": Source("a number")})
    one = Interaction("a/b", "m", request, response)
    found = Inspection.of(one)
    assert scrub_inspected(one, found, secrets) == scrub(one, secrets)
    if found.is_plain and request_stays(request, secrets):
        credentials, in_head = Credentials({}), Credentials({})
        credentials.learn(request)
        in_head.learn_from_head(request)
        assert credentials.secrets() is in_head.secrets()


@pytest.mark.parametrize(
    ("uri", "kind", "sent"),
    [
        (f"https://host/{KEY[:-1]}%37", "application/json", "{}"),
        ("https://host/", "application/x-ndjson", f'{{"a":"{KEY[:9]}"}}\n{{"a":"{KEY[9:]}"}}\n'),
        ("https://host/", "text/event-stream", f'data: {{"a":"{KEY[:9]}"}}\n\ndata: {{"a":"{KEY[9:]}"}}\n\n'),
        ("https://host/", "text/event-stream", f'data: {{"a":"sk-pr"}}\n\ndata: {{"a":"oj-{KEY[::-1]}"}}\n\n'),
        ("https://host/", "application/json", f'{{"a":"{KEY[:-1]}\\u0037"}}'),
        ("https://host/", "application/json", f'{{"a":"{KEY}"}}'),
        ("https://host/", "application/json", '{"password":"open sesame"}'),
    ],
)
def test_what_holds_a_secret_is_scrubbed(uri: str, kind: str, sent: str) -> None:
    secrets = secrets_for({KEY: Source("a key")})
    headers = (("content-type", kind),)
    asked = Interaction(None, None, RecordedRequest("POST", uri, headers, sent.encode()), UNANSWERED)
    answered = replace(asked, request=RecordedRequest("GET", "https://host/", (), b""))
    answered = replace(answered, response=RecordedResponse(200, "", (*headers, ("location", uri)), sent.encode()))
    for one in (asked, answered):
        kept = scrub_inspected(one, Inspection.of(one), secrets)
        assert kept == scrub(one, secrets)
        assert kept != one
