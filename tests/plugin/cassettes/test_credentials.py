"""A server repeats in its answer what a request carried as its credential: in any scheme, it is not on the cassette."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.format.document import from_text
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.scrubbing.credentials import Credentials
from pytest_templates.cassettes.scrubbing.scrub import scrub_request
from pytest_templates.errors import CassetteError

KEY = "k7Qw9xLr2TzVb6NmYc"
OTHER_KEY = "m3Xp8sHd5GjWq1KfRt"
HEADERS = {
    "bare": ("authorization", "{}"),
    "bearer": ("authorization", "Bearer {}"),
    "bearer in small letters": ("authorization", "bearer {}"),
    "bearer in quotes": ("authorization", 'Bearer "{}"'),
    "bearer with a parameter": ("authorization", "Bearer token={}"),
    "token": ("authorization", "Token {}"),
    "token in quotes": ("authorization", 'Token token="{}"'),
    "token with options": ("authorization", 'Token token="{}", option="none"'),
    "api key": ("authorization", "ApiKey {}"),
    "key of a pair": ("authorization", "Key 3f2a:{}"),
    "account": ("authorization", "SharedKey account:{}"),
    "account of a clone of S3": ("authorization", "AWS some-account:{}"),
    "login": ("authorization", "GoogleLogin auth={}"),
    "user and password": ("authorization", "Basic {basic}"),
    "digest": ("authorization", 'Digest username="ada", realm="site", nonce="n1", uri="/", response="{}"'),
    "signature": ("authorization", "AWS4-HMAC-SHA256 Credential=ACCOUNT/20250101/x, SignedHeaders=host, Signature={}"),
    "mac": ("authorization", 'MAC id="h480djs93hd8", ts="1336363200", mac="{}"'),
    "oauth": ("authorization", 'OAuth realm="site", oauth_version="1.0", oauth_token="{}"'),
    "padded": ("authorization", "Bearer {}=="),
    "proxy": ("proxy-authorization", "Bearer {}"),
    "x-api-key": ("x-api-key", "{}"),
    "portkey": ("x-portkey-api-key", "{}"),
    "private token": ("private-token", "{}"),
    "api token": ("api-token", "{}"),
    "apikey": ("apikey", "{}"),
    "secret": ("x-foo-secret", "{}"),
    "auth": ("x-auth", "{}"),
    "functions key": ("x-functions-key", "{}"),
    "session token": ("x-amz-security-token", "{}"),
    "authentication": ("x-authentication", "{}"),
    "bearer in a name": ("x-bearer", "{}"),
    "pass": ("x-pass", "{}"),
    "session": ("x-session", "{}"),
    "hmac": ("x-hmac", "{}"),
    "signature of a request": ("x-signature", "sha256={}"),
    "key": ("key", "{}"),
    "version": ("x-api-key-v2", "{}"),
    "assertion": ("cf-access-jwt-assertion", "{}"),
    "cookie": ("cookie", "session={}"),
    "one of several cookies": ("cookie", "theme=dark; lang=en; sid={}; seen=2025-01-31T10:00:00Z"),
    "cookie with escapes": ("cookie", "connect.sid=s%3A{}"),
    "configuration in JSON": ("x-config", '{{"provider": "some", "api_key": "{}"}}'),
}
PARAMETERS = (
    *("key", "api_key", "api-key", "apikey", "apiKey", "access_token", "accessToken", "refresh_token", "id_token"),
    *("auth_token", "auth", "token", "sig", "signature", "secret", "client_secret", "clientSecret", "password"),
    *("passwd", "assertion", "client_assertion", "subscription-key", "x-api-key", "private_token", "AWSAccessKeyId"),
    *("X-Amz-Signature", "X-Amz-Security-Token", "X-Goog-Signature", "x-portkey-api-key", "code_secret_key"),
    *("pass", "pwd", "code", "jwt", "sid", "oauth_signature", "AccessKeyId", "session", "credential"),
    *("sessionid", "PHPSESSID", "jsessionid", "passcode", "one_time_password", "appid"),
)
BODIES = {
    "form": ("application/x-www-form-urlencoded", "grant_type=refresh&client_secret={}"),
    "login": ("application/json", '{{"user": "ada", "password": "{}"}}'),
    "list": ("application/json", '{{"api_keys": ["{}"]}}'),
    "token": ("application/json", '{{"token": "{}"}}'),
    "xml": ("text/xml", "<login><user>ada</user><wsse:Password>{}</wsse:Password></login>"),
    "parts": (
        "multipart/form-data; boundary=b",
        "--b\r\nContent-Disposition: form-data; name=password\r\n\r\n{}\r\n--b--\r\n",
    ),
}
ADDRESSES = {
    "parameter of a part": "https://host/a;v=2;access_token={};page=2/",
    "session of a servlet": "https://host/a;jsessionid={}/",
}
FORMS = [
    *(f"header: {name}" for name in HEADERS),
    *(f"parameter: {name}" for name in PARAMETERS),
    *BODIES,
    *(f"compressed: {name}" for name in BODIES),
    *(f"address: {name}" for name in ADDRESSES),
    *("address in a parameter", "address in the parameter of one"),
]


def request_of(form: str, key: str) -> RecordedRequest:
    kind, _, name = form.partition(": ")
    uri, headers, body = f"https://host/{quote(form, safe='')}", [("content-type", "application/json")], b"{}"
    if kind == "header":
        header, text = HEADERS[name]
        headers.append((header, text.format(key, basic=base64.b64encode(f"ada:{key}".encode()).decode())))
    elif kind == "parameter":
        uri += f"?page=2&{name}={key}"
    elif kind == "address":
        uri = ADDRESSES[name].format(key) + quote(form, safe="")
    elif kind.startswith("address in"):
        inner = f"https://other/?a=1&api_key={key}"
        inner = inner if kind == "address in a parameter" else f"https://third/?to={quote(inner, safe='')}"
        uri += f"?url={quote(inner, safe='')}&page=2"
    elif kind == "compressed":
        content_type, content = BODIES[name]
        headers, body = [("content-type", content_type)], gzip.compress(content.format(key).encode())
        headers.append(("content-encoding", "gzip"))
    else:
        headers, body = [("content-type", BODIES[form][0])], BODIES[form][1].format(key).encode()
    return RecordedRequest("POST", uri, tuple(headers), body)


def echo(key: str) -> RecordedResponse:
    pieces = [key[start : start + 5] for start in range(0, len(key), 5)]
    said = {"note": f"asked with {key}.", "encoded": base64.b64encode(f"<{key}>".encode()).decode(), "page": 2}
    events = [said, *({"delta": piece} for piece in pieces)]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    headers = (("content-type", "text/event-stream"), ("location", f"https://host/next?state={key}"))
    return RecordedResponse(200, "", headers, body)


def key_of(form: str, salt: str) -> str:
    return f"{salt}{FORMS.index(form):02}"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One cassette with all of them; each is replayed with another credential."""
    from pytest_templates.cassettes.cassette import open_cassette
    from pytest_templates.cassettes.settings import CassetteSettings

    path = tmp_path_factory.mktemp("credentials") / "cassette.yaml"
    with open_cassette(CassetteSettings(path, "missing"), {}) as cassette:
        for form in FORMS:
            key = key_of(form, KEY)
            cassette.record(cassette.decide(request_of(form, key)), echo(key))
            assert cassette.secrets.replace(f"a report says {key}.") == "a report says REDACTED."
        cassette.save()
    with open_cassette(CassetteSettings(path, "none"), {}) as cassette:
        for form in FORMS:
            assert cassette.decide(request_of(form, key_of(form, OTHER_KEY))).replay is not None, form
    return path.read_text("utf-8")


@pytest.fixture(scope="module")
def interactions(text: str) -> list[Interaction]:
    return from_text(text)


@pytest.mark.parametrize("form", FORMS)
def test_a_credential_that_the_server_repeats_is_not_on_the_cassette(
    form: str, text: str, interactions: list[Interaction]
) -> None:
    key = key_of(form, KEY)
    one = next(one for one in interactions if one.request.uri.split("?")[0].endswith(quote(form, safe="")))
    events = [json.loads(event[6:]) for event in one.response.body.decode().split("\n\n") if event]
    assert events[0]["note"] == "asked with REDACTED."
    assert events[0]["page"] == 2
    assert "".join(event["delta"] for event in events[1:]) == "REDACTED"
    assert key not in text
    assert base64.b64encode(f"<{key}>".encode()).decode() not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", "Bearer something"),
        ("authorization", "Bearer Elephants"),
        ("authorization", "Token short1"),
        ("authorization", 'Digest username="ada-lovelace-1", realm="k7Qw9xLr2T", nonce="k7Qw9xLr2T", qop="auth"'),
        ("authorization", "AWS4-HMAC-SHA256 Credential=k7Qw9xLr2T, SignedHeaders=host;x-amz-date"),
        ("x-request-id", "k7Qw9xLr2T"),
        ("idempotency-key", "k7Qw9xLr2T"),
        ("x-next-page-token", "k7Qw9xLr2T"),
        ("x-ratelimit-remaining-tokens", "k7Qw9xLr2T"),
        ("x-trace", "k7Qw9xLr2T"),
        ("cookie", "theme=midnight; seen=2025-01-31; lang=en-GB; from=2025-01-31T10:00:00Z"),
    ],
)
def test_what_is_no_credential_stays(name: str, value: str) -> None:
    credentials = Credentials({})
    credentials.learn(
        RecordedRequest("GET", "https://host/?token=country&page_token=k7Qw9xLr2T", ((name, value),), b"")
    )
    text = f"ada-lovelace-1 k7Qw9xLr2T something Elephants country midnight 2025-01-31 short1 AWS4-HMAC-SHA256 {value}"
    assert credentials.secrets().replace(text).startswith(text[:80])


def test_signatures_are_kept_for_some_requests_and_keys_for_all() -> None:
    """Each request is signed anew: to look for all signatures in all answers would take ever longer."""
    credentials = Credentials({})
    signed = 'Digest username="ada", response="{}"'
    credentials.learn(RecordedRequest("GET", "https://host/", (("x-api-key", KEY),), b""))
    for number in range(200):
        headers = (("authorization", signed.format(f"a1b2c3d4{number:03}")),)
        credentials.learn(RecordedRequest("GET", "https://host/", headers, b""))
    secrets = credentials.secrets()
    assert secrets.replace(f"{KEY} a1b2c3d4000 a1b2c3d4199") == "REDACTED a1b2c3d4000 REDACTED"


tokens = st.text(st.sampled_from("abcXYZ019._~+/-"), min_size=12, max_size=40).filter(
    lambda text: any(map(str.isdigit, text)) and any(map(str.isalpha, text)) and ".." not in text
)


@given(key=tokens, form=st.sampled_from([text for _, text in HEADERS.values() if "basic" not in text]), name=st.data())
def test_any_credential_is_learned_from_any_header(key: str, form: str, name: Any) -> None:
    headers = sorted({header for header, text in HEADERS.values() if text == form})
    credentials = Credentials({})
    request = RecordedRequest("GET", "https://host/", ((name.draw(st.sampled_from(headers)), form.format(key)),), b"")
    credentials.learn(request)
    assert key not in credentials.secrets().replace(f"You sent {key} to us.")


@given(name=st.sampled_from(["authorization", "cookie", "x-api-key"]), value=st.text(max_size=200))
def test_no_header_breaks_it(name: str, value: str) -> None:
    Credentials({}).learn(RecordedRequest("GET", "https://host/", ((name, value),), value.encode()))


@pytest.mark.parametrize("encoding", ["snappy", "aws-chunked"])
def test_a_body_in_an_unknown_encoding_teaches_nothing_and_is_refused_only_where_it_is_kept(encoding: str) -> None:
    credentials = Credentials({})
    headers = (("authorization", f"Bearer {KEY}"), ("content-encoding", encoding))
    request = RecordedRequest("PUT", "https://host/", headers, f'{{"password": "{OTHER_KEY}"}}'.encode())
    credentials.learn(request)
    assert credentials.secrets().replace(f"{KEY} {OTHER_KEY}") == f"REDACTED {OTHER_KEY}"
    with pytest.raises(CassetteError, match=f"unknown encoding '{encoding}'"):
        scrub_request(request, credentials.secrets())


def test_addresses_in_parameters_are_read_to_a_depth_that_no_address_exceeds() -> None:
    Credentials({}).learn(RecordedRequest("GET", "https://host/?" + "u=?" * 3000, (), b""))


@pytest.mark.parametrize("host", ["[tenant].test", "[", "ho]st", "h\u2100st"])
def test_what_is_no_address_and_stands_in_a_parameter_is_read_like_one(host: str) -> None:
    credentials = Credentials({})
    inner = f"https://{host}/cb;access_token={OTHER_KEY}?api_key={KEY}"
    credentials.learn(RecordedRequest("GET", f"https://host/?redirect={quote(inner, safe='')}", (), b""))
    assert credentials.secrets().replace(f"{KEY} {OTHER_KEY}") == "REDACTED REDACTED"
