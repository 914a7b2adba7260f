"""Asking the user."""

from __future__ import annotations

from abc import ABC, abstractmethod

from antiphon.copies import Shared
from antiphon.session import Session
from antiphon.threads import in_thread


class UserInterface(Shared, ABC):
    """Whoever answers when a template asks the user; shared by a runner and its forks."""

    @abstractmethod
    def ask(self, session: Session, description: str | None, default: str | None) -> str:
        """Ask the user.

        Args:
            session: The conversation so far.
            description: What the template says it wants, if it says so.
            default: What an empty answer stands for, if anything.

        Returns:
            What the user says.
        """

    async def aask(self, session: Session, description: str | None, default: str | None) -> str:
        """Ask the user without blocking the event loop; by default ``ask`` in a thread."""
        return await in_thread(self.ask, session, description, default)


class ConsoleInterface(UserInterface):
    """Asks at the terminal, by ``input``.

    Attributes:
        answered: The last answer.
    """

    answered: str | None = None

    def ask(self, session: Session, description: str | None, default: str | None) -> str:  # noqa: ARG002
        """Ask at the terminal; an empty answer is the default, if there is one, and else the question is put again."""
        question = description or "You"
        hint = "" if default is None else f" [{default}]"
        end = " " if question.endswith(("?", ":")) and not hint else ": "
        answer = input(f"{question}{hint}{end}")
        while default is None and not answer.strip():  # providers refuse a user who says nothing
            answer = input(f"{question}{hint}{end}")
        self.answered = answer if default is None or answer.strip() else default
        return self.answered
