"""How long, how near and how many: what is just a secret is replaced, and what is just none stays."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

import pytest

from pytest_templates.redaction.key_patterns import KEY_PATTERNS
from pytest_templates.redaction.secrets import Secrets, Source, secrets_of, values_of
from pytest_templates.redaction.windows import OVERLAP, WINDOW

NONE = secrets_of({})


def some(length: int) -> str:
    """Digits and letters, as many as that, which may stand in any key."""
    return ("1a" * length)[:length]


def capitals(length: int) -> str:
    return some(length).upper()


SHORTEST = {  # by what a key starts with: the least that has to follow
    "sk-ant-": some(16),
    **dict.fromkeys(["sk-or-v1-", "sk-", "gsk_", "xai-", "hf_", "api_org_", "r8_", "pplx-", "fw_", "csk-"], some(20)),
    **dict.fromkeys(["sk-lf-", "pk-lf-"], f"{some(8)}-{some(20)}"),
    **dict.fromkeys(["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-", "sk-helicone-"], some(16)),
    "AIzaSy": some(25),
    **dict.fromkeys(["ya29.", "1//0", "GOCSPX-", "nvapi-", "lsv2_pt_", "lsv2_sk_"], some(20)),
    **dict.fromkeys(["AKIA", "ASIA", "ABIA", "ACCA"], capitals(16)),
    **dict.fromkeys(["IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz"], some(40)),
    **dict.fromkeys(["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"], some(30)),
    **dict.fromkeys(["xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"], some(10)),
    **dict.fromkeys(["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"], some(10)),
    "ek_": some(24),
    "sk_": some(40),
    "AQ.Ab": some(30),
    "ABSK": some(80),
    **dict.fromkeys(["bedrock-api-key-", "tgp_v1_", "tvly-", "llx-", "pylf_v1_", "sb_secret_", "sbp_"], some(20)),
    **dict.fromkeys(["fc-", "dapi", "SK", "e2b_"], some(32)),
    **dict.fromkeys(["jina_", "pcsk_", "figd_", "HRKU-", "lin_api_", "lin_oauth_", "ntn_", "npm_"], some(30)),
    **dict.fromkeys(["ATATT3", "ATCTT3"], some(60)),
    **dict.fromkeys(["doo_v1_", "dop_v1_", "dor_v1_", "rubygems_", "pul-"], some(40)),
    **dict.fromkeys(["dckr_pat_", "dckr_oat_", "xoxe.xox", "sq0atp-", "sq0csp-", "hvs.", "hvb."], some(20)),
    **dict.fromkeys(["dp.pt.", "dp.st.", "dp.ct."], some(30)),
    "dt0c01.": f"{some(20)}.{some(40)}",
    **dict.fromkeys(["fo1_", "pypi-AgE", "sha256~"], some(40)),
    **dict.fromkeys(["fm1a_", "fm1r_", "fm2_"], some(60)),
    **dict.fromkeys(
        [
            *("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "gloas-", "glsoat-"),
            "glffct-",
        ],
        some(20),
    ),
    **dict.fromkeys(["glc_", "glsa_"], some(32)),
    **dict.fromkeys(["pscale_tkn_", "pscale_oauth_", "pscale_pw_"], some(30)),
    "PMAK-": f"{some(24)}-{some(34)}",
    "SG.": f"{some(16)}.{some(30)}",
    **dict.fromkeys(["xkeysib-", "xsmtpsib-"], f"{some(60)}-{some(10)}"),
    **dict.fromkeys(["sntrys_", "sntryu_"], some(40)),
    **dict.fromkeys(["shpat_", "shpca_", "shppa_", "shpss_"], some(30)),
    "hooks.slack.com/": f"services/{some(40)}",
    **dict.fromkeys(["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"], f"{'1' * 18}/{some(60)}"),
    "bot": f"{'1' * 8}:{some(35)}",
    "ops_eyJ": some(100),
    "AGE-SECRET-KEY-1": capitals(50),
    "LTAI": some(16),
    "eyJ": f"{some(10)}.eyJ{some(10)}.{some(10)}",
    **dict.fromkeys(["Bearer ", "bearer "], some(16)),
    **dict.fromkeys(["Basic ", "basic "], f"{some(11)}A"),
    "-----BEGIN ": f"PRIVATE KEY-----\n{some(20)}",
}
STARTS = [start for key in KEY_PATTERNS for start in key.starts]


def test_of_every_key_it_is_said_what_is_the_shortest() -> None:
    assert sorted(SHORTEST) == sorted(STARTS)


@pytest.mark.parametrize("start", STARTS)
def test_a_key_that_is_long_enough_is_replaced_and_a_shorter_one_stays(start: str) -> None:
    key = start + SHORTEST[start]

    for text in (f"It is {key}", f"It is {key}, so far", f'{{"key": "{key}"}}'):
        assert "REDACTED" in NONE.replace(text)
        assert key not in NONE.replace(text)
    assert NONE.replace(f"It is {key[:-1]} so far") == f"It is {key[:-1]} so far"


@pytest.mark.parametrize("start", ["AKIA", "fc-", "dapi", "SK"])
def test_a_key_of_a_fixed_length_is_none_where_it_goes_on(start: str) -> None:
    text = f"It is {start}{SHORTEST[start]}{SHORTEST[start][-1]}."
    assert NONE.replace(text) == text


PARTS = {  # of keys in several parts: the first one shorter and longer than it may be
    "sk-lf-": [f"{some(7)}-{some(20)}", f"{some(9)}-{some(20)}"],
    "dt0c01.": [f"{some(19)}.{some(40)}"],
    "SG.": [f"{some(15)}.{some(30)}"],
    "PMAK-": [f"{some(23)}-{some(34)}", f"{some(25)}-{some(34)}"],
    "xkeysib-": [f"{some(59)}-{some(10)}"],
    "eyJ": [f"{some(9)}.eyJ{some(10)}.{some(10)}", f"{some(10)}.eyJ{some(9)}.{some(10)}"],
    "bot": [f"{'1' * 7}:{some(35)}", f"{'1' * 11}:{some(35)}"],
    "hf_": ["a" * 29],
    "-----BEGIN ": [f"PRIVATE KEY-----\nKey: {'a' * 101}\n{some(20)}"],
}


@pytest.mark.parametrize(("start", "rest"), [(start, rest) for start, rests in PARTS.items() for rest in rests])
def test_a_part_of_a_key_that_is_too_short_or_too_long_makes_it_none(start: str, rest: str) -> None:
    assert NONE.replace(f"It is {start}{rest}.") == f"It is {start}{rest}."


LONGEST = {
    "bot": ["1" * 10 + ":" + some(35)],
    "hf_": ["a" * 30],
    "sk-ant-": ["api03-" + some(16), "a" + some(15)],
    "dapi": [f"{some(32)}-1"],
    "ABSK": [some(80) + "=="],
    "Basic ": [f"{some(11)}A=="],
    "xai-": ["a" * 200 + "1"],
    "Bearer ": ["a" * 200 + "1"],
    "basic ": ["A" + "a" * 199 + "1", "1" * 200 + "A"],
    "-----BEGIN ": [f"PRIVATE KEY-----\nKey: {'a' * 100}\n{some(20)}"],
}


@pytest.mark.parametrize(("start", "rest"), [(start, rest) for start, rests in LONGEST.items() for rest in rests])
def test_a_key_with_all_that_may_be_in_it_is_replaced_as_a_whole(start: str, rest: str) -> None:
    kept = NONE.replace(f"It is {start}{rest} so far")
    assert rest not in kept
    assert kept.endswith("REDACTED so far")


@pytest.mark.parametrize(
    "text", [f"xai-{'a' * 201}1", f"Bearer {'a' * 201}1", f"Basic A{'a' * 200}1", f"Basic {'1' * 201}A"]
)
def test_a_digit_or_a_capital_that_comes_late_makes_no_key(text: str) -> None:
    assert NONE.replace(text) == text


def test_what_follows_a_fixed_key_of_databricks_is_one_digit() -> None:
    text = f"dapi{some(32)}-12"
    assert NONE.replace(text) == text


KEY = "AKIA" + capitals(16)
LINE = 60 * "A"


@pytest.mark.parametrize(
    ("before", "is_key"),
    [
        ("A" * 15 + "/", False),
        ("A" * 14 + "/", True),
        ("x " + "A" * 15 + "/", False),
        ("x " + "A" * 14 + "/", True),
        ("AAAaaaaaaa//////", False),  # three of ten letters are capitals
        ("AAaaaaaaaa//////", True),
        ("AAaaaaa/////////", True),  # two of seven
        ("a" * 15 + "/", True),
        ("1" * 15 + "+", False),
        (f"{LINE}\n", False),
        (f"{LINE[1:]}\n", True),
        (f"{LINE}\\n", False),
        (f"{LINE}\r\n  ", False),
        (f"{LINE}\n" + " " * 99, False),
        (f"{LINE}\n" + " " * 100, True),
        (f"{LINE}\n\n", True),
    ],
)
def test_what_stands_behind_a_long_row_of_base64_is_no_key(before: str, is_key: bool) -> None:
    assert NONE.replace(before + KEY) == before + ("REDACTED" if is_key else KEY)
    assert NONE.replace(f"{before}sk-proj-{some(20)}").endswith("REDACTED")  # has a hyphen, as base64 has not


def pem(line: int, last: int, end: str = "\n-----END PRIVATE KEY-----") -> str:
    return f"-----BEGIN PRIVATE KEY-----\n{some(line)}\n{some(last)}{end}"


@pytest.mark.parametrize("last", [1, 19, 20, 64])
def test_the_last_line_of_a_private_key_may_be_short(last: int) -> None:
    for text in (pem(64, last), pem(64, last).replace("\n", "\\n"), pem(64, last, "")):
        assert NONE.replace(f"x {text}") == "x REDACTED"


@pytest.mark.parametrize(
    ("kind", "is_one"), [("A B C D ", True), ("A B C D E ", False), ("", True), ("PGP ", True), ("pgp ", False)]
)
def test_the_kind_of_a_private_key_has_up_to_four_words(kind: str, is_one: bool) -> None:
    text = f"-----BEGIN {kind}PRIVATE KEY-----\n{some(64)}\n-----END {kind}PRIVATE KEY-----"
    assert NONE.replace(text) == ("REDACTED" if is_one else text)


@pytest.mark.parametrize("count", [0, 10, 11])
@pytest.mark.parametrize(("name", "is_name"), [("a", True), ("a-" * 20, True), ("", False), ("a-" * 20 + "a", False)])
def test_a_private_key_may_have_ten_headers(count: int, name: str, is_name: bool) -> None:
    text = "-----BEGIN PRIVATE KEY-----\n" + f"{name}: x\n" * count + f"{some(64)}\n-----END PRIVATE KEY-----"
    assert NONE.replace(text) == ("REDACTED" if count == 0 or (is_name and count == 10) else text)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?token=12345678ab", "?token=REDACTED"),
        ("?token=1234567ab", "?token=1234567ab"),
        ("?token=1234567890", "?token=1234567890"),
        ("?token=abcdefghij", "?token=abcdefghij"),
        (f"?{'a' * 52}_password=b", f"?{'a' * 52}_password=REDACTED"),
        (f"?{'a' * 53}_password=b", f"?{'a' * 53}_password=b"),
        ("?password=a...b!!!c", "?password=REDACTED"),
        ("?password=a....b", "?password=REDACTED....b"),
        ("?password=", "?password="),
        ("?a=1&password=b&c=2", "?a=1&password=REDACTED&c=2"),
        ("?sig=12345678ab&se=1 and ?se=1", "?sig=REDACTED&se=REDACTED and ?se=1"),
        ("?se=1 and ?sig=12345678ab&se=1", "?se=1 and ?sig=REDACTED&se=REDACTED"),
        ("?sig=x&se=1", "?sig=x&se=REDACTED"),
        ("?sig=12345678ab&x=1&se=1", "?sig=REDACTED&x=1&se=REDACTED"),
        ("?sig=&se=1", "?sig=&se=REDACTED"),
    ],
)
def test_parameters_are_replaced_up_to_their_limits(query: str, kept: str) -> None:
    assert NONE.replace(query) == kept
    assert NONE.replace(f"https://host/{query}") == f"https://host/{kept}"


@pytest.mark.parametrize(
    ("user", "password", "is_one"),
    [
        ("u" * 200, "hunter2", True),
        ("u" * 201, "hunter2", False),
        ("", "hunter2", True),
        ("u", "p" * 1000, True),
        ("u", "p" * 1001, False),
        ("u", "h", True),
        ("u", "", False),
        ("u", "x", False),
        ("u", "hunter2/", False),
    ],
)
def test_a_user_and_a_password_have_their_limits(user: str, password: str, is_one: bool) -> None:
    text = f"See http://{user}:{password}@host and http://other"
    assert NONE.replace(text) == (text.replace(f":{password}@", ":REDACTED@") if is_one else text)


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [
        ("abcdefg", False),
        ("abcdefgh", True),
        ("  abcdefg  ", False),
        ("Password", False),
        ("redacted", False),
        ("REDACTED", False),
        ("REDACTED1", True),
        ("~nobody-of-this-name/x", True),
        ("/" + "x" * 5000, True),
        ("/a\0bcdefgh", True),
        ("http://host", False),
        ("http://host/a", True),
    ],
)
def test_a_value_of_the_environment_is_secret_from_eight_characters_on(value: str, is_secret: bool) -> None:
    assert list(values_of({"A_KEY": value})) == ([value.strip()] if is_secret else [])


ONE, OTHER = "kX3fZq9aB7", "Q2m5wQ2m5w"
BOTH = Secrets({ONE: Source("one"), OTHER: Source("other")})


def test_what_stands_side_by_side_is_two_and_what_overlaps_is_one() -> None:
    assert BOTH.replace(ONE + OTHER) == "REDACTEDREDACTED"
    assert BOTH.replace(f"{ONE} {OTHER}") == "REDACTED REDACTED"
    overlapping = Secrets({"abcdefgh12": Source("one"), "12ijklmnop": Source("other")})
    assert overlapping.replace("abcdefgh12ijklmnop") == "REDACTED"
    assert overlapping.replace("x abcdefgh12ijklmnop y") == "x REDACTED y"
    assert [(leak.what, leak.line) for leak in overlapping.find_all("abcdefgh12ijklmnop")] == [("one", 1)]
    within = Secrets({"abcdefghijklmnop": Source("long"), "efghijkl": Source("short")})
    assert within.replace("x abcdefghijklmnop y") == "x REDACTED y"


def test_an_address_without_a_scheme_is_one() -> None:
    assert NONE.replace("://ada:hunter2@host") == "://ada:REDACTED@host"


def test_leaks_are_named_with_their_lines_in_their_order() -> None:
    assert [leak.line for leak in BOTH.find_all(f"\n{ONE}")] == [2]
    text = f"{ONE}\n\n{OTHER} {ONE}\n{OTHER}"
    assert [(leak.what, leak.line) for leak in BOTH.find_all(text)] == [
        *(("one", 1), ("other", 3), ("one", 3), ("other", 4)),
    ]
    assert BOTH.find("nothing") is None


def test_a_value_is_replaced_wherever_it_is_in_plain_data() -> None:
    data = {ONE: [ONE, (OTHER, 1)], "n": None, "deep": {"x": f"a {OTHER}"}}
    assert BOTH.replace_in(data) == {"REDACTED": ["REDACTED", ["REDACTED", 1]], "n": None, "deep": {"x": "a REDACTED"}}


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("length", range(8, 14))
def test_a_value_in_base64_is_replaced_with_what_it_shares_with_its_neighbours_alone(length: int, encode: Any) -> None:
    value = "?>~\xffkX3fZq9aB7"[:length]
    secrets = Secrets({value: Source("it")})
    for before, after in itertools.product([b"", b"x", b"xy", b"xyz", b"wxyz"], [b"", b"x", b"xy", b"xyz"]):
        text = encode(before + value.encode() + after).decode()
        until = len(before) + len(value.encode())
        first, last = (
            number // 3 * 4 + (0, shared, shared + 1)[number % 3] for number, shared in ((len(before), 1), (until, 2))
        )

        assert secrets.replace(f"<{text}>") == f"<{text[:first]}REDACTED{text[last:].lstrip('=')}>"


def test_a_key_with_lines_is_found_line_by_line_from_32_characters_on() -> None:
    lines = [some(31), some(32).upper(), "+" * 33]
    secrets = Secrets({"\n".join(lines): Source("it")})

    assert secrets.replace(f"> {lines[0]}\n> {lines[1]}\n> {lines[2]}") == f"> {lines[0]}\n> REDACTED\n> REDACTED"
    assert Secrets({some(40): Source("it")}).find(some(32)) is None


@pytest.mark.parametrize(
    "value", ['a "quoted" key', "a\\b\\c\\d\\e", "a/b/c/d/e", "tab\tand\rline\nend", "Zoë \U0001f40e key"]
)
def test_a_value_is_found_behind_escapes_as_deep_as_they_come(value: str) -> None:
    secrets, text = Secrets({value: Source("it")}), value
    for _ in range(4):
        assert secrets.replace(f"x {text} y") == "x REDACTED y"
        text = json.dumps(text)[1:-1]


@pytest.mark.parametrize("offset", [-9, -2, -1, 0, 1, 9])
def test_a_secret_in_a_long_text_is_found_once_wherever_it_stands(offset: int) -> None:
    place = WINDOW + OVERLAP + offset
    text = " " * place + ONE + " " * (2 * OVERLAP)
    assert [span[:2] for span in BOTH.spans(text)] == [(place, place + len(ONE))]
