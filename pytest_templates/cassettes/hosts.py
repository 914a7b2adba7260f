"""Hosts that cassettes leave alone, and hosts that serve models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

LEAVE_ALONE: Final = "If this is no model, name its host in templates_ignore_hosts."

_HOST: Final = re.compile(r"(\[[^\s\[\]]+\]|[^\s:/\[\]@,;]+)(?::(\d+))?")  # in brackets: an address of IPv6
_PORTS: Final = range(1, 65536)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_OF_MODELS: Final = (
    *("api.openai.com", "*.openai.azure.com", "*.services.ai.azure.com", "models.github.ai", "openrouter.ai"),
    *("api.anthropic.com", "generativelanguage.googleapis.com", "*aiplatform.googleapis.com", "bedrock*.amazonaws.com"),
    *("api.mistral.ai", "api.cohere.com", "api.cohere.ai", "api.groq.com", "api.x.ai", "api.deepseek.com"),
    *("api.together.xyz", "api.together.ai", "api.fireworks.ai", "api.perplexity.ai", "api.cerebras.ai"),
    *("*.huggingface.co", "huggingface.co", "api.replicate.com", "api.voyageai.com", "api.moonshot.ai"),
)


class HostPattern(NamedTuple):
    """A host by its name, an address or a glob, at one port or at any.

    Attributes:
        name: In lower case; an address in its shortest form.
        port: ``None`` for any.
    """

    name: str
    port: int | None

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port is None else f"{name}:{self.port}"

    @classmethod
    def of(cls, text: str) -> HostPattern:
        """The pattern that somebody has written, such as ``localhost:8080``, ``*.langfuse.com`` or ``[::1]:6333``.

        Raises:
            ValueError: It is none; the text says what one looks like.
        """
        if _is_address(text):  # one of IPv6 has colons, and no port
            return cls(_normal(text), None)
        found = _HOST.fullmatch(text)
        port = int(found[2]) if found and found[2] else None
        if found is None or (port is not None and port not in _PORTS):
            raise ValueError(f"{text!r} is no host such as localhost:8080, *.example.com, 10.0.0.7 or [::1]:6333")
        return cls(_normal(found[1]), port)

    def matches(self, host: str, port: int | None) -> bool:
        """Whether this is a host; of a port that is not known, any fits."""
        return (self.port is None or port is None or self.port == port) and fnmatchcase(_normal(host), self.name)


def patterns_of(texts: Iterable[str]) -> tuple[HostPattern, ...]:
    """The patterns that somebody has written. Raises `ValueError`, as `HostPattern.of`."""
    return tuple(map(HostPattern.of, texts))


@lru_cache(maxsize=256)  # most requests go to a few addresses
def host_and_port(uri: str) -> tuple[str, int | None]:
    """Where a request goes; the port of its scheme where it names none, ``None`` where the scheme is not known."""
    parts = urlsplit(uri)
    return parts.hostname or "", parts.port or default_port(parts.scheme)


def default_port(scheme: str) -> int | None:
    """The port of a scheme; ``None`` where it is not known."""
    return _DEFAULT_PORTS.get(scheme)


def serves_models(host: str) -> bool:
    """Whether a host is that of a known provider of models."""
    return any(fnmatchcase(_normal(host), pattern) for pattern in _OF_MODELS)


def _normal(name: str) -> str:
    """A name as it is compared: in lower case, without the dot of the root, in the letters that go over the wire."""
    name = name.strip("[]").rstrip(".").lower()
    if _is_address(name):
        return str(ip_address(name))
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
