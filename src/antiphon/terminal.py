"""A runner for the terminal: prints the conversation as it goes."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import TextIO

from antiphon.events import Event, TextDelta
from antiphon.interface import ConsoleInterface, UserInterface
from antiphon.messages import Message
from antiphon.model import Model
from antiphon.runner import Runner
from antiphon.session import Run, Session
from antiphon.templates.base import Template


class CommandLineRunner(Runner):
    """Prints every message when it is said, answers of models while they speak, with their path and model.

    Args:
        model: As with ``Runner``.
        user_interface: Who is asked; by default the user at this terminal.
        template: As with ``Runner``.
    """

    def __init__(
        self, model: Model | str, user_interface: UserInterface | None = None, template: Template | None = None
    ) -> None:
        super().__init__(model, user_interface or ConsoleInterface(), template)

    def iter(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> Generator[Message | Event, None, Session]:
        """Render the template step by step, and print it."""
        return (yield from _without_deltas(self.stream(session, template=template, max_messages=max_messages)))

    def stream(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> Generator[Message | Event, None, Session]:
        """Render the template step by step, with what models say while they speak, and print it."""
        printer = Printer(self.user_interface)
        steps = super().stream(session, template=template, max_messages=max_messages)
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                final: Session = stop.value
                return final
            printer.show(step)
            yield step

    async def _played(
        self, run: Run, template: Template, *, streaming: bool = False
    ) -> AsyncGenerator[Message | Event]:
        printer = Printer(self.user_interface)
        async with aclosing(super()._played(run, template, streaming=True)) as steps:
            async for step in steps:
                printer.show(step)
                if streaming or not isinstance(step, TextDelta):
                    yield step


class Printer:
    """Prints messages and pieces of messages.

    Args:
        user_interface: What the user said to a console is on the screen already, and not printed again.
        out: Where to; standard output where nothing else is given.
    """

    def __init__(self, user_interface: UserInterface | None = None, out: TextIO | None = None) -> None:
        self._interface = user_interface
        self._out = out or sys.stdout
        self._speaking = False

    def show(self, step: Message | Event) -> None:
        """Print a step of a conversation."""
        if isinstance(step, TextDelta):
            self._write(f"{'' if self._speaking else 'assistant: '}{printable(step.text)}")
            self._speaking = True
        elif isinstance(step, Message):
            self._show_message(step)
            self._speaking = False

    def _show_message(self, message: Message) -> None:
        by = " · ".join(part for part in (message.template_path, message.model) if part)
        calls = "".join(f" {call.name}({call.arguments})" for call in message.tool_calls)
        if self._speaking:
            self._write(f"{printable(calls)}  [{by}]\n")
        elif not (isinstance(self._interface, ConsoleInterface) and message.content is self._interface.answered):
            self._write(f"{message.role}: {printable(message.content + calls)}  [{by}]\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def printable(text: str) -> str:
    """A text without what would steer the terminal: a model's answer moves no cursor and sets no title."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _without_deltas(
    steps: Generator[Message | Event, None, Session],
) -> Generator[Message | Event, None, Session]:
    while True:
        try:
            step = next(steps)
        except StopIteration as stop:
            final: Session = stop.value
            return final
        if not isinstance(step, TextDelta):
            yield step
