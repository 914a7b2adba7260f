"""Which names mark a secret, which values look like one, and which names hold one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_templates.redaction.names import refuse_secret_name
from pytest_templates.redaction.policy import (
    Certainty,
    certainty_of,
    has_letter_and_digit,
    is_credential_header,
    is_name_member,
    is_secret_header,
    is_secret_member,
    is_secret_pair,
    is_secret_parameter,
    is_value_member,
    looks_random,
)

ANY, VAGUE, GENERIC = Certainty.ANY, Certainty.VAGUE, Certainty.GENERIC
CERTAINTIES = {
    ANY: [
        *("password", "Password", "PASSWORD", "passwords", "dbPassword", "db_password_2", "db2-password", "passwd"),
        *("apiKey", "API_KEY", "x-api-key", "apikey", "api_keys", "api_key_value", "api_key_base64", "api_key_v2"),
        *("accessToken", "access_token_b64", "clientSecret", "secret_string", "connectionString", "pass_phrase"),
        *("client_assertion", "code_verifier", "device_code", "passphrase", "pass2word", "api_key_value_pem_hash"),
        *("PGPASSWORD", "csrfmiddlewaretoken"),
    ],
    VAGUE: [
        "secret",
        "secrets",
        "my_secret",
        "pwd",
        "pass",
        "authorization",
        "credential",
        "credentials",
        "cookie",
        "secret_value",
    ],
    GENERIC: [
        *("token", "jwt", "code", "session", "bearer", "auth", "oauth", "pat", "my_token", "key1", "primary_key"),
        *("token_value", "code_v2", "sas_key", "recovery_key", "license_key", "app_key", "appKey", "hapikey"),
        *("registrationKey", "AZURE_OPENAI_KEY"),
    ],
    None: [
        *("", "key", "tokens", "max_tokens", "api_tokens", "page_token", "next_token", "error_code", "status_code"),
        *("value", "name", "v2", "value2", "pem", "2", "my_key", "public_key", "lock_token", "postal_code", "class"),
        *("access", "api", "passes", "v", "address", "monkey", "keyboard"),
    ],
}


@pytest.mark.parametrize(
    ("name", "certainty"), [(name, certainty) for certainty, names in CERTAINTIES.items() for name in names]
)
def test_a_name_says_how_sure_it_is(name: str, certainty: Certainty | None) -> None:
    assert certainty_of(name) is certainty
    assert is_secret_member(name) is (certainty is ANY)


@pytest.mark.parametrize(("between", "is_one"), [(94, True), (95, False)])
def test_of_a_long_name_the_last_hundred_characters_count(between: int, is_one: bool) -> None:
    assert is_secret_member("api" + "_" * between + "key") is is_one
    assert is_secret_member("x" * 200 + "_api_key")


@pytest.mark.parametrize(
    ("name", "is_secret", "is_credential"),
    [
        ("authorization", True, True),
        ("Proxy-Authorization", True, True),
        ("set-cookie", True, True),
        ("x-api-key", True, True),
        ("private-token", True, True),
        ("x-anything-secret", True, True),
        ("x-auth", True, True),
        ("x-password", True, True),
        ("x-other-key", True, True),
        ("x-other-token", True, True),
        ("x-jwt", True, True),
        ("key", False, True),
        ("x-signature", False, True),
        ("session", False, True),
        ("bearer", False, True),
        ("x-pass", False, True),
        ("token", True, True),
        ("idempotency-key", False, False),
        ("cache-key", False, False),
        ("sec-websocket-key", False, False),
        ("x-next-page-token", False, False),
        ("x-continuation-token", False, False),
        ("x-code", False, False),
        ("content-type", False, False),
        ("", False, False),
    ],
)
def test_a_header_is_known_by_its_name(name: str, is_secret: bool, is_credential: bool) -> None:
    assert is_secret_header(name) is is_secret
    assert is_credential_header(name) is is_credential


@pytest.mark.parametrize("name", ["name", "env_name", "Key", "headerName", "names_of_variable", "parameter", "field"])
def test_a_member_that_names_the_one_beside_it_ends_in_a_word_for_that(name: str) -> None:
    assert is_name_member(name)
    assert not is_value_member(name)


@pytest.mark.parametrize("name", ["", "names", "name_of_it", "value", "1"])
def test_other_members_name_nothing(name: str) -> None:
    assert not is_name_member(name)


def test_what_is_named_is_the_value() -> None:
    assert [is_value_member(name) for name in ("value", "stringValue", "VALUE", "values", "value_of", "")] == [
        *(True, True, True, False, False, False),
    ]


@pytest.mark.parametrize(
    ("value", "is_random"),
    [
        ("aB3" * 6 + "xQ", True),  # twenty characters
        ("aB3" * 6 + "x", False),
        ("aB3" * 5 + "q" + "-...", True),  # a row of sixteen letters and digits
        ("aB3-" * 2 + "a-" + "." * 10, True),  # five letters stand alone
        ("aB3-" * 2 + "." * 12, False),
        ("ab3-" * 2 + "a-b-c-" + "." * 6, False),  # in one case
        ("0kLJ8X-PqT4vZ_m1Yd-W7gAe_Rb3sN-x5UcQ_h2Fi", True),
        ("Qwen2.5-Coder-32B-Instruct-Q4_K_M.gguf", False),
        ("attributes.k8s_attributes.K8S_NODE_NAME", False),
        ("aB3" * 6 + "x Q", False),
        ("abcdefghijklmnopqrstuvwx", False),
        ("123456789012345678901234", False),
        ("word1" * 5, False),  # no letter stands alone
        ("claude20241022sonnetlarge", False),
        ("3f2a6b1c-9d4e-4f5a-8b7c-0123456789ab", False),
        ("8f14e45fceea167a5a36dedd4bea2543", True),
    ],
)
def test_a_long_row_of_letters_and_digits_that_are_no_words_looks_random(value: str, is_random: bool) -> None:
    assert looks_random(value) is is_random


def test_letters_and_digits_of_all_alphabets_count() -> None:
    assert [has_letter_and_digit(text) for text in ("a1", "é٣", "a", "1", "", "-")] == [True, True, *[False] * 4]


RANDOM = "8f14e45fceea167a5a36dedd4bea2543"


@pytest.mark.parametrize("name", ["key", "TOKEN", "x-amz-signature", "Pass", "api_key", "password"])
def test_a_parameter_is_secret_by_its_name_alone(name: str) -> None:
    assert is_secret_parameter(name)
    assert is_secret_pair(name, "plain")


@pytest.mark.parametrize(
    "name", ["sid", "SID", "ticket", "code", "session", "sessionid", "JSESSIONID", "app_key", "appid"]
)
def test_a_parameter_that_may_be_harmless_is_secret_where_its_value_looks_random(name: str) -> None:
    assert not is_secret_parameter(name)
    assert is_secret_pair(name, RANDOM)
    assert not is_secret_pair(name, "plain")


@pytest.mark.parametrize("name", ["otp", "pin", "user_pin", "mfa_code", "2fa_code", "verificationCode"])
def test_a_parameter_that_people_type_to_log_in_is_secret_where_it_is_digits(name: str) -> None:
    assert all(is_secret_pair(name, digits) for digits in ("4711", "482913", "482 913", "4829131234"))
    assert not any(is_secret_pair(name, other) for other in ("471", "48291312345", "a4711", "27.1", "", RANDOM))


@pytest.mark.parametrize("name", ["q", "page_token", "id", "session_id", "sessionId", "mcp-session-id"])
def test_other_parameters_are_not_secret_whatever_their_value(name: str) -> None:
    assert not is_secret_pair(name, RANDOM)


def test_a_test_whose_name_holds_a_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_KEY", "kX3fZq9aB7")
    named, other = (cast("Any", SimpleNamespace(nodeid=f"test_it.py::test_it[{part}]")) for part in ("kX3fZq9aB7", "a"))

    refuse_secret_name(other, "nobody may see it")
    with pytest.raises(pytest.Collector.CollectError, match=r"test_it\[REDACTED\]: .* SITE_KEY, and nobody may"):
        refuse_secret_name(named, "nobody may see it")
