"""Behind the seams: a request that comes through by another way than a cassette is stopped here.

A class that was copied before a cassette was opened (``from http.client import HTTPConnection``), a connection that was
made then, or a transport of the program's own does not go through the seams. It does go through what all of them build
on, and would be sent without being recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, Final

from pytest_templates.cassettes.patches import Patch, Seam
from pytest_templates.cassettes.routing import noted
from pytest_templates.errors import CassetteError

_PASSES: ContextVar[bool] = ContextVar("passes", default=False)
GATES: Final = (
    Seam("http.client", "http.client", "HTTPConnection", "putrequest"),
    Seam("httpcore", "httpcore", "ConnectionPool", "handle_request"),
    Seam("httpcore", "httpcore", "AsyncConnectionPool", "handle_async_request"),
    Seam("httpcore2", "httpcore2", "ConnectionPool", "handle_request"),
    Seam("httpcore2", "httpcore2", "AsyncConnectionPool", "handle_async_request"),
    Seam("aiohttp", "aiohttp.connector", "BaseConnector", "connect"),
)


@contextmanager
def passing() -> Iterator[None]:
    """Let the requests of a block through: a cassette knows of them."""
    token = _PASSES.set(True)
    try:
        yield
    finally:
        _PASSES.reset(token)


def gate(seam: Seam) -> Patch:
    """What stops the requests of a library, once it is loaded, that no cassette knows of."""
    return seam.patched(partial(_guarded, seam=seam))


def _guarded(real: Callable[..., Any], seam: Seam) -> Callable[..., Any]:
    @wraps(real)
    def guarded(owner: Any, *arguments: Any, **named: Any) -> Any:
        if not _PASSES.get():
            raise noted(_stopped(seam, owner))
        return real(owner, *arguments, **named)

    return guarded


def _stopped(seam: Seam, owner: object) -> CassetteError:
    kind = type(owner)
    return CassetteError(
        f"a request passed the cassette by: it came to {seam} ({seam.library()}) from an object of "
        f"{kind.__module__}.{kind.__qualname__} that no cassette has caught, and was stopped.\n"
        "Make the connection while the cassette is open and from the library's own names, or send by another library."
    )
