"""What counts as secret: which headers are kept, which names mark a secret, what the keys of known providers look like.

A key is recognised by its prefix and by what may follow: with a digit in it, or with more letters than a word has, so
that names such as ``sk-learn-estimators`` are none. Prefixes and alphabets are those that the providers document or
give out, and that scanners such as gitleaks look for (its ``config/gitleaks.toml``); lengths are minima, since
providers change them. Keys of Mistral, Cohere and Azure are bare letters and digits: they are known by the header that
carries them, and by the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

# Before a key stands no letter, digit, hyphen or underscore, unless it is the end of an escape: \n or %20.
_BEFORE: Final = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
_DIGIT: Final = r"(?=[A-Za-z_-]{0,200}[0-9])"  # there is one in what follows
_WORD: Final = _DIGIT + "[A-Za-z0-9]"
_TEXT: Final = _DIGIT + "[A-Za-z0-9_-]"
_END: Final = r"(?![A-Za-z0-9_-])"
_GAP: Final = r"(?:\s|\\[nrt])"  # white space, also as JSON writes it


@dataclass(frozen=True)
class KeyPattern:
    """What one kind of key looks like.

    Attributes:
        name: What it is, with its article.
        starts: What it starts with, one of these.
        rest: What follows, as a regular expression; its group, where it has one, is the key.
    """

    name: str
    starts: tuple[str, ...]
    rest: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The whole, as a regular expression."""
        return re.compile(f"{_BEFORE}(?:{'|'.join(map(re.escape, self.starts))}){self.rest}")

    def found_in(self, text: str, start: str) -> Iterator[tuple[int, int]]:
        """Where there is one that starts like this: start and end."""
        place = text.find(start)
        while place >= 0:
            found = self.pattern.match(text, place)
            if found:
                yield found.span(found.lastindex or 0)
            place = text.find(start, found.end() if found else place + 1)


_PEM: Final = (
    rf"(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_GAP}*+[A-Za-z-]+: [^\n\\]{{0,100}})*+"  # headers, as RFC 1421 and OpenPGP have them
    rf"(?:{_GAP}*+[A-Za-z0-9+/=]{{20,}}+)++"
    rf"(?:{_GAP}*+[A-Za-z0-9+/=]++)?(?:{_GAP}*+-----END [A-Z0-9 ]+-----)?"
)

KEY_PATTERNS: Final = (
    KeyPattern("an Anthropic key", ("sk-ant-",), rf"(?:[a-z]+[0-9]{{2}}-)?{_TEXT}{{16,}}"),
    KeyPattern("an OpenRouter key", ("sk-or-v1-",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Langfuse key", ("sk-lf-", "pk-lf-"), r"[0-9a-f]{8}-[0-9a-f-]{20,}"),
    KeyPattern("an OpenAI key", ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"), rf"{_TEXT}{{16,}}"),
    KeyPattern("an OpenAI or DeepSeek key", ("sk-",), rf"{_WORD}{{20,}}"),  # many others took this pattern over
    KeyPattern("a Google key", ("AIzaSy",), "[A-Za-z0-9_-]{25,}"),
    KeyPattern("a Google token", ("ya29.", "1//0", "GOCSPX-"), rf"{_TEXT}{{20,}}"),
    KeyPattern("a Groq key", ("gsk_",), rf"{_WORD}{{20,}}"),
    KeyPattern("an xAI key", ("xai-",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Hugging Face token", ("hf_", "api_org_"), rf"(?:{_WORD}{{20,}}|[A-Za-z]{{30,}})"),
    KeyPattern("a Replicate token", ("r8_",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Perplexity key", ("pplx-",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Fireworks key", ("fw_",), rf"{_WORD}{{20,}}"),
    KeyPattern("a Cerebras key", ("csk-",), rf"{_WORD}{{20,}}"),
    KeyPattern("an Nvidia key", ("nvapi-",), rf"{_TEXT}{{20,}}"),
    KeyPattern("a LangSmith key", ("lsv2_pt_", "lsv2_sk_"), r"[0-9a-f]{20,}(?:_[0-9a-f]+)?"),
    KeyPattern("an AWS access key", ("AKIA", "ASIA", "ABIA", "ACCA"), rf"[A-Z0-9]{{16}}{_END}"),
    KeyPattern("an AWS session token", ("IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz"), r"[A-Za-z0-9/+=%]{40,}"),
    KeyPattern("a GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), rf"{_WORD}{{30,}}"),
    KeyPattern("a GitHub token", ("github_pat_",), rf"{_DIGIT}[A-Za-z0-9_]{{30,}}"),
    KeyPattern("a Slack token", ("xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"), rf"{_TEXT}{{10,}}"),
    KeyPattern("a Stripe key", ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"), rf"{_WORD}{{10,}}"),
    KeyPattern("a JSON Web Token", ("eyJ",), r"[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    KeyPattern("a bearer token", ("Bearer ", "bearer "), r"((?=[^\s\"'<>]{0,200}[0-9])[A-Za-z0-9._~+/=-]{16,})"),
    KeyPattern("a private key", ("-----BEGIN ",), _PEM),
)

_BY_START: Final = tuple((start, key) for key in KEY_PATTERNS for start in key.starts)


def keys_in(text: str) -> Iterator[tuple[int, int, str]]:
    """What looks like a key of a known provider: start, end, and what it is."""
    for start, key in _BY_START:
        if start in text:  # many times faster than one regular expression for all
            for begin, end in key.found_in(text, start):
                yield begin, end, f"what looks like {key.name}"


REQUEST_HEADERS: Final = frozenset({"content-type", "accept"})
RESPONSE_HEADERS: Final = frozenset(
    {
        "content-type",
        "retry-after",
        "retry-after-ms",  # OpenAI's, in milliseconds
        "x-should-retry",  # OpenAI's and Anthropic's clients obey it
        "location",  # a redirect is followed in replay, too
        "x-amzn-errortype",  # Bedrock names its errors in it
    }
)
# names of query parameters and form fields, in small letters
SECRET_PARAMETERS: Final = frozenset(
    [
        "key",
        "api_key",
        "api-key",
        "apikey",
        "subscription-key",
        "access_token",
        "refresh_token",
        "id_token",
        "auth_token",
        "token",
        "auth",
        "sig",
        "signature",
        "secret",
        "client_secret",
        "password",
        "passwd",
        "assertion",
        "client_assertion",
        "awsaccesskeyid",
        "x-amz-signature",
        "x-amz-credential",
        "x-amz-security-token",
        "x-goog-signature",
        "x-goog-credential",
        "x-api-key",
        "x-goog-api-key",
    ]
)
# names in JSON; shorter, since "token" and "key" are words of models' answers
SECRET_FIELDS: Final = frozenset(
    [
        "api_key",
        "api-key",
        "apikey",
        "access_token",
        "refresh_token",
        "id_token",
        "auth_token",
        "client_secret",
        "private_key",
        "password",
        "client_assertion",
    ]
)
# headers whose value is a secret, wherever else it stands
CREDENTIAL_HEADERS: Final = frozenset(
    [
        "authorization",
        "proxy-authorization",
        "api-key",  # Azure
        "x-api-key",  # Anthropic
        "x-goog-api-key",
        "x-amz-security-token",
        "x-auth-token",
        "x-access-token",
        "xi-api-key",  # ElevenLabs
        "ocp-apim-subscription-key",  # Azure's gateway
    ]
)
# environment variables whose value is a secret, unless they are about something else
SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
NO_SECRET_NAME: Final = re.compile(r"TOKENIZ|KEYBOARD", re.IGNORECASE)
HOST: Final = re.compile(r"https?://[^/?#@\s]+/?")
# words of eight letters or more, in small letters: to replace them would spoil prompts, answers and the file itself
COMMON_VALUES: Final = frozenset(
    [
        *("administrator", "anonymous", "anything", "changeme", "customer", "database", "development", "disabled"),
        *("document", "everything", "external", "internal", "lm-studio", "localhost", "not-needed", "notneeded"),
        *("optional", "password", "placeholder", "postgres", "postgresql", "production", "redacted", "required"),
        *("something", "standard", "undefined", "username", "whatever"),
        *("application", "application/json", "arguments", "assistant", "compact-ascii", "content-type", "developer"),
        *("function", "indented", "interactions", "max_tokens", "messages", "reasoning", "response", "spaced-ascii"),
        *("streaming", "temperature", "template", "text/event-stream", "text/plain", "unfinished"),
    ]
)
