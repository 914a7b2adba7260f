"""The two small loops that drive a template's script, blocking and async; nothing else is written twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeAlias

from antiphon.effects import Effect
from antiphon.errors import InvalidType
from antiphon.events import Event
from antiphon.messages import Message
from antiphon.session import Run, Session

Step: TypeAlias = Message | Event | Effect
Script: TypeAlias = Generator[Step, Any, Session]


def drive(script: Script, run: Run) -> Generator[Message | Event, None, Session]:
    """Play a script to its end, doing what it asks for; yields what it says, returns its session."""
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
            if isinstance(step, Message):
                run.said(step)
                yield step
            elif isinstance(step, Effect):
                try:
                    value = step.perform()
                except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
                    resume, value = script.throw, error
            else:
                yield _event(step, run)
    finally:
        script.close()


async def adrive(script: Script, run: Run) -> AsyncGenerator[Message | Event]:
    """Play a script to its end, without blocking the event loop; its session is ``run.session`` afterwards."""
    resume: Callable[[Any], Step] = script.send
    value: Any = None
    try:
        while True:
            try:
                step = resume(value)
            except StopIteration:
                return
            resume, value = script.send, None
            if isinstance(step, Message):
                run.said(step)
                yield step
            elif isinstance(step, Effect):
                try:
                    value = await step.aperform()
                except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
                    resume, value = script.throw, error
            else:
                yield _event(step, run)
    finally:
        script.close()


def _event(step: object, run: Run) -> Event:
    if isinstance(step, Event):
        return step
    raise InvalidType(
        f"the template at {run.path!r} yielded {type(step).__name__}: {step!r}; "
        "a template yields messages, events and what self.ask() and self.include() yield"
    )
