"""Keys of known providers. They are put together here: no file of the project holds anything that looks like one."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_templates.redaction.key_patterns import KEY_PATTERNS, KeyPattern
from pytest_templates.redaction.secrets import secrets_of

NONE = secrets_of({})
WORD = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def some(alphabet: str, length: int) -> str:
    return "".join(random.Random(f"{alphabet}{length}").choices(alphabet, k=length))


def pem(kind: str, newline: str = "\n") -> str:
    lines = [some(WORD + "+/", 64) for _ in range(5)]
    return newline.join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, "abc=", f"-----END {kind}PRIVATE KEY-----"])


KEYS = {
    "openai": "sk-" + some(WORD, 20) + "T3BlbkFJ" + some(WORD, 20),
    "openai project": "sk-proj-" + some(WORD + "-_", 74) + "T3BlbkFJ" + some(WORD + "-_", 74),
    "openai service account": "sk-svcacct-" + some(WORD + "-_", 120),
    "openai admin": "sk-admin-" + some(WORD + "-_", 120),
    "anthropic": "sk-ant-api03-" + some(WORD + "-_", 93) + "AA",
    "anthropic admin": "sk-ant-admin01-" + some(WORD + "-_", 93) + "AA",
    "anthropic oauth": "sk-ant-oat01-" + some(WORD + "-_", 95),
    "openrouter": "sk-or-v1-" + some(HEX, 64),
    "deepseek": "sk-" + some(HEX, 32),
    "google": "AIzaSy" + some(WORD + "-_", 33),
    "google oauth": "ya29." + some(WORD + "-_", 160),
    "google refresh": "1//0" + some(WORD + "-_", 98),
    "google client secret": "GOCSPX-" + some(WORD + "-_", 28),
    "groq": "gsk_" + some(WORD, 52),
    "xai": "xai-" + some(WORD, 80),
    "hugging face": "hf_" + some(string.ascii_letters, 34),
    "replicate": "r8_" + some(WORD, 37),
    "perplexity": "pplx-" + some(WORD, 48),
    "fireworks": "fw_" + some(WORD, 24),
    "cerebras": "csk-" + some(string.ascii_lowercase + string.digits, 48),
    "nvidia": "nvapi-" + some(WORD + "-_", 64),
    "aws": "AKIA" + some(string.ascii_uppercase + "234567", 16),
    "aws temporary": "ASIA" + some(string.ascii_uppercase + "234567", 16),
    "aws session": "IQoJb3JpZ2luX2Vj" + some(WORD + "+/", 400) + "==",
    "github": "ghp_" + some(WORD, 36),
    "github app": "ghs_" + some(WORD, 36),
    "github fine-grained": "github_pat_" + some(WORD, 22) + "_" + some(WORD, 59),
    "slack bot": "xoxb-" + some(string.digits, 12) + "-" + some(string.digits, 12) + "-" + some(WORD, 24),
    "stripe": "sk_live_" + some(WORD, 24),
    "stripe webhook": "whsec_" + some(WORD, 32),
    "langfuse": "sk-lf-" + "-".join(some(HEX, length) for length in (8, 4, 4, 4, 12)),
    "langfuse public": "pk-lf-" + "-".join(some(HEX, length) for length in (8, 4, 4, 4, 12)),
    "langsmith": "lsv2_pt_" + some(HEX, 32) + "_" + some(HEX, 10),
    "jwt": "eyJ" + some(WORD, 33) + ".eyJ" + some(WORD, 60) + "." + some(WORD + "-_", 43),
    "openai client secret": "ek_" + some(HEX, 32),
    "helicone": "sk-helicone-" + some(WORD + "-", 32),
    "elevenlabs": "sk_" + some(HEX, 48),
    "google, new": "AQ.Ab" + some(WORD + "-_", 48),
    "bedrock": "ABSK" + some(WORD + "+/", 128) + "=",
    "bedrock, short-lived": "bedrock-api-key-" + some(WORD + "+/", 200),
    "together": "tgp_v1_" + some(WORD + "-_", 43),
    "tavily": "tvly-dev-" + some(WORD, 32),
    "firecrawl": "fc-" + some(HEX, 32),
    "jina": "jina_" + some(WORD + "-_", 60),
    "pinecone": "pcsk_" + some(WORD, 6) + "_" + some(WORD, 63),
    "llamacloud": "llx-" + some(WORD, 48),
    "e2b": "e2b_" + some(HEX, 40),
    "logfire": "pylf_v1_us_" + some(WORD, 44),
    "supabase": "sb_secret_" + some(WORD + "-_", 31),
    "atlassian": "ATATT3xFfGF0" + some(WORD + "-_", 176) + "=" + some(WORD, 8),
    "digitalocean": "dop_v1_" + some(HEX, 64),
    "databricks": "dapi" + some(HEX, 32),
    "docker": "dckr_pat_" + some(WORD + "-_", 27),
    "doppler": "dp.pt." + some(WORD, 43),
    "dynatrace": "dt0c01." + some(WORD, 24) + "." + some(WORD, 64),
    "figma": "figd_" + some(WORD + "-_", 40),
    "fly": "fo1_" + some(WORD + "-_", 43),
    "fly, macaroon": "fm2_" + some(WORD + "+/", 120),
    "gitlab": "glpat-" + some(WORD + "-_", 20),
    "gitlab job": "glcbt-64_" + some(WORD + "-_", 20),
    "grafana": "glsa_" + some(WORD, 32) + "_" + some(HEX, 8),
    "heroku": "HRKU-AA" + some(WORD + "-_", 58),
    "linear": "lin_api_" + some(WORD, 40),
    "notion": "ntn_" + some(string.digits, 11) + some(WORD, 35),
    "npm": "npm_" + some(WORD, 36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + some(WORD + "-_", 150),
    "rubygems": "rubygems_" + some(HEX, 48),
    "openshift": "sha256~" + some(WORD + "-_", 43),
    "planetscale": "pscale_tkn_" + some(WORD + "-_.", 43),
    "postman": "PMAK-" + some(HEX, 24) + "-" + some(HEX, 34),
    "pulumi": "pul-" + some(HEX, 40),
    "sendgrid": "SG." + some(WORD + "-_", 22) + "." + some(WORD + "-_", 43),
    "brevo": "xkeysib-" + some(HEX, 64) + "-" + some(WORD, 16),
    "sentry": "sntryu_" + some(HEX, 64),
    "shopify": "shpat_" + some(HEX, 32),
    "slack configuration": "xoxe.xoxp-1-" + some(WORD, 163),
    "square": "sq0atp-" + some(WORD + "-_", 22),
    "twilio": "SK" + some(HEX, 32),
    "vault": "hvs." + some(WORD + "-_", 95),
    "1password": "ops_eyJ" + some(WORD + "+/", 300),
    "age": "AGE-SECRET-KEY-1" + some("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
    "alibaba": "LTAI" + some(WORD, 20),
    "private key": pem(""),
    "rsa private key": pem("RSA "),
    "private key in json": pem("EC ", "\\n"),
}
IN_CONTEXT = {
    "bearer": f"Bearer {some(WORD, 20)}",
    "basic": "Basic " + base64.b64encode(b"ada:correct-horse-7").decode(),
    "telegram": f"https://api.telegram.org/bot{some(string.digits, 10)}:AA{some(WORD + '-_', 33)}/getMe",
    "discord hook": f"https://discord.com/api/webhooks/123456789012345678/{some(WORD, 68)}",
    "slack hook": f"https://hooks.slack.com/services/T{some(WORD, 8)}/B{some(WORD, 8)}/{some(WORD, 24)}",
}
NO_KEYS = {
    "chat completion": "chatcmpl-" + some(WORD, 29),
    "anthropic message": "msg_01" + some(WORD, 22),
    "anthropic request": "req_011" + some(WORD, 21),
    "tool use": "toolu_01" + some(WORD, 22),
    "call": "call_" + some(WORD, 24),
    "response": "resp_" + some(HEX, 48),
    "reasoning": "rs_" + some(HEX, 48),
    "file": "file-" + some(WORD, 24),
    "fingerprint": "fp_" + some(HEX, 10),
    "organisation": "org-" + some(WORD, 24),
    "uuid": "-".join(some(HEX, length) for length in (8, 4, 4, 4, 12)),
    "sha256": some(HEX, 64),
    "trace": f"00-{some(HEX, 32)}-{some(HEX, 16)}-01",
    "encrypted reasoning": "gAAAAAB" + some(WORD + "-_", 4000),
    "a class of scikit-learn": '<div class="sk-toggleable__content fitted sk-container-id-10 sk-estimator-doc-link">',
    "words": "task-oriented-desk-sk-learn-compatible-estimators and risk-assessment-2024-05-17-final-version",
    "a placeholder": "export OPENAI_API_KEY=sk-proj-your-key-goes-here; or sk-...",
    "models": "pplx-70b-online, xai-grok-2, hf_internal_testing/tiny-random, gpt-4o-mini-2024-07-18",
    "a word after basic": "Basic internationalization, Basic authentication, basic understanding",
    "about bearer tokens": "Send Authorization: Bearer YOUR_TOKEN; bearer authentication is described in RFC 6750.",
    "about pem": "It begins with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----, somehow.",
    "a public key": pem("").replace("PRIVATE", "PUBLIC"),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "around", ["{}", "before {} after", '"{}"', "key={}&x=1", "https://host/{}?x=1", "a\\n{}", "%20{}"]
)
def test_a_key_of_a_known_provider_is_replaced(name: str, around: str) -> None:
    assert NONE.replace(around.format(KEYS[name])) == around.format("REDACTED")


@pytest.mark.parametrize("token", [some(WORD, 20), some(WORD, 32) + "==", "opaque-token-123456"])
def test_what_follows_bearer_is_replaced(token: str) -> None:
    assert NONE.replace(f"-H 'Authorization: Bearer {token}'") == "-H 'Authorization: Bearer REDACTED'"


@pytest.mark.parametrize("name", NO_KEYS)
def test_what_is_no_key_stays(name: str) -> None:
    assert NONE.replace(NO_KEYS[name]) == NO_KEYS[name]


@pytest.mark.parametrize("shape", KEY_PATTERNS, ids=lambda shape: shape.name)
def test_every_shape_is_tested(shape: KeyPattern) -> None:
    told = {leak.what for key in [*KEYS.values(), *IN_CONTEXT.values()] for leak in NONE.find_all(key)}
    assert f"what looks like {shape.name}" in told


def test_a_key_is_named_by_its_provider_and_not_shown() -> None:
    leak = NONE.find(f"one\ntwo {KEYS['anthropic']}")
    assert leak is not None
    assert (leak.what, leak.line) == ("what looks like an Anthropic key", 2)


def test_an_access_key_in_a_credential_scope_is_replaced() -> None:
    assert (
        NONE.replace(f"Credential={KEYS['aws']}/20240101/us-east-1/s3") == "Credential=REDACTED/20240101/us-east-1/s3"
    )


def test_two_keys_side_by_side_are_both_replaced() -> None:
    assert NONE.replace(f"{KEYS['groq']},{KEYS['google']}\n{KEYS['groq']}") == "REDACTED,REDACTED\nREDACTED"


def test_a_private_key_is_replaced_with_its_armour() -> None:
    text = f"Here it is:\n```\n{pem('OPENSSH ')}\n```\nKeep it safe."
    assert NONE.replace(text) == "Here it is:\n```\nREDACTED\n```\nKeep it safe."


PEM = pem("RSA ")
QUOTINGS = {
    "json": json.dumps(PEM),
    "json in json": json.dumps(json.dumps({"key": PEM})),
    "json in json in json": json.dumps(json.dumps(json.dumps([PEM]))),
    "on one line": PEM.replace("\n", " "),
    "without line ends": PEM.replace("\n", ""),
    "with carriage returns": PEM.replace("\n", "\r\n"),
    "in an address": PEM.replace("\n", "%0A"),
    "quoted": "> " + PEM.replace("\n", "\n> "),
    "indented": "  " + PEM.replace("\n", "\n    "),
    "line by line": "key = (\n" + "\n".join(f"    '{line}\\n'" for line in PEM.splitlines()) + "\n)",
    "continued": PEM.replace("\n", "\\\n"),
    "cut off": PEM[: len(PEM) // 2],
}


@pytest.mark.parametrize("quoting", QUOTINGS)
def test_a_private_key_is_found_in_any_quoting(quoting: str) -> None:
    kept = NONE.replace(f"It is {QUOTINGS[quoting]} so far.")

    assert kept.startswith("It is ")
    assert kept.endswith(" so far.")
    assert [line for line in PEM.splitlines()[1:-1] if line[:20] in kept] == []
    assert "REDACTED" in kept


@pytest.mark.parametrize("chance", ["1//0" + "a8PONqPP6nPyxo67mfN7uqY9n", "AKIA" + some(string.ascii_uppercase, 16)])
@pytest.mark.parametrize("lines", [False, True])
def test_what_looks_like_a_key_within_base64_is_none(chance: str, lines: bool) -> None:
    """A prefix of four characters comes up by chance."""
    data = some(WORD, 75) + "/" + chance + "/" + some(WORD, 71)
    text = "\n".join(data[start : start + 76] for start in range(0, len(data), 76)) if lines else data
    for picture in (f"data:image/png;base64,{text}", json.dumps({"data": text, "media_type": "image/png"})):
        assert NONE.replace(picture) == picture
    for said in (f"It is {chance}.", f"https://host/keys/{chance}", f"A PLACE WITH CAPITALS\n{chance}", f"x={chance}"):
        assert NONE.replace(said) == said.replace(chance, "REDACTED")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=200))
def test_embeddings_hold_no_keys(vector: list[float]) -> None:
    text = json.dumps({"data": [{"embedding": vector}]})
    assert NONE.replace(text) == text


@given(st.binary(min_size=300, max_size=3000))
def test_images_hold_no_keys(raw: bytes) -> None:
    text = json.dumps({"url": "data:image/png;base64," + base64.b64encode(raw).decode()})
    assert NONE.find(text) is None


@given(st.text(st.sampled_from("the risk-sk- Bearer key_xai-hf_ .\n"), max_size=300))
def test_text_made_of_prefixes_is_no_key(text: str) -> None:
    assert NONE.find(text) is None


@given(st.text(max_size=200), st.sampled_from(sorted(KEYS)), st.text(max_size=200))
def test_replacing_twice_is_replacing_once(before: str, name: str, after: str) -> None:
    once = NONE.replace(f"{before} {KEYS[name]} {after}")
    assert NONE.replace(once) == once
    assert KEYS[name] not in once
