"""The two drivers that run a template's script, blocking and async; nothing else is written twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import Any, Self, TypeAlias

from antiphon.effects import Effect
from antiphon.errors import InvalidType
from antiphon.events import Event
from antiphon.messages import Message
from antiphon.session import Run, Session

Step: TypeAlias = Message | Event | Effect
Script: TypeAlias = Generator[Step, Any, Session]


def drive(script: Script, run: Run, *, streaming: bool = False) -> Generator[Message | Event, None, Session]:
    """Play a script to its end, doing what it asks for; yields what it says, returns its session.

    Args:
        script: The script.
        run: The run it belongs to.
        streaming: Whether models are listened to while they speak.
    """
    steps = _Steps(script, run)
    try:
        for step in steps:
            if not isinstance(step, Effect):
                if steps.say(step):
                    run.suspended = True
                    yield step
                    run.suspended = False
            elif streaming:
                yield from steps.listen(step)
            else:
                steps.perform(step)
    finally:
        run.suspended = False
        script.close()
    return steps.session


async def adrive(script: Script, run: Run, *, streaming: bool = False) -> AsyncGenerator[Message | Event]:
    """Play a script to its end, without blocking the event loop; its session is ``run.session`` afterwards.

    Args:
        script: The script.
        run: The run it belongs to.
        streaming: Whether models are listened to while they speak.
    """
    steps = _Steps(script, run)
    listening: AsyncGenerator[Event] | None = None
    try:
        for step in steps:
            if not isinstance(step, Effect):
                if steps.say(step):
                    run.suspended = True
                    yield step
                    run.suspended = False
            elif streaming:
                listening = steps.alisten(step)
                async for event in listening:
                    yield event
            else:
                await steps.aperform(step)
    finally:
        run.suspended = False
        if listening is not None:
            await listening.aclose()
        script.close()


class _Steps:
    """Iterates over the steps of a script, and sends it the result of each, or raises its error there.

    Attributes:
        session: The session that the script returned; not set before its end.
    """

    __slots__ = ("_resume", "_run", "_script", "_value", "session")

    session: Session

    def __init__(self, script: Script, run: Run) -> None:
        self._script = script
        self._run = run
        self._resume: Callable[[Any], Step] = script.send
        self._value: Any = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Step:
        resume, value = self._resume, self._value
        self._resume, self._value = self._script.send, None
        try:
            return resume(value)
        except StopIteration as stop:
            self.session = stop.value
            raise

    def say(self, step: object) -> bool:
        """Count a message, and let an event pass; returns whether it may be yielded."""
        if isinstance(step, Event):
            return True
        if not isinstance(step, Message):
            self._fail(
                InvalidType(
                    f"a template yielded {type(step).__name__}: {step!r}; "
                    "it yields messages, events and what self.ask() and self.include() yield"
                )
            )
            return False
        try:
            self._run.said(step)
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)
            return False
        return True

    def perform(self, effect: Effect) -> None:
        """Do what an effect asks for."""
        try:
            self._value = effect.perform()
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)

    async def aperform(self, effect: Effect) -> None:
        """Do what an effect asks for, without blocking the event loop."""
        try:
            self._value = await effect.aperform()
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)

    def listen(self, effect: Effect) -> Generator[Event]:
        """Do what an effect asks for, and yield what happens meanwhile."""
        try:
            with closing(effect.stream()) as events:
                self._value = yield from self._passed_on(events)
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)

    def _passed_on(self, events: Generator[Event, None, Any]) -> Generator[Event, None, Any]:
        while True:
            try:
                event = next(events)
            except StopIteration as stop:
                return stop.value
            with self._run.waiting():
                yield event

    async def alisten(self, effect: Effect) -> AsyncGenerator[Event]:
        """Do what an effect asks for, and yield what happens meanwhile, without blocking the event loop."""
        try:
            async with aclosing(effect.astream()) as pieces:
                async for piece in pieces:
                    self._value = piece  # the last is the answer
                    if isinstance(piece, Event):
                        with self._run.waiting():
                            yield piece
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._resume, self._value = self._script.throw, error
