"""What is known of providers without their packages, and checks of ``base_url`` and ``api_key``."""

from __future__ import annotations

from urllib.parse import urlsplit

from antiphon.errors import InvalidType, InvalidValue
from antiphon.parameters import check_text

BEYOND_HTTP = frozenset({"xai"})
"""The providers that are reached by another protocol than HTTP, as names of models begin: xAI's is gRPC."""

USUAL = frozenset(
    {"anthropic", "google", "groq", "local", "mistral", "ollama", "openai", "openai-chat", "openai-responses"}
)
"""Providers that are known to exist without looking: pydantic-ai takes its time to be loaded."""


def check_address(base_url: str | None) -> None:
    """Make sure that this may be where a provider is reached.

    Raises:
        InvalidType: It is no text.
        InvalidValue: It is no address; the text leaves out the user and the query of a URL.
    """
    if base_url is None:
        return
    try:
        parts = urlsplit(check_text(base_url, "base_url"))
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # unbalanced brackets, or an invalid port
        fits = False
    if not fits:
        raise InvalidValue(f"base_url takes an address such as {_EXAMPLE!r}, not {_without_secrets(base_url)!r}")


def is_elsewhere(base_url: str) -> bool:
    """Whether this is the address of another server than OpenAI's."""
    host = urlsplit(base_url).hostname or ""
    return host != "openai.com" and not host.endswith(".openai.com")


_EXAMPLE = "http://127.0.0.1:8000/v1"


def _without_secrets(url: str) -> str:
    """What may be shown of a URL, or of what was meant to be one: neither a user nor a query."""
    before, _, rest = url.partition("?")[0].rpartition("@")
    start = "://".join(before.split("://")[:-1])
    return f"{start}://{rest}" if start else rest


def check_key(api_key: str | None) -> None:
    """Make sure that this may be a key: that it can be sent as one.

    Raises:
        InvalidType: It is no text.
        InvalidValue: It is no key; the text does not show it.
    """
    if api_key is None:
        return
    if not isinstance(api_key, str):
        raise InvalidType(f"api_key takes text, not {type(api_key).__name__}")
    if not api_key:
        raise InvalidValue("api_key is empty; leave it out to take the provider's environment variable")
    if not api_key.isascii() or not api_key.isprintable() or api_key != api_key.strip():
        raise InvalidValue("api_key holds what no key does: white space at an end, a line break, or a letter like 'ä'")
