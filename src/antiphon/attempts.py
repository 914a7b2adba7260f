"""Models that make several attempts at an answer: ``RetryingModel`` asks one again, ``FallbackModel`` asks the next.

What is to be tried is decided in one place for each, by a generator; sync, async and streamed calls follow it.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractContextManager, aclosing, closing
from math import isfinite
from random import SystemRandom
from typing import Final, NamedTuple, TypeAlias

from antiphon.call_recorder import calls_within
from antiphon.connect import as_model
from antiphon.errors import InvalidType, InvalidValue, ModelError, ModelTimeout, RateLimitError, ServerError, shown
from antiphon.events import TextDelta
from antiphon.listeners import registered
from antiphon.messages import Message
from antiphon.model import Model, ModelSettings
from antiphon.session import Session
from antiphon.threads import is_plain_function, pause, sleep
from antiphon.trace import CURRENT_CALL, ModelCall

Waiting: TypeAlias = float | Callable[[int], float]


class Wait(NamedTuple):
    """A wait before another attempt.

    Attributes:
        seconds: How long, 0 or more.
        jitter: Up to how much longer, by chance: so that many who failed at once do not come again at once.
        after: The call that failed, innermost where models ask others; ``None`` where that is not known.
    """

    seconds: float
    jitter: float = 0.0
    after: ModelCall | None = None


PassBy: TypeAlias = Callable[[Wait], bool]

_passing: list[PassBy] = []


def passing_waits(pass_by: PassBy) -> AbstractContextManager[None]:
    """Let waits pass in virtual time, for the length of a block, in every thread and task.

    Args:
        pass_by: Told of every wait; returns whether it passes at once. Then there is no jitter.
    """
    return registered(_passing, pass_by)


class Attempt(NamedTuple):
    """What is tried next.

    Attributes:
        model: The model that is asked.
        wait: What comes before; ``None`` for nothing.
    """

    model: Model
    wait: Wait | None = None


class _AttemptingModel(Model):
    """A model that asks others until one of them answers."""

    @abstractmethod
    def _attempts(self) -> Generator[Attempt]:
        """What is tried, one attempt after another.

        The error of one that failed is raised where it was yielded; an error that comes out is that of the whole call.
        """

    def _send(self, session: Session) -> Message:
        with closing(self._attempts()) as attempts:
            attempt = next(attempts)
            while True:
                _wait(attempt)
                try:
                    return attempt.model.send(session)
                except ModelError as error:
                    attempt = attempts.throw(error)

    async def _asend(self, session: Session) -> Message:
        with closing(self._attempts()) as attempts:
            attempt = next(attempts)
            while True:
                await _await(attempt)
                try:
                    return await attempt.model.asend(session)
                except ModelError as error:
                    attempt = attempts.throw(error)

    def _stream(self, session: Session) -> Generator[TextDelta | Message]:
        with closing(self._attempts()) as attempts:
            attempt = next(attempts)
            while True:
                _wait(attempt)
                heard = 0
                try:
                    with closing(attempt.model.stream(session)) as pieces:
                        for piece in pieces:
                            heard += _length(piece)
                            yield piece
                except ModelError as error:
                    if heard:
                        error.add_note(_BROKEN_OFF.format(heard))
                        raise
                    attempt = attempts.throw(error)
                else:
                    return

    async def _astream(self, session: Session) -> AsyncGenerator[TextDelta | Message]:
        with closing(self._attempts()) as attempts:
            attempt = next(attempts)
            while True:
                await _await(attempt)
                heard = 0
                try:
                    async with aclosing(attempt.model.astream(session)) as pieces:
                        async for piece in pieces:
                            heard += _length(piece)
                            yield piece
                except ModelError as error:
                    if heard:
                        error.add_note(_BROKEN_OFF.format(heard))
                        raise
                    attempt = attempts.throw(error)
                else:
                    return


def _wait(attempt: Attempt) -> None:
    seconds = 0.0 if attempt.wait is None else _begun(attempt.wait)
    if seconds:
        time.sleep(seconds)


async def _await(attempt: Attempt) -> None:
    if attempt.wait is not None:
        seconds = _begun(attempt.wait)
        await (sleep(seconds) if seconds else pause())


def _begun(wait: Wait) -> float:
    """How long to wait in real time, for a wait that begins; it counts for the call under way, virtual or not."""
    is_virtual = any([pass_by(wait) for pass_by in tuple(_passing)])  # noqa: C419  # each hears of it
    seconds = wait.seconds if is_virtual else wait.seconds + _chance.uniform(0, wait.jitter)
    call = CURRENT_CALL.get()
    if call is not None:
        call.waited += seconds
    return 0.0 if is_virtual else seconds


_chance = SystemRandom()  # has no state: a program's own random numbers stay as they are, and forks differ


def _length(piece: TextDelta | Message) -> int:
    return len(piece.text) if isinstance(piece, TextDelta) else 0


_BROKEN_OFF: Final = "{} characters of the answer had been said by then: no other attempt follows them"


class RetryingModel(_AttemptingModel):
    """A model that is asked again where it failed for a reason that may pass.

    Such reasons are ``RateLimitError``, ``ServerError`` (a connection that failed is one) and ``ModelTimeout``. Every
    other error is raised at once, and after the last attempt the last error as it is, with a note on the attempts.

    The call counts once. Its ``inner`` has a call for each attempt, its ``waited`` the seconds in between. A stream is
    begun again only where nothing of it was said: after its first text an error is raised.

    Args:
        model: The model, or the name of one. The name and the settings of this model are those of that.
        attempts: How often it is asked at most, 1 or more.
        wait: How long to wait before another attempt, in seconds: a number, or a function of the number of the attempt
            that has failed, from 1, whatever the provider says. By default as long as that says; where it says nothing,
            1, 2, 4 seconds and so on, up to 60; and up to half of that more, by chance. A provider that wants more than
            300 seconds is not waited for: its error is raised at once.

    Raises:
        InvalidType: An argument is of a wrong type.
        InvalidValue: ``attempts`` is less than 1, or ``wait`` is no time that can be waited.
    """

    def __init__(self, model: Model | str, attempts: int = 3, wait: Waiting | None = None) -> None:
        self.model = as_model(model)
        self.name = self.model.name
        self.attempts = _checked_attempts(attempts)
        self.wait = _checked_waiting(wait)

    @property
    def settings(self) -> ModelSettings:
        """The settings of the model that is asked."""
        return self.model.settings

    @settings.setter
    def settings(self, settings: ModelSettings) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.model.settings = settings

    def _attempts(self) -> Generator[Attempt]:
        wait: Wait | None = None
        for number in range(1, self.attempts + 1):
            try:
                yield Attempt(self.model, wait)
            except ModelError as error:
                wait = self._wait_after(error, number) if number < self.attempts else None
                if wait is None:
                    self._note(error, number)
                    raise

    def _wait_after(self, error: ModelError, number: int) -> Wait | None:
        """The wait after a failed attempt; ``None`` where no other one is to follow."""
        if not isinstance(error, _MAY_PASS):
            return None
        after = _failed(calls_within(), error)
        if self.wait is not None:
            return Wait(_checked_seconds(self.wait(number)) if callable(self.wait) else self.wait, after=after)
        seconds = getattr(error, "retry_after", None) or 0.0
        if seconds > _LONGEST_WISH:
            error.add_note(f"the provider wants {seconds:g} seconds to pass, more than the {_LONGEST_WISH} of a wait")
            return None
        if not (isfinite(seconds) and seconds > 0):
            seconds = float(min(2 ** min(number - 1, _DOUBLINGS), _LONGEST))
        return Wait(seconds, jitter=seconds / 2, after=after)

    def _note(self, error: ModelError, number: int) -> None:
        if number > 1:
            call = CURRENT_CALL.get()
            waited = "" if call is None else f", with waits of {call.waited:g} s in all"
            error.add_note(f"model {self.name!r} was asked {number} times{waited}")


_MAY_PASS: Final = (RateLimitError, ServerError, ModelTimeout)
_LONGEST_WISH: Final = 300  # seconds
_LONGEST: Final = 60  # seconds
_DOUBLINGS: Final = 6  # lead from one second beyond the longest wait


def _failed(calls: Sequence[ModelCall], error: ModelError) -> ModelCall | None:
    """The innermost of the calls that raised an error."""
    for call in reversed(calls):
        if call.error is error:
            return _failed(call.inner, error) or call
    return None


def _checked_attempts(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidType(f"attempts is a number, not {shown(given)}")
    if given < 1:
        raise InvalidValue(f"attempts is 1 or more, counting the first one, not {given}")
    return given


def _checked_waiting(given: Waiting | None) -> Waiting | None:
    if given is None or is_plain_function(given):
        return given
    return _checked_seconds(given)


def _checked_seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidType(f"wait is a number of seconds, or a function that returns one, not {shown(given)}")
    if not (isfinite(given) and given >= 0):
        raise InvalidValue(f"wait is 0 or more seconds, not {given}")
    return float(given)


class FallbackModel(_AttemptingModel):
    """A model that asks others in turn, until one of them answers.

    The next one is asked after every ``ModelError``: another provider may have time, another key, room for a longer
    conversation, or an answer that can be read. Mistakes of the program, such as an ``InvalidConversation``, are raised
    at once. Where no model answers, the error of the last one is raised, with a note on what each of them said.

    The call counts once, as that of the model that answered; its ``inner`` has a call for each that was asked. Each
    model has its own settings. A stream goes to the next model only where nothing of it was said: after its first text
    an error is raised.

    Args:
        models: The models, or names of some, in order; at least one.

    Raises:
        InvalidType: Those are no models.
        InvalidValue: There is none.
    """

    def __init__(self, models: Sequence[Model | str]) -> None:
        if isinstance(models, str) or not isinstance(models, Sequence):
            raise InvalidType(f"FallbackModel takes a list of models, not {shown(models)}")
        if not models:
            raise InvalidValue("FallbackModel was given no model: name at least one")
        self.models = tuple(as_model(one, f"models[{index}]") for index, one in enumerate(models))
        self.name = " | ".join(model.name for model in self.models)

    def _attempts(self) -> Generator[Attempt]:
        failed: list[tuple[str, ModelError]] = []
        for model in self.models:
            try:
                yield Attempt(model)
            except ModelError as error:
                failed.append((model.name, error))
        _, last = failed[-1]
        last.add_note("\n".join(["none of these models answered:", *(_said(name, error) for name, error in failed)]))
        raise last


def _said(name: str, error: ModelError) -> str:
    text = str(error).replace("\n", "\n    ")
    return f"  {name}: {type(error).__name__}: {text}"
