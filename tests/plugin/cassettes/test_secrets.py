"""What counts as a secret, and what of a recording survives: nothing of a secret, everything else."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_templates.cassettes.format.canonical_json import STYLES, dumps
from pytest_templates.cassettes.format.document import from_text, to_text
from pytest_templates.cassettes.recorded import Headers, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.leaks import find_leaks, refuse_leaks
from pytest_templates.cassettes.scrubbing.scrub import scrub, scrub_uri
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.policy import certainty_of
from pytest_templates.redaction.secrets import secrets_of, values_of

JSON: Headers = (("content-type", "application/json"),)


def interaction(
    request: bytes = b"", response: bytes = b"", kind: str = "application/json", **more: str
) -> Interaction:
    headers: Headers = (("content-type", kind), *more.items())
    uri = more.get("uri", "https://host/v1")
    return Interaction(
        "a", "m", RecordedRequest("POST", uri, headers, request), RecordedResponse(200, "", headers, response)
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("HF_TOKENIZER", "meta-llama/Llama-3.1-8B"),
        ("KEYBOARD_LAYOUT", "us-international"),
        ("SORT_KEY", "name"),
        ("DB_PASSWORD", "password"),
        ("PUBLIC_KEY_ENV", "Production"),
        ("KEYCLOAK_URL", "https://auth.example.com:8443/"),
        ("PATH", "/usr/bin/and/so/on"),
        ("MY_SECRET", "       \n"),
        ("MY_KEY", "REDACTED"),
    ],
)
def test_a_value_that_is_no_secret_is_not_looked_for(name: str, value: str) -> None:
    assert values_of({name: value}) == {}


def test_a_file_that_exists_is_no_secret_and_a_path_that_does_not_is(tmp_path: Path) -> None:
    here = tmp_path / "credentials.json"
    here.touch()
    assert values_of({"GOOGLE_APPLICATION_CREDENTIALS": str(here)}) == {}
    assert list(values_of({"AWS_SECRET_ACCESS_KEY": "/aB7w/Q2m5kX3fZq9"})) == ["/aB7w/Q2m5kX3fZq9"]
    assert list(values_of({"WEBHOOK_SECRET": "https://hooks.example.com/x/y"})) == ["https://hooks.example.com/x/y"]


def test_a_secret_is_called_by_its_variable() -> None:
    ((value, source),) = values_of({"B_KEY": "kX3fZq9aB7", "A_KEY": "kX3fZq9aB7"}).items()
    assert (value, source.what) == ("kX3fZq9aB7", "the value of the environment variable A_KEY")


CARRIED: dict[str, tuple[Headers, str]] = {
    "the value of the header authorization": ((("authorization", "Bearer kX3fZq9aB7"),), ""),
    "the value of the header api-key": ((("api-key", "kX3fZq9aB7"),), ""),
    "the value of the header proxy-authorization": (
        (("proxy-authorization", "Basic " + base64.b64encode(b"me:kX3fZq9aB7").decode()),),
        "",
    ),
    "the user or password of an address": ((), "https://me:kX3fZq9aB7@host/"),
    "the value of the parameter key": ((), "https://host/?key=kX3fZq9aB7"),
}


@pytest.mark.parametrize("what", CARRIED)
def test_what_a_request_carries_as_its_key_is_a_secret_from_then_on(what: str) -> None:
    headers, uri = CARRIED[what]
    credentials = Credentials({})
    assert credentials.secrets().find("kX3fZq9aB7") is None
    credentials.learn(RecordedRequest("GET", uri or "https://host/", headers, b""))
    leak = credentials.secrets().find("x kX3fZq9aB7")
    assert leak is not None
    assert leak.what == what


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("authorization", "Bearer anything"),
        ("authorization", "Bearer EMPTY"),
        ("x-api-key", ""),
        ("cookie", "theme=kX3fZq9aB7"),
        ("idempotency-key", "kX3fZq9aB7"),
    ],
)
def test_what_is_no_key_of_a_request_is_not_learned(header: str, value: str) -> None:
    credentials = Credentials({})
    credentials.learn(RecordedRequest("GET", "https://host/?key=country&q=kX3fZq9aB7", ((header, value),), b""))
    for text in ("anything", "EMPTY", "kX3fZq9aB7", "country"):
        assert credentials.secrets().find(text) is None


def test_a_path_that_is_escaped_without_need_hides_nothing() -> None:
    secrets = secrets_of({"A_KEY": "kX3fZq9aB7"})
    assert scrub_uri("https://h/%6bX3fZq9aB%37/x#%6bX3fZq9aB7", secrets) == "https://h/REDACTED/x#REDACTED"


def test_two_secret_names_in_one_object_stay_two() -> None:
    secrets = secrets_of({"A_KEY": "kX3fZq9aB7", "B_KEY": "Q2m5wQ2m5w"})
    body = b'{"kX3fZq9aB7":1,"Q2m5wQ2m5w":2,"REDACTED":3}'
    once = scrub(interaction(body), secrets)
    assert sorted(json.loads(once.request.body).values()) == [1, 2, 3]
    assert scrub(once, secrets) == once


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="api_key"',
        "Content-Disposition: form-data; name=api_key",
        "content-disposition:form-data;name='password'",
        'Content-Type: text/plain\nContent-Disposition: form-data; filename="a.txt"; name="user[password]"',
        "Content-Disposition: form-data;\n name*=utf-8''client%5Fsecret",
    ],
)
def test_a_secret_field_of_a_multipart_body_is_replaced(head: str, end: str) -> None:
    form = f"--b\n{head}\n\nwho knows\n--b\nContent-Disposition: form-data; name=page\n\nwho is it\n--b\n\nx\n--b--\n"
    body = form.replace("\n", end).encode()
    kept = scrub(interaction(body, kind='multipart/form-data; boundary="b"'), secrets_of({})).request.body
    assert kept == body.replace(b"who knows", b"REDACTED").replace(b"--b", b"--antiphon-boundary")


def test_answers_of_several_choices_are_read_each_for_itself() -> None:
    secrets = secrets_of({"A_KEY": "kX3fZq9aB7"})
    said = [(0, "kX3f"), (1, "one "), (0, "Zq9"), (1, "two "), (0, "aB7"), (1, "three")]
    events = [json.dumps({"choices": [{"index": index, "delta": {"content": text}}]}) for index, text in said]
    body = "".join(f"data: {event}\n\n" for event in events).encode()
    kept = scrub(interaction(response=body, kind="text/event-stream"), secrets).response.body.decode()
    left = [json.loads(line[6:])["choices"][0] for line in kept.split("\n\n") if line]
    texts = {n: [one["delta"]["content"] for one in left if one["index"] == n] for n in (0, 1)}
    assert texts == {0: ["REDACTED", "", ""], 1: ["one ", "two ", "three"]}


@pytest.mark.parametrize("write", [str, json.dumps], ids=["as it is", "as JSON"])
@pytest.mark.parametrize("size", range(1, 9))
def test_a_text_that_a_stream_says_by_itself_keeps_no_secret_however_it_is_cut(
    size: int, write: Callable[[str], str]
) -> None:
    secrets = secrets_of({"A_KEY": "k7w4711b9Lr"})
    text = 'Your key is k7w4711b9Lr, and {"password": "42"} is a "word" too.'
    pieces = [write(text[start : start + size]) for start in range(0, len(text), size)]
    body = "".join(f"data: {piece}\n\n" for piece in [*pieces, "[DONE]"]).encode()

    kept = scrub(interaction(response=body, kind="text/event-stream"), secrets).response.body.decode()

    left = [line.removeprefix("data: ") for line in kept.split("\n\n")][: len(pieces)]
    said = "".join(map(json.loads, left) if write is json.dumps else left)
    assert said == 'Your key is REDACTED, and {"password": "REDACTED"} is a "word" too.'


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_that_says_a_text_in_pieces_keeps_no_secret(size: int, indent: int | None) -> None:
    secrets = secrets_of({"A_KEY": "k7w4711b9Lr"})
    text = 'Your key is k7w4711b9Lr, and {"password": "42"} too.'
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    items: list[Any] = [{"candidates": [{"content": {"parts": [{"text": piece}]}}]} for piece in pieces]
    body = json.dumps([*items, {"usageMetadata": {"trafficType": "\ud800"}}], indent=indent)

    kept = scrub(interaction(response=body.encode()), secrets)

    *left_items, usage = json.loads(kept.response.body)
    left = [item["candidates"][0]["content"]["parts"][0]["text"] for item in left_items]
    assert "".join(left) == 'Your key is REDACTED, and {"password": "REDACTED"} too.'
    assert (len(left), usage) == (len(pieces), {"usageMetadata": {"trafficType": "\ud800"}})
    assert scrub(kept, secrets) == kept


def _parts_of_vercel(piece: str) -> str:
    return f"0:{json.dumps(piece)}\n"


def _arguments_of_vercel(piece: str) -> str:
    return f"c:{json.dumps({'toolCallId': 'a1', 'argsTextDelta': piece})}\n"


def _of_ollama(piece: str) -> str:
    return json.dumps({"response": piece, "done": False}) + "\n"


def _events_of_lines(piece: str) -> str:
    """One whose JSON stands in several lines."""
    lines = json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}, indent=2).split("\n")
    return "".join(f"data: {line}\n" for line in lines) + "\n"


def _event_with_carriage_returns(piece: str) -> str:
    return f"data: {json.dumps({'delta': piece})}\r\r"


def _record(piece: str) -> str:
    return "\x1e" + json.dumps({"delta": piece}) + "\n"


@pytest.mark.parametrize("size", [1, 4, 9])
@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (_parts_of_vercel, "text/plain; charset=utf-8"),
        (_arguments_of_vercel, "text/plain"),
        (_of_ollama, "application/json"),
        (_of_ollama, "text/plain"),
        (_record, "application/json-seq"),
        (_events_of_lines, "text/event-stream"),
        (_event_with_carriage_returns, "text/event-stream"),
        (_event_with_carriage_returns, "text/plain"),
    ],
)
def test_a_stream_in_any_form_says_no_secret_in_pieces(write: Any, kind: str, size: int) -> None:
    secrets = secrets_of({"A_KEY": "k7w4711b9Lr"})
    text = 'Your key is k7w4711b9Lr, and {"password": "blue-horse"} too.'
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    first, last = 'f:{"messageId":"m1"}\n', 'd:{"finishReason":"stop"}\n'
    body = "".join([first, *map(write, pieces), last] if write is _parts_of_vercel else map(write, pieces))

    kept = scrub(interaction(response=body.encode(), kind=kind), secrets).response.body.decode()

    said = re.findall(r'(?:0|"(?:argsTextDelta|response|delta|content)"): ?("(?:[^"\\]|\\.)*")', kept)
    assert "".join(map(json.loads, said)) == 'Your key is REDACTED, and {"password": "REDACTED"} too.'
    assert len(said) == len(pieces)
    assert len(kept.splitlines()) == len(body.splitlines())


def test_a_secret_member_of_an_event_may_stand_in_lines_of_its_own() -> None:
    body = b'event: a\ndata: {"api_key":\ndata: "blue-horse"}\n\n'
    kept = scrub(interaction(response=body, kind="text/event-stream"), secrets_of({})).response.body
    assert kept == b'event: a\ndata: {"api_key":"REDACTED"}\n\n'


@pytest.mark.parametrize(
    "body",
    [
        '{"label": "Password:"}\n{"label": "Username1"}\n',
        '"Password:"\nUsername1 is meant.\n',
        '{"index": {"_id": "1"}}\n{"text": "My api_key:"}\n{"text": "key42abc is a string"}\n',
    ],
)
def test_lines_of_json_that_are_no_pieces_of_an_answer_stay(body: str) -> None:
    of_lines = interaction(body.encode(), body.encode(), kind="text/plain")
    assert scrub(of_lines, secrets_of({})) == of_lines


@pytest.mark.parametrize(
    "body",
    [
        [{"label": "Password:"}, {"label": "Username1"}],
        [{"text": "Your password: "}, {"text": "is42long and"}],
        [{"role": "user", "content": "My api_key:"}, {"role": "assistant", "content": "key42abc is a string"}],
        [{"ask": "Your api_key: ", "choices": ["a1"]}, {"ask": "Username1", "choices": ["b2"]}],
    ],
)
def test_a_list_of_objects_that_are_no_pieces_of_an_answer_stays(body: list[Any]) -> None:
    text = json.dumps(body).encode()
    assert scrub(interaction(text, text), secrets_of({})) == interaction(text, text)


def test_a_request_is_never_read_as_pieces_of_an_answer() -> None:
    text = json.dumps([{"delta": "Password:"}, {"delta": "Username1"}]).encode()
    assert scrub(interaction(text), secrets_of({})).request.body == text


def test_a_leak_is_told_by_interaction_part_and_line() -> None:
    text = to_text([interaction(), interaction(b'{"n":12345678}', b"\xff" + b"x" * 70 + b"12345678")])
    findings = find_leaks(text, secrets_of({"PIN_SECRET": "12345678"}))
    lines = text.split("\n")
    assert [finding.where for finding in findings] == ["interaction 2, request body", "interaction 2, response body"]
    assert "12345678" in lines[findings[0].line - 1]
    assert "base64" in lines[findings[1].line - 1]
    assert {finding.what for finding in findings} == {"the value of the environment variable PIN_SECRET"}


def test_a_file_that_is_named_after_a_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match=r"test_it\[REDACTED\].yaml: .* its name would hold") as caught:
        refuse_leaks(str(tmp_path / "test_it[kX3fZq9aB7].yaml"), to_text([]), secrets_of({"A_KEY": "kX3fZq9aB7"}))
    assert "kX3fZq9aB7" not in str(caught.value)


def test_a_prompt_about_base64_is_no_body_in_base64() -> None:
    text = to_text([interaction(json.dumps({"messages": "Decode:\n  base64: abcde\n  base64: |-\n  xyz\n"}).encode())])
    assert find_leaks(text, secrets_of({"A_KEY": "kX3fZq9aB7"})) == []


names = st.text().filter(lambda name: certainty_of(name) is None)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
ENVIRON = {"SITE_KEY": "kX3f/Zq9+aB7==w Q2m5", "OTHER_TOKEN": "Q" * 12}


@given(st.dictionaries(names, values), st.sampled_from(sorted(STYLES)), values)
def test_what_holds_no_secret_comes_back_whole(request: Any, style: str, response: Any) -> None:
    sent, said = dumps(request, style).encode(), json.dumps(response, indent=3).encode()
    secrets = secrets_of(ENVIRON)
    once = scrub(interaction(sent, said), secrets)
    assert (once.request.body, once.response.body) == (sent, said)
    (loaded,) = from_text(to_text([once]))
    assert scrub(loaded, secrets).request.body == sent
    assert json.loads(loaded.response.body) == response


@given(st.lists(st.text(max_size=30), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_a_stream_without_secrets_comes_back_whole(said: list[str], newline: str) -> None:
    body = "".join(f"data: {json.dumps({'delta': text})}{newline * 2}" for text in said).encode()
    assert scrub(interaction(response=body, kind="text/event-stream"), secrets_of(ENVIRON)).response.body == body


alphabet = st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_categories=["Cc", "Zs"])
WAYS = {
    "plain": str,
    "url": lambda value: quote(value, safe=""),
    "url, twice": lambda value: quote(quote(value, safe=""), safe=""),
    "form": quote_plus,
    "json": lambda value: json.dumps(value)[1:-1],
    "json in json": lambda value: json.dumps(json.dumps(value))[1:-1],
    "hexadecimal": lambda value: value.encode().hex(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 behind one": lambda value: base64.b64encode(b"x" + value.encode()).decode(),
    "base64 behind two": lambda value: base64.urlsafe_b64encode(b"xy" + value.encode()).decode(),
}


@given(st.text(alphabet, min_size=8, max_size=24), st.sampled_from(sorted(WAYS)), st.text(max_size=20), st.data())
def test_a_secret_survives_in_no_kind_of_body(secret: str, way: str, filler: str, data: st.DataObject) -> None:
    assume(values_of({"SITE_KEY": secret}))  # no everyday word
    secrets = secrets_of({"SITE_KEY": secret})
    text = f"{filler} {WAYS[way](secret)} {filler}"
    body, kind = data.draw(st.sampled_from(bodies_with(text)))
    more = {"content-encoding": "gzip"} if data.draw(st.booleans()) else {}
    sent = gzip.compress(body) if more else body
    once = scrub(interaction(sent, sent, kind, **more), secrets)
    file = to_text([once])
    assert find_leaks(file, secrets) == []
    assert WAYS[way](secret) not in once.request.body.decode("utf-8", "surrogateescape")
    assert scrub(once, secrets) == once
    assert from_text(file)[0].request == once.request


def bodies_with(text: str) -> list[tuple[bytes, str]]:
    pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
    return [
        (text.encode("utf-8", "surrogatepass"), "text/plain"),
        (json.dumps({"a": [{text: 1}, text]}).encode(), "application/json"),
        (json.dumps({"a": text}, indent=4)[:-1].encode(), "application/json"),
        (f"a={quote_plus(text)}&b=2".encode(), "application/x-www-form-urlencoded"),
        (b"\xff\xfe" + text.encode("utf-8", "surrogatepass"), "application/octet-stream"),
        ("".join(f"data: {json.dumps({'delta': piece})}\n\n" for piece in pieces).encode(), "text/event-stream"),
    ]
