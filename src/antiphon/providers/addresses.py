"""The addresses of models, and why one could not be reached."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic_ai.exceptions import ModelConnectionError, ModelTimeoutError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address, without what may be secret: the user, the path and the query of a URL.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        host: The name or number of the machine.
        port: The port, 1 to 65535; also where it is the scheme's own.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str | None) -> Self | None:
        """The address in a URL; ``None`` where there is none."""
        try:
            parts = urlsplit(url or "")
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:  # not a URL, or an invalid port
            return None
        return cls(parts.scheme, parts.hostname, port) if parts.hostname and port else None

    @property
    def proxy(self) -> bool:
        """Whether connections to it go through a proxy that the environment names."""
        return not {self.scheme, "all"}.isdisjoint(getproxies()) and not proxy_bypass(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def why_not_reached(error: ModelConnectionError, address: Address | None) -> str:
    """What happened to a connection, and where it was not made what to check."""
    place = str(address or "its server")
    if error.phase != "connect":
        return f"{place} did not answer in time" if isinstance(error, ModelTimeoutError) else _broke(error, place)
    reason, check = _obstacle(error)
    if address is not None and address.proxy:
        check = f"the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY); {check}"
    return f"{place} cannot be reached: {reason}\n  check {check}"


def _broke(error: ModelConnectionError, place: str) -> str:
    return f"the connection to {place} broke: {_deepest(error)}"


def _obstacle(error: ModelConnectionError) -> tuple[str, str]:
    """Why there was no connection, and what to check."""
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"its host is not known ({_deepest(error)})", f"how the host is written, the network, and {_SETTING}"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return f"nobody listens there ({_deepest(error)})", f"that the server runs, and {_SETTING}"
    reason = "there was no connection in time" if isinstance(error, ModelTimeoutError) else _deepest(error)
    return reason, f"the network, and {_SETTING}"


_SETTING = "base_url= (or the provider's environment variable for it)"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        members = getattr(error, "exceptions", None)  # one for each address of a host
        error = members[0] if members else error.__cause__ or error.__context__


def _deepest(error: BaseException) -> str:
    """What the innermost cause says; clients say no more than "Connection error."."""
    return [text for cause in _causes(error) if (text := str(cause))][-1]
