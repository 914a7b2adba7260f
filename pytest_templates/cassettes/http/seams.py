"""Places in other libraries where requests are caught, and gates behind them that stop what was not caught."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from importlib import metadata
from inspect import iscoroutinefunction, signature
from typing import Any, Final

from pytest_templates.cassettes.hosts import default_port, host_and_port
from pytest_templates.cassettes.http.routing import is_left_alone, noted
from pytest_templates.errors import CassetteError

MISSING: Final = object()  # where nothing stands, or what a base class has


@dataclass(frozen=True, slots=True)
class Patch:
    """A value that stands in for another one.

    Attributes:
        owner: The module or class.
        attribute: The name of the value.
        value: What stands there while the patch is applied.
    """

    owner: Any
    attribute: str
    value: Any

    def apply(self) -> Callable[[], None]:
        """Put the value in place; returns what restores the one before."""
        before = vars(self.owner).get(self.attribute, MISSING)
        setattr(self.owner, self.attribute, self.value)
        return lambda: self.restore(before)

    def restore(self, before: object) -> None:
        """Put back what stood there before; nothing for `MISSING`."""
        if before is not MISSING:
            setattr(self.owner, self.attribute, before)
        elif self.attribute in vars(self.owner):
            delattr(self.owner, self.attribute)


@dataclass(frozen=True, slots=True)
class Seam:
    """A place in a library through which its requests go.

    Attributes:
        package: The library's name on the package index.
        module: The module.
        owner: A class in it; ``""`` for the module itself.
        attribute: The name of the function or class that requests go through.
    """

    package: str
    module: str
    owner: str
    attribute: str

    def __str__(self) -> str:
        return ".".join(filter(None, (self.module, self.owner, self.attribute)))

    def is_loaded(self) -> bool:
        """Whether the program has imported the module."""
        return sys.modules.get(self.module) is not None

    def loaded(self) -> Any:
        """The owner as it is now.

        Raises:
            CassetteError: The module has no such class.
        """
        module: Any = sys.modules[self.module]
        try:
            return getattr(module, self.owner) if self.owner else module
        except AttributeError as error:
            raise self.moved() from error

    def value(self) -> Any:
        """What stands there now.

        Raises:
            CassetteError: There is nothing.
        """
        try:
            return getattr(self.loaded(), self.attribute)
        except AttributeError as error:
            raise self.moved() from error

    def patched(self, wrapper: Callable[[Any], Any]) -> Patch:
        """A patch that wraps what stands there now."""
        return Patch(self.loaded(), self.attribute, wrapper(self.value()))

    def moved(self) -> CassetteError:
        """The error for a library that is built otherwise."""
        return CassetteError(
            f"{self.library()} has no {self}: its requests cannot be caught, and would go out unrecorded.\n"
            "Install a version that the installed vcrpy knows, or upgrade vcrpy and antiphon."
        )

    def lost(self) -> CassetteError:
        """The error for a library whose seam holds something else than it should."""
        found = self.value()
        return CassetteError(
            f"{self.library()}: {self} is {_named(found)}, not the cassette's: requests would go out unrecorded.\n"
            "It was replaced or imported anew while a cassette was open. Undo that before a cassette is opened."
        )

    def library(self) -> str:
        """The library's name and version."""
        try:
            return f"{self.package} {metadata.version(self.package)}"
        except metadata.PackageNotFoundError:
            return f"{self.package} of Python {sys.version.partition(' ')[0]}"


def _named(value: Any) -> str:
    return f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


AIOHTTP_SEAM: Final = Seam("aiohttp", "aiohttp.client", "ClientSession", "_request")
BOTOCORE: Final = "botocore.awsrequest"
VCR_SEAMS: Final = (
    Seam("http.client", "http.client", "", "HTTPConnection"),
    Seam("http.client", "http.client", "", "HTTPSConnection"),
    Seam("urllib3", "urllib3.connectionpool", "HTTPConnectionPool", "ConnectionCls"),
    Seam("urllib3", "urllib3.connectionpool", "HTTPSConnectionPool", "ConnectionCls"),
    Seam("botocore", BOTOCORE, "AWSHTTPConnectionPool", "ConnectionCls"),
    Seam("botocore", BOTOCORE, "AWSHTTPSConnectionPool", "ConnectionCls"),
    Seam("httplib2", "httplib2", "", "SCHEME_TO_CONNECTION"),
    Seam("tornado", "tornado.simple_httpclient", "SimpleAsyncHTTPClient", "fetch_impl"),
    Seam("tornado", "tornado.curl_httpclient", "CurlAsyncHTTPClient", "fetch_impl"),
)


def _transports(package: str, module: str, sync: str, asynchronous: str) -> tuple[Seam, Seam]:
    return Seam(package, module, sync, "handle_request"), Seam(package, module, asynchronous, "handle_async_request")


TRANSPORTS: Final = (
    *_transports("httpx", "httpx", "HTTPTransport", "AsyncHTTPTransport"),
    *_transports("httpx2", "httpx2", "HTTPTransport", "AsyncHTTPTransport"),
    *_transports("httpx-curl-cffi", "httpx_curl_cffi", "CurlTransport", "AsyncCurlTransport"),
    *_transports("pyreqwest", "pyreqwest.compatibility.httpx", "SyncHttpxTransport", "HttpxTransport"),
)
CLIENTS: Final = tuple(
    Seam(name, name, client, "send") for name in ("httpx", "httpx2") for client in ("Client", "AsyncClient")
)
SEAMS: Final = (*VCR_SEAMS, AIOHTTP_SEAM, *TRANSPORTS, *CLIENTS)

_PASSES: ContextVar[bool] = ContextVar("passes", default=False)
GATES: Final = (
    Seam("http.client", "http.client", "HTTPConnection", "putrequest"),
    Seam("httpcore", "httpcore", "ConnectionPool", "handle_request"),
    Seam("httpcore", "httpcore", "AsyncConnectionPool", "handle_async_request"),
    Seam("httpcore2", "httpcore2", "ConnectionPool", "handle_request"),
    Seam("httpcore2", "httpcore2", "AsyncConnectionPool", "handle_async_request"),
    Seam("aiohttp", "aiohttp.connector", "BaseConnector", "connect"),
)


signature_of: Final = lru_cache(maxsize=64)(signature)  # the same functions are caught at every opening


@contextmanager
def hiding(names: Iterable[str]) -> Iterator[None]:
    """Let imports of modules that are not loaded fail at once, for the length of a block."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # an import of what is None fails
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)


@contextmanager
def passing() -> Iterator[None]:
    """Let the requests of a block through: a cassette knows of them."""
    token = _PASSES.set(True)
    try:
        yield
    finally:
        _PASSES.reset(token)


def passes() -> bool:
    """Whether a cassette knows of what is done here."""
    return _PASSES.get()


def gate(seam: Seam) -> Patch:
    """What stops the requests of a library, once it is loaded, that no cassette knows of."""
    return seam.patched(partial(_guarded, seam=seam))


def _guarded(real: Callable[..., Any], seam: Seam) -> Callable[..., Any]:
    """The function behind a gate; it looks like the real one, since tools that mock it ask for its parameters."""

    def check(owner: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if not passes() and not is_left_alone(*_target(owner, *arguments, **named)):
            raise noted(_stopped(seam, owner))

    @wraps(real)
    def guarded(owner: Any, *arguments: Any, **named: Any) -> Any:
        check(owner, arguments, named)
        return real(owner, *arguments, **named)

    @wraps(real)
    async def guarded_async(owner: Any, *arguments: Any, **named: Any) -> Any:
        check(owner, arguments, named)
        return await real(owner, *arguments, **named)

    gated: Callable[..., Any] = guarded_async if iscoroutinefunction(real) else guarded
    vars(gated)["__signature__"] = signature_of(real)
    return gated


def _target(owner: Any, /, *arguments: Any, **named: Any) -> tuple[str, int | None]:
    """Where a request goes that came to a gate: of `http.client`, given by its method and URL, or of the others."""
    first, *rest = *arguments, *named.values()
    if isinstance(first, str):
        url = rest[0] if rest else ""
        if "://" in url:  # by way of a proxy
            return host_and_port(url)
        return owner._tunnel_host or owner.host, owner._tunnel_port or owner.port
    host, scheme = (part.decode() if isinstance(part, bytes) else part for part in (first.url.host, first.url.scheme))
    return host or "", first.url.port or default_port(scheme)


def _stopped(seam: Seam, owner: object) -> CassetteError:
    kind = type(owner)
    return CassetteError(
        f"a request passed the cassette by: it came to {seam} ({seam.library()}) from an object of "
        f"{kind.__module__}.{kind.__qualname__} that no cassette has caught, and was stopped.\n"
        "Make the connection while the cassette is open and from the library's own names, or send by another library."
    )
