"""Which headers of an exchange are kept, and what of them: of requests two, of responses all that may mean something.

A program follows what an answer's headers say: where the next page is, where a result will lie, how long to wait, what
is left of a quota. Nobody can list those, so every header is kept that is not listed here: those that are about the
connection, the way through proxies or the browser, and those that say whose account it is. They change from answer to
answer and no program of a model's reads them; without them a file stays readable, and so does its difference after it
was recorded anew.

What is secret in a header is replaced: the whole value where the name speaks of a credential, the values of cookies,
and whatever is secret in any other text or address. The name stays, so that a program which logs in does so in replay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from pytest_templates.cassettes.format.bodies import CHECKSUMS
from pytest_templates.cassettes.recorded import Headers, header
from pytest_templates.redaction.policy import is_secret_header
from pytest_templates.redaction.secrets import PLACEHOLDER

_REQUEST: Final = frozenset({"content-type", "accept"})
_MEANINGLESS: Final = frozenset(
    [
        *("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection", "priority"),
        "content-encoding",  # bodies are kept decoded
        *("date", "age", "server", "server-timing", "timing-allow-origin", "via", "x-powered-by", "x-runtime"),
        *("vary", "x-cache", "x-cache-hits", "x-served-by", "x-timer", "x-proxy-cache", "x-vercel-cache"),
        *("alt-svc", "nel", "report-to", "reporting-endpoints", "expect-ct", "p3p", "strict-transport-security"),
        *("content-security-policy", "content-security-policy-report-only", "permissions-policy", "referrer-policy"),
        *("x-content-type-options", "x-frame-options", "x-xss-protection", "x-download-options", "x-robots-tag"),
        *("x-permitted-cross-domain-policies", "x-dns-prefetch-control", "x-ua-compatible", "origin-agent-cluster"),
        *("traceparent", "tracestate", "x-amzn-trace-id", "x-cloud-trace-context", "x-amz-apigw-id"),
        *("x-azure-ref", "x-msedge-ref", "x-vercel-id", "x-openai-proxy-wasm"),
        "authentication-info",  # made from the password (RFC 7616, section 3.5)
        *("openai-organization", "openai-project", "anthropic-organization-id"),
    ]
)
_MEANINGLESS_STARTS: Final = (
    *("access-control-", "cross-origin-"),
    *("cf-", "x-amz-cf-", "x-envoy-", "x-kong-", "x-b3-", "x-datadog-", "x-amzn-remapped-"),
)
_MEANINGLESS_COOKIES: Final = (  # of load balancers and guards before a service
    *("__cf", "_cfuvid", "cf_", "AWSALB", "AWSELB", "ARRAffinity", "GCLB"),
    *("incap_ses", "visid_incap", "ak_bmsc", "bm_"),
)
_ADDRESSES: Final = re.compile(r"(?:^|[-_])(?:location|ur[il]|refresh)$")  # names of headers that hold one
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_TARGET: Final = re.compile(r"<([^<>]*)>")  # of a link (RFC 8288, section 3)


def kept_of_request(headers: Headers) -> Headers:
    """Those of a request that are kept, with whatever secrets they hold."""
    return tuple(pair for pair in headers if pair[0] in _REQUEST)


@dataclass(frozen=True, slots=True)
class HeaderScrubber:
    """Makes of headers what may be kept of them.

    Attributes:
        text: Gives a text without its secrets.
        address: Gives an address without its secrets.
    """

    text: Callable[[str], str]
    address: Callable[[str], str]

    def request(self, headers: Headers) -> Headers:
        """Those of a request."""
        kept = tuple((name, self.text(value)) for name, value in kept_of_request(headers))
        return headers if kept == headers else kept

    def response(self, headers: Headers) -> Headers:
        """Those of a response."""
        kept = tuple(self._kept(headers))
        return headers if kept == headers else kept

    def _kept(self, headers: Headers) -> Iterator[tuple[str, str]]:
        for name, value in headers:
            if name == "set-cookie":
                cookie = _cookie(value, headers)
                yield from [(name, self.text(cookie))] if cookie else []
            elif name not in _MEANINGLESS and not name.startswith(_MEANINGLESS_STARTS):
                yield name, self._value(name, value)

    def _value(self, name: str, value: str) -> str:
        if is_secret_header(name) and not value.isdecimal():  # a number counts tokens
            return PLACEHOLDER
        if name == "link":
            return self.text(_TARGET.sub(lambda target: f"<{self.address(target[1])}>", value))
        if _ADDRESSES.search(name):
            return self.address(value)
        return self.text(_ADDRESS.sub(lambda address: self.address(address[0]), value))


def sized(headers: Headers, before: bytes, after: bytes, *, encoded: bool, again: bool, cut: bool) -> Headers:
    """The headers that say what a body is like, made true for the one that is kept.

    Args:
        headers: Of the response.
        before: The body as it came, decoded.
        after: The body as it is kept.
        encoded: Whether it came encoded: what was said of that is not true of any other.
        again: Whether it is encoded again where it is replayed: then its length is said anew.
        cut: Whether it was broken off; then its length is that of the whole.
    """
    if not after:
        return headers  # the answer to HEAD, or with a status that has no body: they speak of another one
    untrue = CHECKSUMS if encoded or before != after else frozenset()
    length = None if encoded and not again else str(len(after))
    pairs = ((name, length if name == "content-length" and not cut else value) for name, value in headers)
    kept = tuple((name, value) for name, value in pairs if value is not None and name not in untrue)
    return headers if kept == headers else kept


def _cookie(value: str, headers: Headers) -> str:
    """A cookie that stays for as long as its replay takes, without a value that lets somebody in; ``""`` for none.

    A time at which it expires would have passed when it is replayed, and so is left out; one that had passed when it
    came stays, since cookies are deleted that way.
    """
    pair, *attributes = value.split(";")
    name, equals, secret = pair.partition("=")
    if not equals or name.strip().startswith(_MEANINGLESS_COOKIES):
        return ""
    kept = [attribute for attribute in attributes if not _is_future(attribute, headers)]
    return ";".join([f"{name}{equals}{secret and PLACEHOLDER}", *kept])


def _is_future(attribute: str, headers: Headers) -> bool:
    """Whether this is the time at which a cookie expires, and later than its answer."""
    name, _, time = attribute.partition("=")
    if name.strip().lower() != "expires":
        return False
    now = _time(header(headers, "date")) or datetime.now(UTC)
    return (_time(time) or now) > now


def _time(text: str) -> datetime | None:
    with suppress(ValueError):
        time = parsedate_to_datetime(text.strip().replace("-", " "))
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return None
