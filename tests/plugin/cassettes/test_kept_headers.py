"""Which headers of a response a cassette keeps, and what of them."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.cassettes.recorded import Headers, Interaction, RecordedRequest, RecordedResponse, Truncation
from pytest_templates.cassettes.scrubbing.scrub import scrub
from pytest_templates.redaction.secrets import Secrets, Source

SECRET = "kX3fZq9aB7-0123456789"
SECRETS = Secrets({SECRET: Source("the key")})


def response_of(headers: Headers, body: bytes = b"", **more: Any) -> RecordedResponse:
    response = RecordedResponse(200, "", headers, body, **more)
    return scrub(Interaction(None, None, RecordedRequest("GET", "u", (), b""), response), SECRETS).response


def kept(name: str, value: str) -> str | None:
    """What is kept of a header; ``None`` for nothing."""
    return dict(response_of(((name, value),)).headers).get(name)


@pytest.mark.parametrize(
    "name",
    [
        *("link", "location", "operation-location", "retry-after", "retry-after-ms", "x-should-retry", "etag"),
        *("x-request-id", "request-id", "x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-reset"),
        *("openai-poll-after-ms", "openai-processing-ms", "www-authenticate", "proxy-authenticate", "allow"),
        *("x-goog-upload-status", "x-goog-upload-chunk-granularity", "x-amzn-bedrock-output-token-count"),
        *("x-total-count", "content-disposition", "content-range", "accept-ranges", "last-modified", "cache-control"),
        *("x-next-page", "x-ms-continuation-token", "x-next-page-token", "mcp-session-id", "idempotency-key"),
    ],
)
def test_what_a_program_may_steer_by_is_kept(name: str) -> None:
    assert kept(name, "some value 1") == "some value 1"


@pytest.mark.parametrize(
    "name",
    [
        *("date", "server", "connection", "keep-alive", "transfer-encoding", "content-encoding", "via", "age", "vary"),
        *("cf-ray", "cf-cache-status", "alt-svc", "strict-transport-security", "x-envoy-upstream-service-time"),
        *("server-timing", "nel", "report-to", "access-control-expose-headers", "x-content-type-options"),
        *("openai-organization", "openai-project", "anthropic-organization-id", "authentication-info"),
    ],
)
def test_what_changes_without_a_meaning_is_left_out(name: str) -> None:
    assert kept(name, "some value 1") is None


@pytest.mark.parametrize("name", ["authorization", "x-auth-token", "x-subject-token", "x-api-key", "x-client-secret"])
def test_the_value_of_a_credential_is_replaced(name: str) -> None:
    assert kept(name, "some value 1") == "REDACTED"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("x-echo", f"you sent {SECRET}", "you sent REDACTED"),
        ("x-echo", "Bearer sk-proj-0123456789abcdefghij", "Bearer REDACTED"),
        ("location", f"/next?page=2&api_key={SECRET}", "/next?page=2&api_key=REDACTED"),
        ("x-goog-upload-url", "https://me:pw1234@host/up?upload_id=1", "https://REDACTED@host/up?upload_id=1"),
        (
            "link",
            '</m?token=a1b2c3d4e5>; rel="next", </m>; rel="first"',
            '</m?token=REDACTED>; rel="next", </m>; rel="first"',
        ),
        ("x-where", "see https://h/a?sig=abc123def456&x=1 now", "see https://h/a?sig=REDACTED&x=1 now"),
        ("x-token-usage-token", "12345678", "12345678"),
    ],
)
def test_what_is_secret_in_a_value_is_replaced(name: str, value: str, expected: str) -> None:
    assert kept(name, value) == expected


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("session=abc; Path=/; HttpOnly", "session=REDACTED; Path=/; HttpOnly"),
        ('quoted="a b"; Secure', "quoted=REDACTED; Secure"),
        ("a=b; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/", "a=REDACTED; Path=/"),
        ("a=b; expires=Wed, 21-Oct-2099 07:28:00 GMT; Max-Age=60", "a=REDACTED; Max-Age=60"),
        ("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        ("a=b; Expires=whenever", "a=REDACTED; Expires=whenever"),
        ("__cf_bm=abc; path=/", None),
        ("AWSALB=abc; path=/", None),
        ("no name", None),
    ],
)
def test_a_cookie_stays_without_its_value(cookie: str, expected: str | None) -> None:
    assert kept("set-cookie", cookie) == expected


def test_a_cookie_of_an_old_answer_had_not_expired_when_that_came() -> None:
    headers = (("date", "Tue, 20 Oct 2015 07:28:00 GMT"), ("set-cookie", "a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT"))
    assert response_of(headers).headers == (("set-cookie", "a=REDACTED"),)


def test_headers_that_come_twice_stay_two() -> None:
    headers = (("warning", "one"), ("set-cookie", "a=1"), ("warning", "two"), ("set-cookie", "b=2"))
    expected = (("warning", "one"), ("set-cookie", "a=REDACTED"), ("warning", "two"), ("set-cookie", "b=REDACTED"))
    assert response_of(headers).headers == expected


LENGTH = ("content-length", "8")
CHECKSUM = ("content-md5", "abc")


@pytest.mark.parametrize(
    ("headers", "body", "more", "expected"),
    [
        ((LENGTH, CHECKSUM), b"12345678", {}, (LENGTH, CHECKSUM)),
        ((LENGTH, CHECKSUM), b"", {}, (LENGTH, CHECKSUM)),
        ((LENGTH, CHECKSUM), SECRET.encode(), {}, (LENGTH,)),
        ((LENGTH,), b"123", {"cut": Truncation(0.1, "client")}, (LENGTH,)),
        ((LENGTH, CHECKSUM, ("content-encoding", "gzip")), gzip.compress(b"12345678"), {}, (LENGTH,)),
    ],
    ids=["as it came", "of another", "scrubbed", "cut short", "decoded"],
)
def test_what_is_said_of_the_body_is_true_of_the_one_that_is_kept(
    headers: Headers, body: bytes, more: Any, expected: Headers
) -> None:
    assert response_of(headers, body, **more).headers == expected


names = st.sampled_from(["link", "location", "set-cookie", "x-any", "x-a-token", "content-length", "etag", "date"])
values = st.lists(st.sampled_from(["a", SECRET, "=", ";", "<", ">", "?token=", "&", "https://h/", " ", "é", "1"])).map(
    "".join
)


@given(st.lists(st.tuples(names, values)).map(tuple))
def test_no_header_holds_a_secret_and_scrubbing_again_changes_nothing(headers: Headers) -> None:
    once = response_of(headers, b"body")
    assert SECRET not in str(once.headers)
    assert response_of(once.headers, once.body) == once
