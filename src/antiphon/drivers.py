"""The two drivers that run a template's script, blocking and async; nothing else is written twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import aclosing, closing, suppress
from contextvars import Context
from functools import partial
from operator import call
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar
from weakref import ref

from antiphon.effects import Effect
from antiphon.errors import InvalidType
from antiphon.events import Event
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message
from antiphon.parts import Parts
from antiphon.session import RENDERING, Run, Session
from antiphon.threads import Owned, is_cancelled, stepwise

Step: TypeAlias = Message | Event | Effect | Parts
Script: TypeAlias = Generator[Step, Any, Session]


def drive(script: Script, run: Run, *, streaming: bool = False) -> Generator[Message | Event, None, Session]:
    """Play a script to its end, doing what it asks for; yields what it says, returns its session.

    Args:
        script: The script.
        run: The run it belongs to.
        streaming: Whether models are listened to while they speak.
    """
    steps = _Steps(script, run)
    hands_out = steps.hands_out
    try:
        for step in steps:
            if type(step) is Message or not isinstance(step, (Effect, Parts)):
                if not steps.say(step):
                    continue
                if hands_out:
                    steps.suspend()
                yield step
                if hands_out:
                    steps.resume()
            elif type(step) is Parts:
                yield from steps.play(step, streaming=streaming)
            elif streaming:
                yield from steps.listen(step)
            else:
                steps.perform(step)
    finally:
        try:
            steps.resume()
        finally:
            steps.close()
    return steps.session


async def adrive(script: Script, run: Run, *, streaming: bool = False) -> AsyncGenerator[Message | Event]:
    """Play a script to its end, without blocking the event loop; its session is ``run.session`` afterwards.

    Args:
        script: The script.
        run: The run it belongs to.
        streaming: Whether models are listened to while they speak.
    """
    steps = _Steps(script, run)
    hands_out = steps.hands_out
    listening: Owned[Message | Event] | None = None
    try:
        for step in steps:
            if type(step) is Message or not isinstance(step, (Effect, Parts)):
                if not steps.say(step):
                    continue
                if hands_out:
                    steps.suspend()
                yield step
                if hands_out:
                    steps.resume()
            elif streaming or type(step) is Parts:
                listening = Owned(
                    steps.aplay(step, streaming=streaming) if type(step) is Parts else steps.alisten(step)
                )
                async for said in listening:
                    yield said
            else:
                await steps.aperform(step)
    finally:
        try:
            steps.resume()
            if listening is not None:
                await listening.aclose()
        finally:
            steps.close()


class _Steps:
    """Iterates over the steps of a script, and sends it the result of each, or raises its error there.

    Attributes:
        session: The session that the script returned; not set before its end.
        hands_out: Whether somebody may do something between two steps: the program, or a template that goes through
            another one by itself.
    """

    __slots__ = ("_call", "_do", "_is_outermost", "_resume", "_run", "_script", "_value", "hands_out", "session")

    session: Session

    def __init__(self, script: Script, run: Run) -> None:
        if run.part_playback is not None:
            from antiphon.advance import played

            script = played(script, run, run.part_playback)
        self._script = script
        self._run = run
        self._is_outermost = run.path is None  # not one that a template goes through to render another by itself
        self.hands_out = run.is_handed_out or not self._is_outermost
        context = run.context if self._is_outermost else None  # within another the script runs there already
        self._call: Callable[..., Any] = call if context is None else context.run
        self._do: Callable[..., Any] = self._call
        if run.is_handed_out:  # else the templates are at work from end to end
            self._do = self._at_work if context is None else self._at_work_there
        self._resume: Callable[[Any], Step] = script.send
        self._value: Any = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Step:
        resume, value = self._resume, self._value
        self._resume, self._value = self._script.send, None
        try:
            step: Step = self._do(resume, value)
        except StopIteration as stop:
            self.session = stop.value
            raise
        return step

    def close(self) -> None:
        """Leave the script where it is, with its clean-up; what came up while a step was left is raised there."""
        error = self._value
        try:
            if self._resume == self._script.throw and not isinstance(error, GeneratorExit):
                with suppress(StopIteration):
                    self._do(self._script.throw, error)
        finally:
            self._do(self._script.close)

    def suspend(self) -> None:
        """Stop, until whoever goes through the run asks for the next step."""
        run = self._run
        run.suspended = True
        if run.is_handed_out and self._is_outermost and (listeners := LISTENERS.now.suspend):
            self._call(tell, listeners, RunSuspended(run.path or "", run.session))

    def resume(self) -> None:
        """Go on, where the run was suspended."""
        run = self._run
        if not run.suspended:
            return
        run.suspended = False
        while run.waiting:
            run.waiting.pop().set()
        if run.is_handed_out and self._is_outermost and (listeners := LISTENERS.now.resume):
            self._call(tell, listeners, RunResumed(run.path or "", run.session))

    def say(self, step: object) -> bool:
        """Count a message, and let an event pass; returns whether it may be yielded."""
        if type(step) is not Message and isinstance(step, Event):
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
            self._value = self._do(effect.perform)
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)

    async def aperform(self, effect: Effect) -> None:
        """Do what an effect asks for, without blocking the event loop."""
        try:
            self._value = await self._awaited_at_work(effect.aperform())
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)
        await self._go_on()

    def play(self, parts: Parts, *, streaming: bool) -> Generator[Message | Event]:
        """Play parts one after another, and pass on what they say."""
        try:
            with closing(parts.played(partial(drive, streaming=streaming))) as said:
                for step in said:
                    self.suspend()
                    yield step
                    self.resume()
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)

    async def aplay(self, parts: Parts, *, streaming: bool) -> AsyncGenerator[Message | Event]:
        """Play parts at the same time, and pass on what they say."""
        try:
            async with aclosing(Owned(parts.aplayed(partial(adrive, streaming=streaming)))) as said:
                async for step in said:
                    self.suspend()
                    yield step
                    self.resume()
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)
        await self._go_on()

    def listen(self, effect: Effect) -> Generator[Event]:
        """Do what an effect asks for, and yield what happens meanwhile."""
        try:
            events = effect.stream()
            try:
                self._value = yield from self._passed_on(events)
            finally:
                self._do(events.close)
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)

    def _passed_on(self, events: Generator[Event, None, Any]) -> Generator[Event, None, Any]:
        while True:
            try:
                event = self._do(next, events)
            except StopIteration as stop:
                return stop.value
            self.suspend()
            yield event
            self.resume()

    async def alisten(self, effect: Effect) -> AsyncGenerator[Event]:
        """Do what an effect asks for, and yield what happens meanwhile, without blocking the event loop."""
        try:
            async with aclosing(effect.astream()) as pieces:
                while (piece := await self._awaited_at_work(anext(pieces, _END))) is not _END:
                    self._value = piece  # the last is the answer
                    if isinstance(piece, Event):
                        self.suspend()
                        yield piece
                        self.resume()
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
            self._fail(error)
        await self._go_on()

    async def _go_on(self) -> None:
        """Let no part of a run take its next step while the program has the word; one that is cancelled only ends.

        An event loop that ends cancels it once, and the program may have left by then: nobody would resume the run.
        """
        if self._run.part is None or is_cancelled():
            return
        try:
            await self._run.until_resumed()
        except BaseException as error:  # noqa: BLE001  # such as a cancellation, which is for the script
            self._fail(error)

    def _at_work_there(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self._call(self._at_work, function, *arguments)

    def _at_work(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the templates, which are at work as long as it takes."""
        outer = RENDERING.get()
        RENDERING.set(ref(self._run))
        try:
            return function(*arguments)
        finally:
            RENDERING.set(outer)  # no reset of a token: what nobody finished is closed anywhere

    async def _awaited_at_work(self, pending: Awaitable[Any]) -> Any:
        """Await what templates do, which are at work as long as it takes."""
        if not self._run.is_handed_out:
            return await pending
        outer = RENDERING.get()
        RENDERING.set(ref(self._run))
        try:
            return await pending
        finally:
            RENDERING.set(outer)

    def _fail(self, error: BaseException) -> None:
        self._resume, self._value = self._script.throw, error


_T = TypeVar("_T")


class InContext(AsyncGenerator[_T]):
    """An async generator that runs in context variables of its own, whichever task asks for its next step.

    Args:
        context: The variables.
        steps: The generator.
    """

    def __init__(self, context: Context, steps: AsyncGenerator[_T]) -> None:
        self._context = context
        self._steps = steps

    async def asend(self, value: None) -> _T:
        """Go on to the next step."""
        return await stepwise(self._steps.asend(value), self._context.run)

    async def athrow(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
    ) -> _T:
        """Go on with an error, to the next step."""
        del traceback  # the error's own
        error = value if isinstance(value, BaseException) else kind
        return await stepwise(self._steps.athrow(error), self._context.run)

    async def aclose(self) -> None:
        """Leave it where it is, with its clean-up."""
        await stepwise(self._steps.aclose(), self._context.run)


_END = object()


class RunSuspended(NamedTuple):
    """A run stops at a message or an event: whoever goes through it has the word.

    Attributes:
        path: The path of the template that is rendered.
        session: The innermost session: a subroutine's while it runs.
    """

    path: str
    session: Session


class RunResumed(NamedTuple):
    """A run goes on, or is closed, after it was suspended.

    Attributes:
        path: The path of the template that is rendered.
        session: The innermost session: a subroutine's while it runs.
    """

    path: str
    session: Session
