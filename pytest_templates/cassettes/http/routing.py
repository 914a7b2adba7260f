"""Which open cassette a request belongs to, and what it has to do for the code that caught it.

A request belongs to the cassette of the context that it is made in. Tasks inherit their context; `threads` sees to it
that threads, and what is given to pools of threads, have one as well. So a thread or task that outlives its test still
belongs to that test's cassette, which is closed: its requests are refused, and never answered by the next test's.

Two kinds of code serve more than one test, and belong to the only cassette that is open: what has no cassette in its
context, such as a thread that was started before any was open, and what was started while a fixture that tests share
was set up, such as a server or an event loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from antiphon.trace import Caller, current_caller
from pytest_templates.cassettes.hosts import LEAVE_ALONE, host_and_port
from pytest_templates.cassettes.http.capture import ResponseCaptures
from pytest_templates.cassettes.recorded import Interaction, Order, RecordedRequest, RecordedResponse
from pytest_templates.cassettes.retry_waits import note_replay
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
    order: Order = ()


class Recorder(Protocol):
    """What decides about requests and takes responses.

    Attributes:
        path: The file, by which it is named.
        captures: The responses that are being recorded now.
    """

    path: Path
    captures: ResponseCaptures

    @property
    def test(self) -> str:
        """The test whose cassette it is; ``""`` for none."""
        ...

    def leaves_alone(self, host: str, port: int | None) -> bool:
        """Whether requests to a host are neither recorded nor replayed."""
        ...

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


@dataclass(frozen=True, slots=True)
class Belonging:
    """What the code of a context belongs to.

    Attributes:
        recorder: The cassette that was open where the code was started.
        lasts: Whether the code serves later tests as well.
    """

    recorder: Recorder
    lasts: bool = False


_HERE: ContextVar[Belonging | None] = ContextVar("cassette", default=None)
# Each is changed and read in single steps, without a lock: one that a thread holds stays held in a forked process.
_OPEN: list[Recorder] = []
_LATE: deque[str] = deque()
_shared_set_ups = 0  # how many fixtures that tests share are being set up


@contextmanager
def routed_to(recorder: Recorder) -> Iterator[None]:
    """Let the requests of this context go to a recorder, for the length of a block."""
    before, here = _HERE.get(), Belonging(recorder)
    _HERE.set(here)
    _OPEN.append(recorder)
    try:
        yield
    finally:
        _OPEN.remove(recorder)
        if _HERE.get() is here:  # not so where the block is left in another task than it was entered
            _HERE.set(before)


@contextmanager
def set_up_for_several_tests() -> Iterator[None]:
    """Let the threads, tasks and loops that are started in a block serve later tests as well."""
    global _shared_set_ups  # noqa: PLW0603  # a thread may be started by another one than that of the fixture
    here = _HERE.get()
    token = _HERE.set(None if here is None else replace(here, lasts=True))
    _shared_set_ups += 1
    try:
        yield
    finally:
        _shared_set_ups -= 1
        _HERE.reset(token)


def belonging_of_new_code() -> Belonging | None:
    """What a thread that is started here is to belong to; ``None`` where the context does not say."""
    here = _HERE.get()
    if here is not None and not here.lasts:
        return here
    recorder = _recorder_of(here)
    return None if recorder is None else Belonging(recorder, lasts=_shared_set_ups > 0)


@contextmanager
def belonging_to(belonging: Belonging) -> Iterator[None]:
    """Let the requests of this context belong to what a thread was started for, for the length of a block."""
    token = _HERE.set(belonging)
    try:
        yield
    finally:
        _HERE.reset(token)


def recorder_for(method: str, uri: str) -> Recorder:
    """The recorder that a request of this context belongs to.

    Raises:
        CassetteError: Several are open and the context does not say which, or none is open any more.
    """
    recorder = _recorder_here(method, uri)
    return _Unrecorded(recorder) if is_recorded_at_model_level() else recorder


def _recorder_here(method: str, uri: str) -> Recorder:
    here = _HERE.get()
    recorder = _recorder_of(here)
    if recorder is not None:
        return recorder
    request = f"{method} {uri.partition('?')[0]}"
    if here is not None and is_late():
        raise noted(CassetteError(_late(request, here.recorder)))
    raise noted(CassetteError(_undecided(request, open_recorders())))


_AT_MODEL_LEVEL: ContextVar[bool] = ContextVar("recorded_at_model_level", default=False)


@contextmanager
def recorded_at_model_level() -> Iterator[None]:
    """Let a block be recorded at the level of the model: the requests that it makes are sent, and not recorded."""
    token = _AT_MODEL_LEVEL.set(True)
    try:
        yield
    finally:
        _AT_MODEL_LEVEL.reset(token)


def is_recorded_at_model_level() -> bool:
    """Whether this code runs in such a block."""
    return _AT_MODEL_LEVEL.get()


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
    def test(self) -> str:
        """That of the recorder."""
        return self._recorder.test

    def leaves_alone(self, host: str, port: int | None) -> bool:
        """Whether the recorder does."""
        return self._recorder.leaves_alone(host, port)

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
    """An error of a request that belongs to no recorder: it is added to those of this context's recorder, or of all.

    That of a late request is kept for the summary, and fails no test.
    """
    if is_late():
        note_late(str(error).partition("\n")[0])
        return error
    here = _HERE.get()
    recorder = _recorder_of(here)
    for one in open_recorders() if recorder is None else [recorder]:
        one.note(error)
    return error


@contextmanager
def noting(recorder: Recorder) -> Iterator[None]:
    """Add an error of a block to those of a recorder's test, also where the program swallows it."""
    try:
        yield
    except CassetteError as error:
        recorder.note(error)
        raise


def is_late() -> bool:
    """Whether the code that runs here was left behind by a test that is over, while another one is under way."""
    here, recorders = _HERE.get(), open_recorders()
    return bool(recorders) and here is not None and not here.lasts and here.recorder not in recorders


def note_late(title: str) -> None:
    """Keep what was refused of a test that is over, in one line, for the summary."""
    _LATE.append(title)


def take_late() -> list[str]:
    """What was refused since this was called last."""
    return [_LATE.popleft() for _ in range(len(_LATE))]


def goes_its_own_way(uri: str) -> bool:
    """Whether a request is made to a host that its cassette leaves alone; what is waited for next is not a replay."""
    alone = is_left_alone(*host_and_port(uri))
    if alone:
        note_replay(None)
    return alone


def is_left_alone(host: str, port: int | None) -> bool:
    """Whether the cassette of this context leaves a host alone; where none is known, whether all open ones do.

    Args:
        host: Its name or address, as the program says it.
        port: ``None`` where it is not known: then any will do.
    """
    here = _HERE.get()
    recorder = _recorder_of(here)
    if recorder is None and here is not None and not here.lasts:
        recorder = here.recorder  # also where it is closed: what it left alone still is
    recorders = open_recorders() if recorder is None else (recorder,)
    return bool(recorders) and all(one.leaves_alone(host, port) for one in recorders)


def open_recorders() -> tuple[Recorder, ...]:
    """Every recorder that is open, in the order in which they were opened."""
    return tuple(_OPEN)


def _recorder_of(here: Belonging | None) -> Recorder | None:
    """The open recorder of a context: its own, or the only one where it serves all tests."""
    recorders = open_recorders()
    if here is not None and here.recorder in recorders:
        return here.recorder
    return recorders[0] if len(recorders) == 1 and (here is None or here.lasts) else None


def _late(request: str, recorder: Recorder) -> str:
    whose = recorder.test or "a test"
    return "\n".join(
        [
            f"{request}: refused, since {whose} is over, and the thread or task that asks was started by it",
            f"Its cassette is closed: {recorder.path}",
            'Let the test wait for what it starts, or start it in a fixture that tests share (scope="session").',
            LEAVE_ALONE,
        ]
    )


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
