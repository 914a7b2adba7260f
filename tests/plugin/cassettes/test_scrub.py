from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.format.document import from_text, to_text
from pytest_templates.cassettes.recorded import Headers, Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.leaks import refuse_leaks
from pytest_templates.cassettes.scrubbing.scrub import scrub, scrub_uri
from pytest_templates.errors import CassetteError
from pytest_templates.redaction.secrets import secrets_of

NONE = secrets_of({})
SECRET = 'sk-live/"A+b=c"\nü'
SECRETS = secrets_of({"OPENAI_API_KEY": SECRET})
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": quote,
    "url, strict": lambda value: quote(value, safe=""),
    "form": quote_plus,
    "url in small letters": lambda value: quote(value, safe="").replace("%2F", "%2f"),
    "json": lambda value: json.dumps(value)[1:-1],
    "json in utf-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "json with escaped slashes": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for addresses": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "basic authentication": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
    "base64 behind two bytes": lambda value: base64.b64encode(f"xy{value}zz".encode()).decode(),
}


def interaction(
    uri: str = "https://host/v1",
    request: tuple[Headers, bytes] = ((), b""),
    response: tuple[Headers, bytes] = ((), b""),
) -> Interaction:
    return Interaction("a", "m", RecordedRequest("POST", uri, *request), RecordedResponse(200, "", *response))


def response_of(headers: dict[str, str], body: bytes) -> RecordedResponse:
    return scrub(interaction(response=(tuple(headers.items()), body)), NONE).response


def test_of_a_request_two_headers_are_kept_and_of_a_response_what_means_something() -> None:
    request = {"content-type": "application/json", "accept": "*/*", "authorization": "Bearer x", "x-goog-api-key": "x"}
    response = {"content-type": "a/b", "retry-after": "1", "set-cookie": "x", "openai-organization": "x", "date": "x"}
    kept = scrub(interaction(request=(tuple(request.items()), b""), response=(tuple(response.items()), b"")), NONE)
    assert dict(kept.request.headers) == {"content-type": "application/json", "accept": "*/*"}
    assert dict(kept.response.headers) == {"content-type": "a/b", "retry-after": "1"}


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "raw deflate", "GZIP", "deflate, gzip"])
def test_a_compressed_body_is_kept_as_it_was_before(encoding: str) -> None:
    body = b'{"a": 1}' * 50
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = {
        "deflate": zlib.compress(body),
        "raw deflate": raw.compress(body) + raw.flush(),
        "deflate, gzip": gzip.compress(zlib.compress(body)),
    }.get(encoding, gzip.compress(body))
    said = encoding.removeprefix("raw ")
    headers = {"content-encoding": said, "content-length": "9", "content-type": "a/b"}
    kept = (("content-length", str(len(body))), ("content-type", "a/b"))
    assert response_of(headers, packed) == RecordedResponse(200, "", kept, body, encoding=said)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"plain"),
        ("gzip", gzip.compress(b"plain", mtime=0)[:-1]),
        ("deflate", b"plain"),
        ("deflate", zlib.compress(b"plain") + b"more"),
    ],
)
def test_a_body_that_does_not_unpack_is_kept_as_it_is(encoding: str, body: bytes) -> None:
    assert response_of({"content-encoding": encoding, "content-type": "a/b"}, body).body == body


def test_a_body_in_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(CassetteError, match="'snappy'"):
        response_of({"content-encoding": "snappy"}, b"x")


@pytest.mark.parametrize(
    "name", ["key", "api_key", "API-Key", "access_token", "token", "sig", "signature", "X-Amz-Signature"]
)
def test_a_secret_parameter_is_replaced(name: str) -> None:
    assert scrub_uri(f"https://h/v1?a=1&{name}=hidden&b=2", NONE) == f"https://h/v1?a=1&{name}=REDACTED&b=2"


@pytest.mark.parametrize("place", ["/cb#page=2&access_token={}", "/cb#id_token={}&page=2", "/cb;jsessionid={}?page=2"])
def test_a_secret_parameter_of_a_fragment_or_of_a_part_of_the_path_is_replaced(place: str) -> None:
    address = f"https://h{place}"
    assert scrub_uri(address.format("8f14e45fceea167a5a36dedd4bea2543"), NONE) == address.format("REDACTED")


def test_user_and_password_in_an_address_are_replaced() -> None:
    assert scrub_uri("https://me:hidden@h:1/v1?x=a@b", NONE) == "https://REDACTED@h:1/v1?x=a@b"


def test_an_address_without_secrets_stays_as_it_is() -> None:
    assert scrub_uri("https://h/v1/a@b?monkey=1&x=%20&y#key=1", NONE) == "https://h/v1/a@b?monkey=1&x=%20&y#key=1"


def test_secret_fields_of_a_form_and_members_of_json_are_replaced() -> None:
    form: Headers = (("content-type", "application/x-www-form-urlencoded"),)
    answer = b'{"access_token": "hidden", "token": "word", "api_key": {"type": "string"}}'
    kept = scrub(interaction(request=(form, b"grant_type=x&client_secret=hidden"), response=((), answer)), NONE)
    assert kept.request.body == b"grant_type=x&client_secret=REDACTED"
    assert json.loads(kept.response.body) == {
        "access_token": "REDACTED",
        "token": "word",
        "api_key": {"type": "string"},
    }


@pytest.mark.parametrize("name", ["MY_KEY", "gh_token", "SECRET_SAUCE", "DbPassword", "AWS_CREDENTIALS"])
def test_the_value_of_a_variable_with_a_telling_name_is_secret(name: str) -> None:
    assert secrets_of({name: "12345678"}).replace("a 12345678 b") == "a REDACTED b"


def test_short_values_and_other_variables_are_not_secret() -> None:
    assert (
        secrets_of({"KEY": "1234567", "HOME": "/home/me-and-you"})
        .replace("1234567 /home/me-and-you")
        .startswith("1234567 /")
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_form(form: str) -> None:
    text = f"before {FORMS[form](SECRET)} after"
    assert SECRETS.find(text) is not None
    assert FORMS[form](SECRET) not in SECRETS.replace(text)
    assert SECRETS.find(SECRETS.replace(text)) is None


def test_json_stays_json_when_a_secret_is_replaced() -> None:
    secrets = secrets_of({"PIN_SECRET": "12345678"})
    kept = scrub(interaction(response=((), b'{"n":12345678,"text":"12345678 \\u0031"}')), secrets)
    assert json.loads(kept.response.body) == {"n": 12345678, "text": "REDACTED 1"}


def test_a_secret_hidden_by_escapes_of_json_is_replaced() -> None:
    secrets = secrets_of({"MY_KEY": "abcdefg=="})
    kept = scrub(interaction(response=((), b'{"text":"abcdefg\\u003d\\u003d"}')), secrets)
    assert json.loads(kept.response.body) == {"text": "REDACTED"}


def test_a_secret_in_a_stream_is_replaced_within_its_event() -> None:
    secrets = secrets_of({"MY_KEY": "abcdefgh"})
    body = b'event: x\ndata: {"text":"abcdefgh","n":1}\n\ndata: abcdefgh\n\n'
    kept = scrub(interaction(response=((("content-type", "text/event-stream"),), body)), secrets)
    assert kept.response.body == b'event: x\ndata: {"text":"REDACTED","n":1}\n\ndata: REDACTED\n\n'


def test_a_secret_in_template_model_method_and_header_is_replaced() -> None:
    secrets = secrets_of({"MY_KEY": "abcdefgh"})
    request = RecordedRequest("abcdefgh", "https://h/abcdefgh", (("accept", "abcdefgh"),), b"\xffabcdefgh")
    response = RecordedResponse(200, "abcdefgh", (("location", "https://h/?key=x"),), b"")
    assert "abcdefgh" not in repr(scrub(Interaction("abcdefgh", "abcdefgh", request, response), secrets))


def test_a_file_that_would_hold_a_secret_is_refused_saying_where(tmp_path: Path) -> None:
    secrets = secrets_of({"PIN_SECRET": "12345678"})
    text = to_text([interaction(), interaction(response=((), b'{"n":12345678}'))])
    with pytest.raises(CassetteError, match=r"PIN_SECRET in line \d+ \(interaction 2, response body\)") as caught:
        refuse_leaks(str(tmp_path / "c.yaml"), text, secrets)
    assert "12345678" not in str(caught.value)


def test_a_secret_of_several_lines_is_found_in_block_text(tmp_path: Path) -> None:
    pem = "-----BEGIN KEY-----\nabc\ndef\n-----END KEY-----"
    text = to_text([interaction(response=((), f"x\n{pem}\n".encode()))])
    with pytest.raises(CassetteError, match="PRIVATE_KEY"):
        refuse_leaks(str(tmp_path / "c.yaml"), text, secrets_of({"PRIVATE_KEY": pem}))


FORMAT = (
    "version interactions template request response headers content-type accept authorization retry-after unfinished"
)
secret_values = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x24F, exclude_categories=["Cc", "Zs"]), min_size=8, max_size=20
).filter(lambda value: value.lower() not in FORMAT)  # a key that is a word of the format cannot be told from it
fillers = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@st.composite
def leaking(draw: Any) -> tuple[str, Interaction]:
    """A secret, and an interaction with it in every place, in forms drawn."""
    secret = draw(secret_values)

    def text() -> str:
        return draw(fillers) + FORMS[draw(st.sampled_from(sorted(FORMS)))](secret) + draw(fillers)

    def body() -> bytes:
        plain = {"a": [text()], text(): text()}
        return draw(
            st.sampled_from([text().encode(), json.dumps(plain).encode(), f"data: {json.dumps(plain)}\n\n".encode()])
        )

    kinds = st.sampled_from(
        ["application/json", "text/plain", "text/event-stream", "application/x-www-form-urlencoded"]
    )
    headers: Headers = (
        ("content-type", draw(kinds)),
        ("accept", text()),
        ("authorization", secret),
        ("retry-after", text()),
    )
    uri = f"https://host/v1?q={quote(secret, safe='')}&key={quote(secret)}&r={quote_plus(text())}"
    request = RecordedRequest("POST", uri, headers, body())
    return secret, Interaction(text(), text(), request, RecordedResponse(200, text(), headers, body()))


@given(leaking())
def test_no_secret_survives_and_the_file_can_still_be_read(drawn: tuple[str, Interaction]) -> None:
    secret, one = drawn
    secrets = secrets_of({"SOME_KEY": secret})
    text = to_text([scrub(one, secrets)])
    refuse_leaks("c.yaml", text, secrets)
    assert from_text(text) != []


@given(leaking())
def test_scrubbing_twice_changes_nothing_more(drawn: tuple[str, Interaction]) -> None:
    secret, one = drawn
    secrets = secrets_of({"SOME_KEY": secret})
    once = scrub(one, secrets)
    assert scrub(once, secrets) == once


@given(leaking())
def test_a_scrubbed_interaction_is_the_same_after_saving_and_scrubbing_again(drawn: tuple[str, Interaction]) -> None:
    secret, one = drawn
    secrets = secrets_of({"SOME_KEY": secret})
    once = scrub(one, secrets)
    (loaded,) = from_text(to_text([once]))
    assert scrub(loaded, secrets).request == once.request
