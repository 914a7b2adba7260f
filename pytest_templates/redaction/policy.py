"""What counts as secret: which names mark a secret, which values are too common to be one.

A name says how sure it is. What stands under ``password`` is secret in any case, under ``secret`` it has to look like
one, and under ``token`` or ``code``, which are names of harmless things as well, it has to look random. What people
type to log in (an ``otp``, a ``pin``) is secret where it is digits. Names of ids are none, as programs ask for them
again (``session_id`` is that of a conversation; ``sessionid`` and ``JSESSIONID`` let somebody in), and neither is
``signature`` in JSON, which models want back with what they have signed.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final

# query parameters and form fields that are secret, beside those whose name is a secret member's; in small letters
SECRET_PARAMETERS: Final = frozenset(
    [
        *("key", "token", "auth", "sig", "signature", "secret", "assertion", "awsaccesskeyid", "accesskeyid"),
        *("pass", "pwd", "jwt", "bearer", "hmac", "credential", "oauth_signature", "authorization"),
        *("x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "x-goog-credential"),
    ]
)
# A name is told by the words it ends in, however they are joined: clientSecret, CLIENT_SECRET, x-client-secret.
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_KINDS_OF_KEY: Final = (
    *("api", "secret", "access", "private", "auth", "authentication", "account", "subscription", "master", "signing"),
    *("encryption", "service", "storage", "admin", "application", "deploy", "ssh", "hmac", "webhook", "functions"),
    "ephemeral",
)
_KINDS_OF_TOKEN: Final = (
    *("access", "refresh", "id", "auth", "authentication", "authorization", "api", "bearer", "session", "security"),
    *("secret", "csrf", "xsrf", "oauth", "client", "bot", "deploy", "private", "personal", "service", "sas", "jwt"),
    *("vault", "github", "gitlab", "gh", "hf", "slack", "discord", "telegram", "npm", "pypi", "admin", "webhook"),
)
_KINDS_OF_SECRET: Final = (
    *("client", "app", "application", "consumer", "shared", "webhook", "api", "signing", "oauth", "hmac", "jwt"),
    *("token", "access", "auth", "user", "service"),
)
_PAIRS: Final = frozenset(
    [
        *((kind, "key") for kind in _KINDS_OF_KEY),
        *((kind, "token") for kind in _KINDS_OF_TOKEN),
        *((kind, "secret") for kind in _KINDS_OF_SECRET),
        *(("connection", "string"), ("client", "assertion"), ("pass", "word"), ("pass", "phrase")),
        *(("secret", "string"), ("secret", "binary"), ("code", "verifier"), ("device", "code")),
        *(("seed", "phrase"), ("recovery", "phrase")),
    ]
)
_SINGLE: Final = frozenset(
    ["passwd", "passcode", "pgpassword", "csrfmiddlewaretoken", *(first + last for first, last in _PAIRS)]
)
_VAGUE: Final = frozenset(["secret", "pwd", "pass", "authorization", "credential", "cookie"])
_SESSIONS: Final = frozenset(["sessionid", "sessid", "phpsessid", "jsessionid"])  # those of conversations: session_id
_GENERIC: Final = (
    _SESSIONS
    | {"token", "jwt", "code", "session", "bearer", "auth", "oauth", "authentication", "pat"}
    | {"appkey", "hapikey", "registrationkey", "passkey"}
)
_ONE_TIME: Final = frozenset(["otp", "totp", "pin"])
_KINDS_OF_CODE: Final = frozenset(["otp", "totp", "mfa", "fa", "sms", "verification", "security", "pin"])  # 2fa_code
_GENERIC_KEYS: Final = frozenset(  # bare keys and those of databases and stores of objects are ids
    [
        *("primary", "secondary", "license", "write", "read", "query", "server", "session", "host", "system", "root"),
        *(
            "client",
            "user",
            "pass",
            "sas",
            "team",
            "consumer",
            "recovery",
            "integration",
            "app",
            "developer",
            "registration",
        ),
        *("openai", "azure", "mistral", "cohere", "gemini"),  # whose keys have no shape, or several
    ]
)
_IN_HEADERS: Final = _SINGLE | (_VAGUE - {"pass"}) | _SESSIONS | {"key", "token", "auth", "jwt", "assertion"}
_IN_REQUESTS: Final = frozenset(["authentication", "bearer", "pass", "session", "signature", "sig", "hmac"])
_NO_TOKEN: Final = frozenset(
    [
        *("page", "next", "previous", "prev", "continuation", "sync", "resume", "start", "starting", "end", "max"),
        *("min", "first", "last", "cursor", "pagination", "paging", "scroll", "change", "delta", "eos", "bos", "pad"),
        *("stop", "idempotency", "forward", "backward", "sequence", "batch", "list", "offset", "position"),
        *("after", "before", "more", "consistency", "snapshot", "lock"),
    ]
)
_NO_KEY: Final = frozenset(
    [
        *("idempotency", "cache", "surrogate", "websocket", "public", "partition", "routing", "sort", "row", "range"),
        *("object", "primary", "foreign", "shard", "group", "message", "event", "dedup", "deduplication"),
    ]
)
_NO_CODE: Final = frozenset(["error", "status", "country", "language", "source", "exit", "response", "postal", "zip"])
_IN_NAMED: Final = frozenset(["name", "key", "variable", "header", "parameter", "field"])  # {"name": "X", "value": "Y"}
_FORMS: Final = frozenset(["value", "pem", "base", "b", "hash"])  # what a secret is written as: base64, b64


class Certainty(Enum):
    """How sure a name is that its value is secret."""

    ANY = auto()  # whatever it is
    VAGUE = auto()  # where it has a letter and a digit
    GENERIC = auto()  # where it looks random
    CODE = auto()  # where it is a row of some digits


def _words_of(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name[-100:])]


@lru_cache(maxsize=4096)
def _ending(name: str) -> tuple[str, str]:
    """The last two words of a name, in small letters and in the singular, without a number behind them.

    Neither what a secret is written as (``_value``, ``_pem``, ``_base64``) nor a version (``_v2``) counts as a word.
    Only ``tokens`` stay as they are: these are counted.
    """
    words = _words_of(name)
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _FORMS or (words[-1] == "v" and name[-1].isdigit())):
        words.pop()
    words = [word for word in words if not word.isdigit()] or [""]
    before = words[-2] if len(words) > 1 else ""
    last = words[-1]
    return before, last if last == "tokens" or last.endswith("ss") else last.removesuffix("s")


@lru_cache(maxsize=4096)
def certainty_of(name: str) -> Certainty | None:
    """How sure the name of a member is that it holds a secret, as in JSON or in a dict; ``None`` where it says nothing.

    ``tokens`` are counted, and a bare ``key`` is one of a dictionary.
    """
    before, last = _ending(name)
    if last in _SINGLE or (before, last) in _PAIRS:
        return Certainty.ANY
    if last in _VAGUE:
        return Certainty.VAGUE
    if last in _ONE_TIME or (last == "code" and before in _KINDS_OF_CODE):
        return Certainty.CODE
    return Certainty.GENERIC if _is_generic(name, before, last) else None


def _is_generic(name: str, before: str, last: str) -> bool:
    if last == "key":
        return before in _GENERIC_KEYS or (not before and name[-1:].isdigit())  # Azure's are called key1 and key2
    return last in _GENERIC and before not in (_NO_TOKEN | _NO_CODE)


def is_secret_member(name: str) -> bool:
    """Whether the value of a member of this name is secret whatever it is."""
    return certainty_of(name) is Certainty.ANY


def is_document_member(name: str) -> bool:
    """Whether a member of this name may hold a document of JSON that is secret, as AWS Secrets Manager's does."""
    return _ending(name) == ("secret", "string")


@lru_cache(maxsize=4096)
def is_name_member(name: str) -> bool:
    """Whether a member of this name says what the value beside it is called: ``{"name": "PASSWORD", "value": "…"}``."""
    return not _IN_NAMED.isdisjoint(_words_of(name)[-1:])


@lru_cache(maxsize=4096)
def is_value_member(name: str) -> bool:
    """Whether a member of this name is the value of what is named beside it."""
    return _words_of(name)[-1:] == ["value"]


def has_letter_and_digit(value: str) -> bool:
    """Whether a text has both, as most secrets have and few words."""
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


_MIN_RANDOM: Final = 20  # characters of a text that looks random
_ONE_WORD: Final = re.compile(r"[A-Za-z0-9_+/=.~:|%-]+")
_RUN: Final = re.compile(r"[A-Za-z0-9]{16,}")  # a UUID has none: most of them are ids
_LONE_LETTERS: Final = 5  # in both cases and without such a run: names of models and of constants have fewer


def looks_random(value: str) -> bool:
    """Whether a text is a long row of letters and digits that are no words and no UUID."""
    if len(value) < _MIN_RANDOM or not _ONE_WORD.fullmatch(value) or not has_letter_and_digit(value):
        return False
    if any(map(_lone_letters, _RUN.findall(value))):
        return True
    return not value.isupper() and not value.islower() and _lone_letters(value) >= _LONE_LETTERS


def _lone_letters(text: str) -> int:
    """How many letters stand alone where a text is taken for words in camel case."""
    return sum(len(word) == 1 and word.isalpha() for word in _WORDS.findall(text))


_CODE: Final = re.compile(r"[0-9]{4,10}|[0-9]{3,4}[ -][0-9]{3,4}")


def is_code(value: str) -> bool:
    """Whether a text is a row of digits as people type them to log in: neither a version nor the id of an object."""
    return bool(_CODE.fullmatch(value))


def is_secret_parameter(name: str) -> bool:
    """Whether the value of a parameter of an address, or of a field of a form, is secret."""
    return name.lower() in SECRET_PARAMETERS or is_secret_member(name)


def is_secret_pair(name: str, value: str) -> bool:
    """The same for a value that is known.

    The ``code`` of a login, a ``sid`` and a ``sessionid`` are secret where they look random, and an ``otp`` and a
    ``pin`` where they are digits.
    """
    if is_secret_parameter(name):
        return True
    certainty = certainty_of(name)
    if certainty is Certainty.CODE:
        return is_code(value)
    is_generic = name.lower() in {"sid", "ticket", "appid", "wskey"} or certainty is Certainty.GENERIC
    return is_generic and looks_random(value)


@lru_cache(maxsize=4096)
def is_secret_header(name: str) -> bool:
    """Whether the value of a header of this name is a credential, by whatever standard or by none.

    ``authorization``, ``cookie``, ``set-cookie``, ``x-api-key``, ``private-token``, ``x-anything-secret`` are;
    ``idempotency-key`` and ``x-next-page-token`` are not.
    """
    before, last = _ending(name)
    if (last == "key" and (before in _NO_KEY or not before)) or (last == "token" and before in _NO_TOKEN):
        return False
    return last in _IN_HEADERS


@lru_cache(maxsize=4096)
def is_credential_header(name: str) -> bool:
    """Whether a header of this name carries the credential of a request: also ``x-signature``, ``session`` and ``key``.

    In answers, and as names of other things, these may be harmless.
    """
    before, last = _ending(name)
    return is_secret_header(name) or last in _IN_REQUESTS or (last == "key" and not before)


# environment variables whose value is a secret, unless they are about something else
SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
NO_SECRET_NAME: Final = re.compile(r"TOKENIZ|KEYBOARD", re.IGNORECASE)
HOST: Final = re.compile(r"https?://[^/?#@\s]+/?")
# words of eight letters or more, in small letters: to replace them would spoil prompts, answers and the files
COMMON_VALUES: Final = frozenset(
    [
        *("administrator", "anonymous", "anything", "changeme", "customer", "database", "development", "disabled"),
        *("document", "everything", "external", "internal", "lm-studio", "localhost", "not-needed", "notneeded"),
        *("optional", "password", "placeholder", "postgres", "postgresql", "production", "redacted", "required"),
        *("something", "standard", "undefined", "username", "whatever"),
        *("application", "application/json", "arguments", "assistant", "compact-ascii", "content-type", "developer"),
        *("function", "indented", "interactions", "max_tokens", "messages", "reasoning", "response", "spaced-ascii"),
        *("streaming", "temperature", "template", "text/event-stream", "text/plain", "unfinished"),
        # those of reports
        *("attachments", "cassette", "chosen_by", "continues", "coverage", "exit_status", "finish_reason", "image/gif"),
        *("image/jpeg", "image/png", "image/webp", "input_tokens", "isolation", "left_early", "left_out", "media_type"),
        *("output_tokens", "override", "pass_rate", "pictures", "recorded", "served_by"),
        *("shared_cassette", "snapshot", "subroutine", "unplayed"),
        *("subroutine-runner", "subroutines", "template_id", "template_path", "thinking", "tool_call_id", "tool_calls"),
        *("unchanged", "unpriced", "violation", "violations"),
    ]
)
