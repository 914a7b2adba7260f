"""The two small loops that drive a template's script, blocking and async; nothing else is written twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import Any, TypeAlias

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
    resume: Callable[[Any], Step] = script.send
    value: Any = None
    try:
        while True:
            try:
                step = resume(value)
            except StopIteration as stop:
                session: Session = stop.value
                return session
            resume, value = script.send, None
            try:
                if isinstance(step, Effect):
                    value = (yield from _listened(step, run)) if streaming else step.perform()
                    continue
                _heard(step, run)
            except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
                resume, value = script.throw, error
                continue
            run.suspended = True
            yield step
            run.suspended = False
    finally:
        run.suspended = False
        script.close()


async def adrive(script: Script, run: Run, *, streaming: bool = False) -> AsyncGenerator[Message | Event]:
    """Play a script to its end, without blocking the event loop; its session is ``run.session`` afterwards.

    Args:
        script: The script.
        run: The run it belongs to.
        streaming: Whether models are listened to while they speak.
    """
    resume: Callable[[Any], Step] = script.send
    value: Any = None
    try:
        while True:
            try:
                step = resume(value)
            except StopIteration:
                return
            resume, value = script.send, None
            try:
                if isinstance(step, Effect):
                    if streaming:
                        async with aclosing(step.astream()) as pieces:
                            async for piece in pieces:
                                value = piece
                                if isinstance(piece, Event):
                                    with run.waiting():
                                        yield piece
                    else:
                        value = await step.aperform()
                    continue
                _heard(step, run)
            except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
                resume, value = script.throw, error
                continue
            run.suspended = True
            yield step
            run.suspended = False
    finally:
        run.suspended = False
        script.close()


def _listened(effect: Effect, run: Run) -> Generator[Event, None, Any]:
    """Do what an effect asks for, and yield what happens meanwhile; returns the answer."""
    with closing(effect.stream()) as pieces:
        while True:
            try:
                piece = next(pieces)
            except StopIteration as stop:
                return stop.value
            with run.waiting():
                yield piece


def _heard(step: object, run: Run) -> None:
    if isinstance(step, Message):
        run.said(step)
    elif not isinstance(step, Event):
        raise InvalidType(
            f"a template yielded {type(step).__name__}: {step!r}; "
            "it yields messages, events and what self.ask() and self.include() yield"
        )
