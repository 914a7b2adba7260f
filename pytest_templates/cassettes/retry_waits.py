"""Waits that replayed answers cause, as after a recorded rate limit: they take no time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Final

from pytest_templates.cassettes.recorded import Interaction
from pytest_templates.support.virtual_time import note_double, virtual_after_doubles, virtual_time

_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_ASKED_TO_WAIT: ContextVar[bool] = ContextVar("asked_to_wait", default=False)


@contextmanager
def virtual_waits() -> Iterator[None]:
    """Let the waits that replayed answers cause take no time, for the length of a block; all others take theirs.

    The waits are those of the thread or task that got an answer which asks to come again later, until its next request:
    there the clients of providers wait before they try again, and so do programs that try again themselves. A model of
    the engine's that tries again waits elsewhere, and knows which call it follows.
    """
    note_replay(None)
    with virtual_time(_ASKED_TO_WAIT.get), virtual_after_doubles():
        yield


def note_replay(replayed: Interaction | None) -> None:
    """Note what answers a request of this thread or task: a recording, or ``None`` for a real server."""
    _ASKED_TO_WAIT.set(replayed is not None and _asks_to_wait(replayed.response.status))
    note_double(is_one=replayed is not None)


def _asks_to_wait(status: int) -> bool:
    """Whether clients try again after this status."""
    return status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR
