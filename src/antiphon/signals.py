"""The signals of breaks and ends, which pass up through the templates that they leave.

They are no errors: a template between the one that leaves and the one that is left sees them pass like a ``return``,
with its clean-up and its after-transforms. They never leave a run.
"""

from __future__ import annotations

from antiphon.session import Session
from antiphon.waiting import UserNeeded


class Leaving(BaseException):
    """Base of the signals: templates are being left.

    Attributes:
        session: The session to go on with where the leaving stops.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session


class LeaveLoop(Leaving):
    """The nearest enclosing loop is left, or the nearest linear template where there is no loop."""


class EndConversation(Leaving):
    """The whole conversation ends."""


def is_failure(error: BaseException | None) -> bool:
    """Whether what ended a template, a tool or a call early is a failure.

    None is: a break or an end, a conversation that waits for its user, and a program that closes what runs.
    """
    return error is not None and not isinstance(error, Leaving | UserNeeded | GeneratorExit)


def is_open(error: BaseException | None) -> bool:
    """Whether a template was left without a failure before it was clear what it does: by a wait or a close."""
    return isinstance(error, UserNeeded | GeneratorExit)
