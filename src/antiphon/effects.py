"""Effects: what templates ask for, as values; the drivers perform them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Any

from antiphon.connect import as_model
from antiphon.errors import RunnerNotSet
from antiphon.events import Event
from antiphon.interface import UserInterface
from antiphon.messages import Message
from antiphon.model import Model
from antiphon.replacing import chosen
from antiphon.request import ANY_TEXT, Request
from antiphon.session import Session
from antiphon.threads import in_thread, is_async, pause, run_to_end
from antiphon.tools import Tool
from antiphon.trace import ChosenBy


class Effect(ABC):
    """Something to be done outside of a template; its answer comes back as the value of the ``yield``."""

    __slots__ = ()

    @abstractmethod
    def perform(self) -> Any:
        """Do it, blocking."""

    @abstractmethod
    async def aperform(self) -> Any:
        """Do it without blocking the event loop."""

    def stream(self) -> Generator[Event, None, Any]:
        """Do it, and yield what happens meanwhile; by default that is nothing."""
        return self.perform()
        yield  # what makes this a generator

    async def astream(self) -> AsyncGenerator[Any]:
        """Do it without blocking the event loop, and yield what happens meanwhile; the last value is the answer."""
        yield await self.aperform()


@dataclass(frozen=True, slots=True)
class AskModel(Effect):
    """Ask a model to answer a session; the answer is the model's message."""

    model: Model
    session: Session
    chosen_by: ChosenBy
    request: Request = ANY_TEXT

    def perform(self) -> Message:
        """Ask, blocking."""
        with self.session.run.asking(self.model, self.chosen_by, self.request):
            return self.model.send(self.session)

    async def aperform(self) -> Message:
        """Ask without blocking the event loop."""
        with self.session.run.asking(self.model, self.chosen_by, self.request):
            return await self.model.asend(self.session)

    def stream(self) -> Generator[Event, None, Any]:
        """Ask, and yield what the model says while it speaks."""
        asking = self.session.run.asking(self.model, self.chosen_by, self.request)
        with asking, closing(self.model.stream(self.session)) as pieces:
            for piece in pieces:
                if isinstance(piece, Message):
                    return piece
                yield piece
        raise AssertionError("a stream ends with its message")

    async def astream(self) -> AsyncGenerator[Any]:
        """Ask without blocking the event loop, and yield what the model says while it speaks; at last the message."""
        with self.session.run.asking(self.model, self.chosen_by, self.request):
            async with aclosing(self.model.astream(self.session)) as pieces:
                async for piece in pieces:
                    yield piece


@dataclass(frozen=True, slots=True)
class AskUser(Effect):
    """Ask the user; the answer is what the user says."""

    interface: UserInterface
    session: Session
    description: str | None
    default: str | None

    def perform(self) -> str:
        """Ask, blocking."""
        return self.interface.ask(self.session, self.description, self.default)

    async def aperform(self) -> str:
        """Ask without blocking the event loop."""
        return await self.interface.aask(self.session, self.description, self.default)


@dataclass(frozen=True, slots=True)
class RunTool(Effect):
    """Run a tool's function; the answer is what it returns, awaited where that is to be."""

    tool: Tool[..., Any]
    arguments: dict[str, Any]

    def perform(self) -> Any:
        """Run it, blocking; an async function in an event loop of its own."""
        if is_async(self.tool.function):
            return run_to_end(self.tool.function, self.arguments)
        result = self.tool.function(**self.arguments)
        return run_to_end(_awaited, {"result": result}) if isawaitable(result) else result

    async def aperform(self) -> Any:
        """Run it without blocking the event loop; a sync function in a thread."""
        if is_async(self.tool.function):
            return await self.tool.function(**self.arguments)
        result = await in_thread(partial(self.tool.function, **self.arguments))
        return await result if isawaitable(result) else result


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


@dataclass(frozen=True, slots=True)
class Pause(Effect):
    """Let other tasks run, between two turns of a loop in which nothing was awaited."""

    def perform(self) -> None:
        """Do nothing: threads take turns by themselves."""

    async def aperform(self) -> None:
        """Let the event loop go on."""
        await pause()


def ask(
    session: Session, model: Model | str | None = None, request: Request = ANY_TEXT
) -> Generator[AskModel, Message, Message]:
    """Ask a model to answer a session: the one given, or else the runner's. The one place where that is decided.

    Raises:
        RunnerNotSet: The session has no runner, whether or not a model is given.
    """
    runner = session.runner
    if runner is None:
        raise RunnerNotSet
    if model is None:
        return (yield from ask_chosen(session, runner.model, session.run.chosen_by, request))
    return (yield from ask_chosen(session, as_model(model), "template", request))


def ask_chosen(
    session: Session, model: Model, chosen_by: ChosenBy, request: Request = ANY_TEXT
) -> Generator[AskModel, Message, Message]:
    """Ask a model that is chosen already, or the one in its place: see `antiphon.replacing`."""
    choice = chosen(model, chosen_by, session)
    return (yield AskModel(choice.model, session, choice.chosen_by, request))
