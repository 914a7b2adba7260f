"""``ScriptedUser``: a test double that gives prepared answers instead of asking a user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from antiphon import Session, UserInterface
from antiphon.errors import InvalidType
from pytest_templates.errors import UnscriptedCall, UnusedSteps
from pytest_templates.scripting.steps import UserStep, checked_user_steps, shown
from pytest_templates.support.text import counted


class ScriptedUser(UserInterface):
    """A user interface that gives prepared answers, in order.

    Tests make one with the fixture ``scripted_user``, which checks at teardown that every answer was given.

    Args:
        *answers: Texts, and functions of the session that return one.
        complain: Called with the error of every question without an answer, which is raised as well.

    Raises:
        InvalidType: An answer is of a wrong type; the text names its place.
    """

    def __init__(self, *answers: UserStep, complain: Callable[[Exception], None] | None = None) -> None:
        self._answers: Sequence[UserStep] = checked_user_steps(answers, "scripted_user")
        self._given = 0
        self._lock = Lock()
        self._complain = complain

    @property
    def remaining(self) -> int:
        """How many answers are left."""
        return len(self._answers) - self._given

    def ask(self, session: Session, description: str | None, default: str | None) -> str:  # noqa: ARG002
        """Give the next answer.

        Raises:
            UnscriptedCall: No answer is left.
            InvalidType: A function returned no text.
        """
        with self._lock:
            number = self._given + 1
            if number > len(self._answers):
                raise self._unscripted(session, description)
            self._given = number
        step = self._answers[number - 1]
        answer: object = step if isinstance(step, str) else step(session)
        if isinstance(answer, str):
            return answer
        raise InvalidType(
            f"answer {number} of scripted_user, {shown(step)}, returned {type(answer).__name__}, not text"
        )

    async def aask(self, session: Session, description: str | None, default: str | None) -> str:
        """Give the next answer."""
        return self.ask(session, description, default)

    def assert_complete(self) -> None:
        """Check that every answer was given.

        Raises:
            UnusedSteps: Some are left; the text lists them.
        """
        if self.remaining:
            raise UnusedSteps(self.unused)

    @property
    def unused(self) -> str:
        """The answers that are left, in words."""
        left = enumerate(self._answers[self._given :], self._given + 1)
        listed = "\n".join(f"    {number}. {shown(answer)}" for number, answer in left)
        return (
            f"scripted_user was asked {counted(self._given, 'time')} "
            f"and still holds {counted(self.remaining, 'answer')}:\n"
            f"{listed}\n"
            "  take out the answers that are too many, or find out why the program asked less often"
        )

    def _unscripted(self, session: Session, description: str | None) -> UnscriptedCall:
        error = UnscriptedCall(
            f"scripted_user was asked by the template at {session.template_path!r} and its script is over: "
            f"all its answers ({self._given}) were given\n"
            f"  the template wants: {description or 'what the user says'}\n"
            "  add an answer, or find out why the program asks once more"
        )
        if self._complain is not None:
            self._complain(error)
        return error
