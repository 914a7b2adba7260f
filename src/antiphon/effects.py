"""What templates ask for: they say it as a value, and the loop that drives them does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from antiphon.calls import ChosenBy
from antiphon.connect import as_model
from antiphon.errors import RunnerNotSet
from antiphon.interface import UserInterface
from antiphon.messages import Message
from antiphon.model import Model
from antiphon.session import Session


class Effect(ABC):
    """Something to be done outside of a template; its answer comes back as the value of the ``yield``."""

    __slots__ = ()

    @abstractmethod
    def perform(self) -> Any:
        """Do it, blocking."""

    @abstractmethod
    async def aperform(self) -> Any:
        """Do it without blocking the event loop."""


@dataclass(frozen=True, slots=True)
class AskModel(Effect):
    """Ask a model to answer a session; the answer is the model's message."""

    model: Model
    session: Session
    chosen_by: ChosenBy

    def perform(self) -> Message:
        """Ask, blocking."""
        self.session.run.asked = (self.model, self.chosen_by)
        return self.model.send(self.session)

    async def aperform(self) -> Message:
        """Ask without blocking the event loop."""
        self.session.run.asked = (self.model, self.chosen_by)
        return await self.model.asend(self.session)


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


def ask(session: Session, model: Model | str | None = None) -> Generator[AskModel, Message, Message]:
    """Ask a model to answer a session: the one given, or else the runner's. The one place where that is decided.

    Raises:
        RunnerNotSet: The session has no runner, whether or not a model is given.
    """
    runner = session.runner
    if runner is None:
        raise RunnerNotSet
    if model is not None:
        return (yield AskModel(as_model(model), session, "template"))
    return (yield AskModel(runner.model, session, session.run.chosen_by))
