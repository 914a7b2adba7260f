"""The runner for the terminal, which prints the conversation as it goes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from typing import TextIO

from antiphon.events import Event, TextDelta
from antiphon.interface import ConsoleInterface, UserInterface
from antiphon.messages import Message, ToolCall
from antiphon.model import Model
from antiphon.printing import visible
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
        super().__init__(model, ConsoleInterface() if user_interface is None else user_interface, template)

    def _played(
        self, run: Run, template: Template, *, streaming: bool = False
    ) -> Generator[Message | Event, None, Session]:
        printer = Printer(self.user_interface)
        steps = super()._played(run, template, streaming=True)
        with closing(steps), closing(printer):
            while True:
                try:
                    step = next(steps)
                except StopIteration as stop:
                    final: Session = stop.value
                    return final
                printer.show(step)
                if streaming or not isinstance(step, TextDelta):
                    yield step

    async def _aplayed(
        self, run: Run, template: Template, *, streaming: bool = False
    ) -> AsyncGenerator[Message | Event]:
        printer = Printer(self.user_interface)
        with closing(printer):
            async with aclosing(super()._aplayed(run, template, streaming=True)) as steps:
                async for step in steps:
                    printer.show(step)
                    if streaming or not isinstance(step, TextDelta):
                        yield step


class Printer:
    """Prints messages and pieces of messages.

    Of several models that speak at the same time, one is shown while it speaks, the others when they have spoken.

    Args:
        user_interface: What the user said to a console is on the screen already, and not printed again.
        out: Where to; standard output where nothing else is given. A terminal gets colours, unless the environment
            variable ``NO_COLOR`` is set.
    """

    def __init__(self, user_interface: UserInterface | None = None, out: TextIO | None = None) -> None:
        self._interface = user_interface
        self._out = out or sys.stdout
        self._coloured = self._out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._speaking: TextDelta | None = None  # the first piece of what is shown while it is said
        self._begins_line = True
        self._unheard: set[str | None] = set()  # where models speak meanwhile

    def show(self, step: Message | Event) -> None:
        """Print a step of a conversation."""
        if isinstance(step, TextDelta):
            self._show_piece(step)
        elif isinstance(step, Message):
            self._show_message(step)

    def close(self) -> None:
        """End the line, where what a model says was broken off."""
        self._end_line()
        self._speaking = None
        self._unheard.clear()

    def _end_line(self) -> None:
        if self._speaking is not None and not self._begins_line:
            self._write("\n")
        self._begins_line = True

    def _show_piece(self, piece: TextDelta) -> None:
        if self._speaking is None and piece.template_path not in self._unheard:
            self._speaking, self._begins_line = piece, True
        if self._speaking is None or self._speaking.template_path != piece.template_path:
            self._unheard.add(piece.template_path)
            return
        self._write(f"{self._speaker('assistant') if self._begins_line else ''}{printable(piece.text)}")
        self._begins_line = False

    def _show_message(self, message: Message) -> None:
        calls = ", ".join(_called(call) for call in message.tool_calls)
        if self._speaking is not None and message.template_path in {None, self._speaking.template_path}:
            speaker = self._speaker("assistant").rstrip() if self._begins_line else ""
            self._write(f"{speaker}{' ' * bool(calls)}{calls}{self._source(message)}\n")
            self._speaking = None
            return
        self._end_line()  # of one who goes on speaking behind this
        self._unheard.discard(message.template_path)
        if not self._typed(message):
            said = " ".join(part for part in (printable(message.content), calls) if part)
            self._write(f"{self._speaker(_name(message))}{said}{self._source(message)}\n")

    def _typed(self, message: Message) -> bool:
        """Whether the user has just typed it, at a console."""
        console = self._interface if isinstance(self._interface, ConsoleInterface) else None
        return console is not None and message.role == "user" and message.content is console.answered

    def _speaker(self, name: str) -> str:
        return self._styled(_BOLD, f"{printable(name)}:") + " "

    def _source(self, message: Message) -> str:
        by = " · ".join(printable(part) for part in (message.template_path, message.model) if part)
        return f"  {self._styled(_DIM, f'[{by}]')}" if by else ""

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._coloured else text

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


_BOLD, _DIM, _PLAIN = "\033[1m", "\033[2m", "\033[0m"


def printable(text: str) -> str:
    """What is said, in its lines, without what would steer the terminal: it moves no cursor and sets no title."""
    return visible(text, keep="\n\t")


def _name(message: Message) -> str:
    tool = message.metadata.get("tool_name")
    return f"{message.role} {tool}" if message.role == "tool" and tool else message.role


def _called(call: ToolCall) -> str:
    arguments = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in call.arguments.items()
    )
    return printable(f"{call.name}({arguments})")
