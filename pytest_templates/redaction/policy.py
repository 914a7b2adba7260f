"""What counts as secret: which names mark a secret, which values are too common to be one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# query parameters and form fields that are secret, beside those whose name is a secret member's; in small letters
SECRET_PARAMETERS: Final = frozenset(
    [
        *("key", "token", "auth", "sig", "signature", "secret", "assertion", "awsaccesskeyid"),
        *("x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "x-goog-credential"),
    ]
)
# A name is told by the words it ends in, however they are joined: clientSecret, CLIENT_SECRET, x-client-secret.
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_KINDS_OF_KEY: Final = (
    *("api", "secret", "access", "private", "auth", "authentication", "account", "subscription", "master", "signing"),
    *("encryption", "service", "storage", "admin", "application", "deploy", "ssh", "hmac", "webhook", "functions"),
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
    ]
)
_SINGLE: Final = frozenset(["passwd", *(first + last for first, last in _PAIRS)])
_VAGUE: Final = frozenset(["secret", "pwd", "authorization", "credential", "cookie"])
_IN_HEADERS: Final = _SINGLE | _VAGUE | {"key", "token", "auth", "jwt", "assertion"}
_NO_TOKEN: Final = frozenset(["page", "next", "previous", "continuation", "sync", "resume", "start", "max", "min"])
_NO_KEY: Final = frozenset(
    [
        *("idempotency", "cache", "surrogate", "websocket", "public", "partition", "routing", "sort", "row", "range"),
        *("object", "primary", "foreign", "shard", "group", "message", "event", "dedup", "deduplication"),
    ]
)


@lru_cache(maxsize=4096)
def _ending(name: str) -> tuple[str, str]:
    """The last two words of a name, in small letters and in the singular, without a number behind them.

    Only ``tokens`` stay as they are: these are counted.
    """
    words = [word.lower() for word in _WORDS.findall(name[-100:]) if not word.isdigit()] or [""]
    before = words[-2] if len(words) > 1 else ""
    return before, words[-1] if words[-1] == "tokens" else words[-1].removesuffix("s")


def is_secret_member(name: str) -> bool:
    """Whether the value of a member of this name is secret, as in JSON, in a dict, or in an environment.

    Not ``token``, ``tokens`` and ``key``: these are words of models' answers.
    """
    before, last = _ending(name)
    return last in _SINGLE or (before, last) in _PAIRS


def is_vague_member(name: str) -> bool:
    """Whether a member of this name holds a secret where its value looks like one: ``secret``, ``authorization``."""
    return not is_secret_member(name) and _ending(name)[1] in _VAGUE


def is_secret_parameter(name: str) -> bool:
    """Whether the value of a parameter of an address, or of a field of a form, is secret."""
    return name.lower() in SECRET_PARAMETERS or is_secret_member(name)


def is_secret_header(name: str) -> bool:
    """Whether the value of a header of this name is a credential, by whatever standard or by none.

    ``authorization``, ``cookie``, ``set-cookie``, ``x-api-key``, ``private-token``, ``x-anything-secret`` are;
    ``idempotency-key`` and ``x-next-page-token`` are not.
    """
    before, last = _ending(name)
    if (last == "key" and (before in _NO_KEY or not before)) or (last == "token" and before in _NO_TOKEN):
        return False
    return last in _IN_HEADERS


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
