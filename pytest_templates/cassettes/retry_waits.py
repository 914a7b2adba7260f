"""Waits that a replayed answer causes: after one that asks to come again later, until the next request.

The thread or task that got the answer tells them. There the clients of providers wait before they try again, and so do
programs that try again themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final

from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.support.virtual_time import virtual_time

_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_OWED: ContextVar[bool] = ContextVar("owed", default=False)


@contextmanager
def virtual_waits() -> Iterator[None]:
    """Let these waits take no time, for the length of a block; all others take theirs."""
    note(None)
    with virtual_time(_OWED.get):
        yield


def note(replayed: Interaction | None) -> None:
    """Note what answers a request of this thread or task: a recording, or ``None`` for a real server."""
    _OWED.set(replayed is not None and _asks_to_come_again(replayed.response.status))


def _asks_to_come_again(status: int) -> bool:
    """Whether clients try again after it."""
    return status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR
