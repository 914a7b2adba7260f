"""Which open cassette a request belongs to, and what it has to do for the code that caught it.

A thread or task belongs to the cassette that was open where it was started, if it inherited the context variables of
that place; tasks do, threads of `asyncio.to_thread` and of the engine too. Any other code, such as a thread pool that
was made before the test, belongs to the only cassette that is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from antiphon.trace import Caller, current_caller
from pytest_templates.cassettes.http.capture import ResponseCaptures
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.errors import CassetteError, CassetteMiss
from pytest_templates.redaction.secrets import Secrets


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen with one request.

    Attributes:
        request: The request, scrubbed.
        caller: Who asks.
        replay: The interaction to replay; ``None`` when the request is to be sent.
        order: The place of its recording among the new ones, when it is to be sent.
    """

    request: RecordedRequest
    caller: Caller | None
    replay: Interaction | None = None
    order: int = -1


class Recorder(Protocol):
    """What decides about requests and takes responses.

    Attributes:
        path: The file, by which it is named.
        captures: The responses that are being recorded now.
    """

    path: Path
    captures: ResponseCaptures

    @property
    def secrets(self) -> Secrets:
        """What may not be kept of all that was sent and received."""
        ...

    def note(self, error: CassetteError) -> None:
        """Add an error to those of the test, also where the program swallows it."""
        ...

    def learn(self, request: RecordedRequest) -> None:
        """Take in the credentials that a request carries."""
        ...

    def decide(self, request: RecordedRequest) -> Decision:
        """Say what is to happen with a request; raises where nothing may."""
        ...

    def record(self, decision: Decision, response: RecordedResponse) -> None:
        """Take the response to a request that was sent."""
        ...

    def read_past(self, decision: Decision) -> CassetteMiss:
        """The error for a program that reads further than the one that was recorded."""
        ...


_HERE: ContextVar[Recorder | None] = ContextVar("cassette", default=None)
_OPEN: list[Recorder] = []
_LOCK = Lock()


@contextmanager
def routed_to(recorder: Recorder) -> Iterator[None]:
    """Let the requests of this context go to a recorder, for the length of a block."""
    before = _HERE.get()
    _HERE.set(recorder)
    with _LOCK:
        _OPEN.append(recorder)
    try:
        yield
    finally:
        with _LOCK:
            _OPEN.remove(recorder)
        if _HERE.get() is recorder:  # not so where the block is left in another task than it was entered
            _HERE.set(before)


def recorder_for(method: str, uri: str) -> Recorder:
    """The recorder that a request of this context belongs to.

    Raises:
        CassetteError: Several are open and the context does not say which, or none is open any more.
    """
    recorder = _recorder_here(method, uri)
    return _Unrecorded(recorder) if is_recorded_as_whole() else recorder


def _recorder_here(method: str, uri: str) -> Recorder:
    here = _HERE.get()
    recorders = open_recorders()
    if here is not None and here in recorders:
        return here
    if len(recorders) == 1:
        return recorders[0]
    raise noted(CassetteError(_undecided(f"{method} {uri.partition('?')[0]}", recorders)))


_AS_WHOLE: ContextVar[bool] = ContextVar("recorded_as_whole", default=False)


@contextmanager
def recorded_as_whole() -> Iterator[None]:
    """Let a block be recorded by what it returns: the requests that it makes are sent, and are not recorded."""
    token = _AS_WHOLE.set(True)
    try:
        yield
    finally:
        _AS_WHOLE.reset(token)


def is_recorded_as_whole() -> bool:
    """Whether this code runs in such a block."""
    return _AS_WHOLE.get()


class _Unrecorded:
    """Lets one request be sent and keeps nothing of it but its credentials, which answers may hold; a `Recorder`.

    Args:
        recorder: The one that it would belong to.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.path = recorder.path
        self.captures = ResponseCaptures()

    @property
    def secrets(self) -> Secrets:
        """Those of the recorder."""
        return self._recorder.secrets

    def note(self, error: CassetteError) -> None:
        """Pass the error on to the recorder."""
        self._recorder.note(error)

    def learn(self, request: RecordedRequest) -> None:
        """Pass the request on to the recorder."""
        self._recorder.learn(request)

    def decide(self, request: RecordedRequest) -> Decision:
        """Send it."""
        self.learn(request)
        return Decision(request, current_caller())

    def record(self, decision: Decision, response: RecordedResponse) -> None:
        """Keep nothing."""

    def read_past(self, decision: Decision) -> CassetteMiss:
        """The error of the recorder; nothing is replayed here, so nothing ends early."""
        return self._recorder.read_past(decision)


def noted(error: CassetteError) -> CassetteError:
    """An error of a request that belongs to no recorder: it is added to those of this context's recorder, or of all."""
    here, recorders = _HERE.get(), open_recorders()
    for recorder in [here] if here is not None and here in recorders else recorders:
        recorder.note(error)
    return error


def open_recorders() -> tuple[Recorder, ...]:
    """Every recorder that is open, in the order in which they were opened."""
    with _LOCK:
        return tuple(_OPEN)


def _undecided(request: str, recorders: tuple[Recorder, ...]) -> str:
    if not recorders:
        return f"{request}: this connection was made for a cassette that has been closed. Make a new client."
    return "\n".join(
        [
            f"{request}: {len(recorders)} cassettes are open, and this code runs in the context of none of them:",
            *(f"  {recorder.path}" for recorder in recorders),
            "Start its thread in the context of a test: asyncio.to_thread(f), or pool.submit(copy_context().run, f).",
        ]
    )
