"""Injects faults into chosen templates, whatever model they call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing, closing, contextmanager
from dataclasses import replace
from itertools import chain, islice
from threading import Lock
from typing import Final, TypeAlias

from antiphon import CachedModel, FallbackModel, Message, Model, ModelCall, Reply, RetryingModel, Session
from antiphon.attempts import Wait, passing_waits
from antiphon.connect import ConnectedModel
from antiphon.errors import InvalidType, InvalidValue, ModelError, ModelTimeout, RateLimitError, ServerError
from antiphon.model import (
    Answering,
    Choice,
    Piece,
    answer_of,
    answering,
    as_said,
    astream_of,
    models_within,
    replacing,
    stream_of,
)
from antiphon.trace import CURRENT_CALL, Caller, current_caller
from pytest_templates.errors import UnusedSteps
from pytest_templates.faults import Fault
from pytest_templates.scripting.happened import happens
from pytest_templates.scripting.rules import Condition, Pattern, check_pattern
from pytest_templates.support.targets import did_you_mean, is_meant, is_of_program, which_template
from pytest_templates.support.text import counted
from pytest_templates.support.virtual_time import VirtualTime, virtual_time

_Piece: TypeAlias = str | Reply | Message


class Faults:
    """Injects faults into templates: ``llm_faults.at("support/triage", faults.timeout(), times=2)``.

    Attributes:
        time: The virtual time of the test, in which sleeping returns at once.
    """

    def __init__(self, time: VirtualTime) -> None:
        self.time = time
        self._placed: list[_Placed] = []
        self._callers: dict[tuple[str | None, str], set[str]] = {}  # with the names of the models
        self._handing_on: dict[tuple[str | None, str], set[str]] = {}  # the names of those that ask others
        self._has_asked: dict[int, bool] = {}  # by the call under way of a model that may ask others
        self._without_effect: list[str] = []

    def at(self, path: str, fault: Fault, *, times: int | None = 1, model: Pattern | None = None) -> None:
        """Let a fault happen when a template calls its model, or one that its model asks.

        To a model that was connected with ``max_retries`` it happens to one request, which is sent again: see
        ``FaultyModel``. To a model of the program's own that keeps others it happens when that has answered without
        asking any of these.

        Args:
            path: The id of the template, or a glob of its path, iterations included: ``support/turns@2/answer``.
            fault: What goes wrong: one of the ``faults``.
            times: How often, 1 or more; after that, the model answers as usual. ``None`` for always. Several faults of
                one template happen one after another.
            model: To which model: a glob of its name, or a regular expression found in it; ``None`` for whichever is
                asked. Where a test has put a model in place, it may be the name of either.

        Raises:
            InvalidType: An argument is of a wrong type.
            InvalidValue: ``times`` is less than 1.
        """
        if not isinstance(path, str):
            raise InvalidType(f"path is the id or the path of a template, not {type(path).__name__}: {path!r}")
        if not isinstance(fault, Fault):
            raise InvalidType(f"fault takes one of the faults, such as faults.timeout(), not {fault!r}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int)):
            raise InvalidType(f"times is a number, or None for ever, not {type(times).__name__}: {times!r}")
        if times is not None and times < 1:
            raise InvalidValue(f"times is 1 or more, not {times}")
        check_pattern(model, "model")
        self._placed.append(_Placed(path, fault, times, Condition(model=model)))

    @property
    def waited(self) -> float:
        """How many seconds the program, and its models, would have waited so far."""
        return self.time.waited

    def pass_by(self, wait: Wait) -> bool:
        """Add the wait of a model that makes several attempts."""
        self.time.pass_by(wait.seconds)
        return True

    @property
    def remaining(self) -> int:
        """How many faults have not happened, except those without an end, or have changed nothing."""
        return sum(placed.left or 0 for placed in self._placed) + len(self._without_effect)

    @property
    def unused(self) -> str:
        """Which faults have not happened, or have changed nothing, in words."""
        rows = [
            f"    at {one}: {one.fault!r}, {counted(one.left, 'time')} more{self._hint(one)}"
            for one in self._placed
            if one.left
        ]
        lines = []
        if rows:
            lines += ["llm_faults still holds faults that did not happen:", *rows]
            lines += [f"  what asked a model: {', '.join(path for path, _ in self._callers if path) or 'no template'}"]
        if self._without_effect:
            lines += ["llm_faults put faults on answers that stayed as they were:", *self._without_effect]
            lines += ["  the test would pass without them: choose others, or answers that they change"]
        return "\n".join(lines)

    def assert_complete(self) -> None:
        """Check that every fault has happened.

        Raises:
            UnusedSteps: Some have not, or have changed nothing; the text lists them.
        """
        if self.remaining:
            raise UnusedSteps(self.unused)

    def replacement(self, choice: Choice) -> Choice:
        """The model that a template asks, or one with the fault that is due.

        Faults of a template whose model asks others reach these: what it does about them is a part of the program.
        Whether one of the program's own does so is seen when it answers.
        """
        around = CURRENT_CALL.get()
        if around is not None and id(around) in self._has_asked:
            self._has_asked[id(around)] = True
        caller = choice.caller
        at = caller.template_path, caller.template_id
        names = {choice.asked.name, choice.model.name}
        asked = self._callers.setdefault(at, set())
        callers = [replace(caller, model=name) for name in names]
        if models_within(choice.model):
            self._handing_on.setdefault(at, set()).update(names)
            if isinstance(choice.model, _HANDING_ON) or not self._may_come(callers):
                return choice
            return choice._replace(model=_KeepingModel(choice.model, self, lambda: self._due(callers)))
        asked |= names
        fault = self._due(callers)
        if fault is None:
            return choice
        retries = _retries_of(choice)
        return choice._replace(model=FaultyModel(choice.model, fault, self, retries, lambda: self._due(callers)))

    @contextmanager
    def watching(self) -> Iterator[Callable[[], bool]]:
        """Gives what says whether the model that is at work has asked another one by now."""
        call = id(CURRENT_CALL.get())
        self._has_asked[call] = False
        try:
            yield lambda: self._has_asked[call]
        finally:
            del self._has_asked[call]

    def _may_come(self, callers: Sequence[Caller]) -> bool:
        """Whether a fault is placed that may happen to a call."""
        return any(placed.left != 0 and any(map(placed.is_for, callers)) for placed in self._placed)

    def _due(self, callers: Sequence[Caller]) -> Fault | None:
        """The fault that happens now to a call, by the names that its model has; counts it."""
        for placed in self._placed:
            if any(map(placed.is_for, callers)) and placed.take():
                return placed.fault
        return None

    def _hint(self, placed: _Placed) -> str:
        met = [models for caller, models in self._callers.items() if is_meant(placed.path, *caller)]
        if not met:
            return which_template(placed.path, self._callers)
        asked = set[str]().union(*met)
        handing_on = {
            name for at, names in self._handing_on.items() if is_meant(placed.path, *at) for name in names - asked
        }
        if any(placed.condition.is_for(Caller(None, "", name)) for name in asked):
            return ""
        meant = sorted(name for name in handing_on if placed.condition.is_for(Caller(None, "", name)))
        if meant:
            others = f"those asked there: {', '.join(sorted(asked))}" if asked else "it asked none"
            return f"; {', '.join(meant)} hands its questions on, and a fault hits the models that it asks; {others}"
        near = did_you_mean(placed.condition.model, asked) if isinstance(placed.condition.model, str) else ""
        return f"; models asked there: {', '.join(sorted(asked))}{near}"

    def had_no_effect(self, fault: Fault, session: Session) -> None:
        """Note that a fault has changed nothing in an answer."""
        caller = current_caller()
        path = session.template_path if caller is None else caller.template_path
        self._without_effect.append(f"    at {path!r}: {fault!r}")


@contextmanager
def faults_in_place() -> Iterator[Faults]:
    """Inject faults, and make time virtual, for the length of a block."""
    with virtual_time() as time:
        faults = Faults(time)
        with replacing(faults.replacement, altering=True), passing_waits(faults.pass_by):
            yield faults


class _Placed:
    """A fault of a template, and how often it is still to happen."""

    def __init__(self, path: str, fault: Fault, times: int | None, condition: Condition) -> None:
        self.path = path
        self.fault = fault
        self.left = times
        self.condition = condition
        self._lock = Lock()

    def is_for(self, caller: Caller) -> bool:
        """Whether it may happen to a call."""
        path, template_id = caller.template_path, caller.template_id
        is_there = is_meant(self.path, path, template_id) and is_of_program(self.path, template_id)
        return is_there and self.condition.is_for(caller)

    def __str__(self) -> str:
        return repr(self.path) if self.condition.model is None else f"{self.path!r}, {self.condition.given}"

    def take(self) -> bool:
        """Whether the fault happens now; counts it."""
        with self._lock:
            if self.left is not None:
                if self.left == 0:
                    return False
                self.left -= 1
            return True


_HANDING_ON: Final = (CachedModel, FallbackModel, RetryingModel)
"""Models that never answer by themselves: with what they ask, or with what that has answered before."""

_RESENT: Final = (RateLimitError, ServerError, ModelTimeout)
_LONGEST_WISH: Final = 120  # seconds that clients wait where a provider says so; a longer one they do not wait for
_FIRST_WAIT: Final = 0.5  # seconds where it does not say it: twice as long each time
_LONGEST_WAIT: Final = 8.0  # seconds


def _retries_of(choice: Choice) -> int:
    """How often the client of a model sends a request again; 0 where its ``max_retries`` was left to the client."""
    model = choice.model if isinstance(choice.model, ConnectedModel) else choice.asked
    retries = getattr(model.settings, "max_retries", 0) if isinstance(model, ConnectedModel) else 0
    return retries if isinstance(retries, int) else 0


class FaultyModel(Model):
    """A model with a fault; in traces it appears as the model itself.

    A fault is what a program gets when the model's client has given up. Where the model says by ``max_retries`` how
    often that sends a request again, a fault is what happens to one request: rate limits, errors of the server or the
    connection, and timeouts count against ``max_retries``, with waits in virtual time as the client of OpenAI has them.
    The next request meets the next fault, or is answered.

    Args:
        model: The model.
        fault: What goes wrong.
        faults: Adds up the time that passes, and takes note of a fault that changes nothing.
        retries: How often a request is sent again.
        due: What goes wrong with the next one; ``None`` for nothing.
    """

    def __init__(
        self, model: Model, fault: Fault, faults: Faults, retries: int, due: Callable[[], Fault | None]
    ) -> None:
        self.name = model.name
        self.settings = model.settings
        self._model = model
        self._fault = fault
        self._faults = faults
        self._retries = retries
        self._due = due

    @property
    def origin(self) -> Model:
        """The model that the faulty one was first copied from."""
        return self._model.origin

    def _send(self, session: Session) -> Reply | Message | str:
        requests = self._requests()
        request = next(requests)
        while True:
            try:
                return request._send(session)
            except ModelError as error:
                request = requests.throw(error)

    async def _asend(self, session: Session) -> Reply | Message | str:
        requests = self._requests()
        request = next(requests)
        while True:
            try:
                return await answer_of(request, session)
            except ModelError as error:
                request = requests.throw(error)

    def _stream(self, session: Session) -> Generator[Piece]:
        requests = self._requests()
        request, has_begun = next(requests), False
        while True:
            try:
                with closing(stream_of(request, session)) as pieces:
                    for piece in pieces:
                        has_begun = True
                        yield piece
            except ModelError as error:
                if has_begun:  # the client has handed it out
                    raise
                request = requests.throw(error)
            else:
                return

    async def _astream(self, session: Session) -> AsyncGenerator[Piece]:
        requests = self._requests()
        request, has_begun = next(requests), False
        while True:
            try:
                async with aclosing(astream_of(request, session)) as pieces:
                    async for piece in pieces:
                        has_begun = True
                        yield piece
            except ModelError as error:
                if has_begun:
                    raise
                request = requests.throw(error)
            else:
                return

    def _requests(self) -> Generator[Answering]:
        """What answers a request, and each that is sent again; the error of one is raised where it was yielded."""
        fault: Fault | None = self._fault
        for number in range(self._retries + 1):
            try:
                yield answering(self._model) if fault is None else _FaultyAnswer(self._model, fault, self._faults)
            except ModelError as error:
                wish = getattr(error, "retry_after", None) or 0
                is_resent = isinstance(error, _RESENT) and wish <= _LONGEST_WISH
                if fault is None or not is_resent or number == self._retries:
                    raise
                self._wait(wish or min(_FIRST_WAIT * 2 ** min(number, 10), _LONGEST_WAIT))
                fault = self._due()

    def _wait(self, seconds: float) -> None:
        self._faults.time.pass_by(seconds)
        call = CURRENT_CALL.get()
        if call is not None:
            call.waited += seconds

    def _recorded(self, call: ModelCall) -> None:
        self._model._recorded(call)


class _KeepingModel(Model):
    """A model of the program's own that keeps others, which it may ask; in traces it appears as the model itself.

    A fault that is due happens to what it has answered without asking any of them, where it streams from the first
    piece on. Where it has asked one, the fault was that one's.

    Args:
        model: The model.
        faults: As with ``FaultyModel``.
        due: What goes wrong with its own answer; ``None`` for nothing.
    """

    def __init__(self, model: Model, faults: Faults, due: Callable[[], Fault | None]) -> None:
        self.name = model.name
        self.settings = model.settings
        self._model = model
        self._faults = faults
        self._due = due

    @property
    def origin(self) -> Model:
        """The model that this one was first copied from."""
        return self._model.origin

    @property
    def recordable(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether calls of the model are recorded as a whole."""
        return self._model.recordable

    def _send(self, session: Session) -> Reply | Message | str:
        with self._faults.watching() as has_asked:
            answer = answering(self._model)._send(session)
            faulty = None if has_asked() else self._faulty()
        return answer if faulty is None else faulty.changed(answer, session)

    async def _asend(self, session: Session) -> Reply | Message | str:
        with self._faults.watching() as has_asked:
            answer = await answer_of(answering(self._model), session)
            faulty = None if has_asked() else self._faulty()
        return answer if faulty is None else faulty.changed(answer, session)

    def _stream(self, session: Session) -> Generator[Piece]:
        with closing(stream_of(answering(self._model), session)) as pieces:
            with self._faults.watching() as has_asked:
                first = list(islice(pieces, 1))
                faulty = None if has_asked() else self._faulty()
            heard = chain(first, pieces)
            yield from heard if faulty is None else faulty.heard(heard, session)

    async def _astream(self, session: Session) -> AsyncGenerator[Piece]:
        async with aclosing(astream_of(answering(self._model), session)) as pieces:
            with self._faults.watching() as has_asked:
                first = [piece async for piece in _first_of(pieces)]
                faulty = None if has_asked() else self._faulty()
            heard = _chained(first, pieces)
            async with aclosing(heard if faulty is None else faulty.aheard(heard, session)) as parts:
                async for part in parts:
                    yield part

    def _faulty(self) -> _FaultyAnswer | None:
        fault = self._due()
        return None if fault is None else _FaultyAnswer(self._model, fault, self._faults)

    def _recorded(self, call: ModelCall) -> None:
        self._model._recorded(call)


class _FaultyAnswer:
    """What answers one request for a model, with a fault.

    Args:
        model: The model.
        fault: What goes wrong.
        faults: As with ``FaultyModel``.
    """

    def __init__(self, model: Model, fault: Fault, faults: Faults) -> None:
        self._model = model
        self._fault = fault
        self._faults = faults

    def _send(self, session: Session) -> Reply:
        self._fail_at_once()
        return self.changed(answering(self._model)._send(session), session)

    async def _asend(self, session: Session) -> Reply:
        self._fail_at_once()
        return self.changed(await answer_of(answering(self._model), session), session)

    def _stream(self, session: Session) -> Generator[_Piece]:
        self._fail_at_once()
        with closing(stream_of(answering(self._model), session)) as pieces:
            yield from self.heard(pieces, session)

    async def _astream(self, session: Session) -> AsyncGenerator[_Piece]:
        self._fail_at_once()
        async with (
            aclosing(astream_of(answering(self._model), session)) as pieces,
            aclosing(self.aheard(pieces, session)) as heard,
        ):
            async for part in heard:
                yield part

    def heard(self, pieces: Iterable[Piece], session: Session) -> Generator[_Piece]:
        """What is heard of an answer that comes in pieces."""
        self._fail_at_once()
        if self._fault.change is not None:
            yield from self._changed_pieces([*map(as_said, pieces)], session)
            return
        cut = _Cut(self._fault.after)
        for piece in pieces:
            yield from cut.of(as_said(piece))
            if cut.is_reached:
                break
        raise self._failure()

    async def aheard(self, pieces: AsyncIterable[Piece], session: Session) -> AsyncGenerator[_Piece]:
        """What is heard of an answer that comes in pieces, without blocking the event loop."""
        self._fail_at_once()
        if self._fault.change is not None:
            for part in self._changed_pieces([as_said(piece) async for piece in pieces], session):
                yield part
            return
        cut = _Cut(self._fault.after)
        async for piece in pieces:
            for part in cut.of(as_said(piece)):
                yield part
            if cut.is_reached:
                break
        raise self._failure()

    def _fail_at_once(self) -> None:
        if self._fault.change is None and not self._fault.after:
            raise self._failure()

    def changed(self, answer: Reply | Message | str, session: Session) -> Reply:
        """An answer with the fault in it.

        Raises:
            Exception: The fault is one in place of an answer.
        """
        if self._fault.change is None:
            raise self._failure()
        happens(self._fault)
        reply = _as_reply(answer)
        changed = self._fault.change(reply, session)
        if (changed.content, changed.tool_calls) == (reply.content, reply.tool_calls):
            self._faults.had_no_effect(self._fault, session)
        return changed

    def _changed_pieces(self, pieces: Sequence[_Piece], session: Session) -> Iterator[_Piece]:
        """The pieces as far as the fault leaves them, then the whole answer; a fault at most truncates the text."""
        changed = self.changed(_whole(pieces), session)
        cut = _Cut(len(changed.content))
        for piece in pieces:
            if isinstance(piece, str):
                yield from cut.of(piece)
        yield changed

    def _failure(self) -> Exception:
        happens(self._fault)
        self._faults.time.pass_by(self._fault.seconds)
        return self._fault.raised()


async def _first_of(pieces: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
    async for piece in pieces:
        yield piece
        return


async def _chained(first: Iterable[Piece], rest: AsyncIterable[Piece]) -> AsyncGenerator[Piece]:
    for piece in first:
        yield piece
    async for piece in rest:
        yield piece


class _Cut:
    """Lets a number of characters of a stream pass."""

    def __init__(self, after: int) -> None:
        self._left = after

    @property
    def is_reached(self) -> bool:
        return self._left == 0

    def of(self, piece: _Piece) -> Iterable[str]:
        text = (piece if isinstance(piece, str) else piece.content)[: self._left]
        self._left -= len(text)
        return (text,) if text else ()


def _whole(pieces: Iterable[_Piece]) -> Reply:
    texts, last = [], Reply()
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        else:
            last = _as_reply(piece)
    return last.model_copy(update={"content": last.content or "".join(texts)})


def _as_reply(answer: Reply | Message | str) -> Reply:
    if isinstance(answer, Message):
        return Reply(answer.content, tool_calls=answer.tool_calls)
    return Reply(answer) if isinstance(answer, str) else answer
