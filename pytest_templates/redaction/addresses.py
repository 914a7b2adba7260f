"""What is secret in an address, wherever it stands: the parameters that sign it, and the password of its user.

Who has a signed address has what lies behind it. What changes with the signature (when it was made, until when it is
good, for whom) goes with it, so that tomorrow's address counts as the same. Address, region and permissions stay.

The names are those that the services document: Amazon S3 and CloudFront, Google Cloud Storage, Azure's shared access
signatures, the clones of S3, and servers of pictures. Parameters such as ``key`` and ``token`` have other uses as well:
there a value counts that looks random. All of it is found behind the escapes of JSON and HTML, and in an address that
is a parameter itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pytest_templates.redaction.policy import has_letter_and_digit, is_secret_pair, looks_random

# The marks before parameters, also those of a fragment, as they are, in JSON, in HTML, or as a part of another address.
# One set of characters comes first: it makes the search for it fast. No group with choices in it is repeated
# possessively: before 3.11.5, Python gave too little of it back, and missed what follows.
_AND: Final = r"[?&#\\%](?:(?<=[?&#])(?:amp;|#38;|#x26;)*|(?<=\\)(?<!\\\\)\\*+u0026|(?<=%)(?:25)*+(?:26|3[fF]))"
_EQUALS: Final = r"(?:=|\\+u003[dD]|%(?:25)*+3[dD])"
_CHARACTER: Final = r"(?:[A-Za-z0-9_~+/=-]|%(?!(?:25)*+(?:26|3[fF]))|\\+/|\\+u00(?:2[bfBF]|3[dD]))"
_PARAMETER: Final = re.compile(
    rf"{_AND}(?P<name>[A-Za-z][A-Za-z0-9_.-]{{0,60}}+){_EQUALS}"
    rf"(?P<value>{_CHARACTER}*(?:[.:,!*@$]{{1,3}}+{_CHARACTER}+)*)"
)
_ADDRESS: Final = ("://", r":\/\/")
_USER: Final = re.compile(r"[^\s/?#@:\"'<>\\]{0,200}+:(?P<password>[^\s/?#@\"'<>\\]{1,1000}+)@(?=[\[\w])")
_TOKEN: Final = re.compile(r"(?P<password>[A-Za-z0-9_-]{20,200}+)@(?=[\w.-]++)(?![\w.-]*sentry)")  # Sentry's is public

_PASSING: Final = frozenset(  # what changes with a signature, in small letters
    [
        *("x-amz-date", "x-amz-expires", "x-amz-credential", "x-amz-security-token", "awsaccesskeyid"),
        *("x-goog-date", "x-goog-expires", "x-goog-credential", "googleaccessid"),
        *("expires", "policy", "key-pair-id", "se", "st", "ske", "skt", "skoid", "sktid"),
        *("x-oss-date", "x-oss-expires", "x-oss-credential", "x-oss-security-token", "ossaccesskeyid"),
        *("q-ak", "q-sign-time", "q-key-time", "x-cos-security-token"),
        *("ex", "is", "oe"),
        *("e", "exp", "expire", "x-expires"),
    ]
)
# those that sign under a name with other uses: of Discord, of Facebook, of Akamai
_UNCLEAR: Final = frozenset(["hm", "oh", "hdnts", "hdnea", "hdntl"])
_SHAPED: Final = {  # those whose names are those of anything, by what they look like
    "s": re.compile("[0-9a-f]{32}|[0-9a-f]{40}"),  # of imgix and Reddit
    "t": re.compile("(?=[A-Za-z_-]*[0-9])(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{40,60}"),  # of LinkedIn
    "verify": re.compile(r"[0-9]{10}-\S{20,}"),  # of Cloudflare, with a time
}
_IN_PATH: Final = re.compile(  # of Cloudinary
    r"(?:/|%2[fF])s--((?=[a-z_-]*[A-Z0-9])(?:[A-Za-z0-9_-]{8}|[A-Za-z0-9_-]{32}))--(?=[\s/%\\\"']|\Z)"
)
_GENERIC: Final = frozenset(
    [
        *("key", "token", "auth", "secret", "sig", "signature"),
        *("pass", "pwd", "passcode", "jwt", "bearer", "hmac", "credential", "appid", "wskey", "rlkey"),
    ]
)
_MIN_LENGTH: Final = 10  # characters of a value that looks random
_NO_PASSWORD: Final = re.compile(r"(?i:password|passwd|pass|pwd|REDACTED|your.*|\*+|x+|\.+|[<\[{$].*)")


def address_spans(text: str, placeholder: str) -> Iterator[tuple[int, int, str]]:
    """Where something secret stands in the addresses in a text: start, end, and what it is.

    Args:
        text: The text.
        placeholder: What stands in place of a secret that was found before.
    """
    may_hold_parameters = "=" in text or "\\" in text or "%" in text  # an equals sign, also behind escapes
    for query in _queries(text) if may_hold_parameters else ():
        is_signed = any(map(_is_signature, query))
        for one in query:
            if one["value"] not in {placeholder, ""} and (_is_secret(one) or (is_signed and _is_passing(one))):
                yield *one.span("value"), "the signature of an address"
    if "s--" in text:
        yield from ((*found.span(1), "the signature of an address") for found in _IN_PATH.finditer(text))
    for user in _users(text):
        if not _NO_PASSWORD.fullmatch(user["password"]):
            yield *user.span("password"), "the password in an address"


def _users(text: str) -> Iterator[re.Match[str]]:
    """The user and password of each address that has them, or the token that is its user."""
    for mark in _ADDRESS:
        place = text.find(mark)
        while place >= 0:
            start = place + len(mark)
            user, token = _USER.match(text, start), _TOKEN.match(text, start)
            if user:
                yield user
            elif token and looks_random(token["password"]):
                yield token
            place = text.find(mark, place + len(mark))


def _queries(text: str) -> Iterator[list[re.Match[str]]]:
    """The parameters that stand side by side."""
    query: list[re.Match[str]] = []
    for found in _PARAMETER.finditer(text):
        if query and found.start() != query[-1].end():
            yield query
            query = []
        query.append(found)
    if query:
        yield query


def _is_signature(one: re.Match[str]) -> bool:
    name = one["name"].lower()
    if name in _SHAPED:
        return _SHAPED[name].fullmatch(one["value"]) is not None
    is_clear = name in {"sig", "signature"} or name.endswith("-signature")
    return is_clear or (name in _UNCLEAR and _looks_random(one["value"]))


def _is_passing(one: re.Match[str]) -> bool:
    return one["name"].lower() in _PASSING


def _is_secret(one: re.Match[str]) -> bool:
    """Whether a parameter is secret, in whatever address it stands."""
    name, value = one["name"], one["value"]
    if name.lower() in _GENERIC:
        return _looks_random(value)
    return bool(value) and (_is_signature(one) or is_secret_pair(name, value))


def _looks_random(value: str) -> bool:
    return len(value) >= _MIN_LENGTH and has_letter_and_digit(value)
