"""Session init strategies: what a subroutine inherits from its parent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from antiphon.copies import isolated
from antiphon.errors import InvalidType, shown
from antiphon.messages import Message
from antiphon.pairing import paired
from antiphon.parameters import check_count
from antiphon.session import Session
from antiphon.threads import is_plain_function


class SessionInitStrategy(ABC):
    """Makes a subroutine's session out of its parent's."""

    @abstractmethod
    def initialize(self, parent_session: Session) -> Session:
        """Make the session; the parent's must stay as it is.

        Whatever a strategy takes over by reference is copied before the subroutine sees it.
        """


class CleanSessionStrategy(SessionInitStrategy):
    """No messages, a copy of the metadata."""

    def initialize(self, parent_session: Session) -> Session:
        """Make the session."""
        return _heir(parent_session, ())


class InheritSystemStrategy(SessionInitStrategy):
    """The parent's system messages, a copy of the metadata."""

    def initialize(self, parent_session: Session) -> Session:
        """Make the session."""
        return _heir(parent_session, (message for message in parent_session.messages if message.role == "system"))


class LastNMessagesStrategy(SessionInitStrategy):
    """The parent's last messages, a copy of the metadata.

    A result of a tool whose call lies before them is left out, and so is a call that has no result yet.

    Args:
        n: How many messages at the most, 0 or more.
    """

    def __init__(self, n: int) -> None:
        self.n = check_count(n, "n")

    def initialize(self, parent_session: Session) -> Session:
        """Make the session."""
        last = parent_session.messages[-self.n :] if self.n else []
        return _heir(parent_session, paired(last, range(len(last))))


class FilteredInheritStrategy(SessionInitStrategy):
    """The parent's messages for which a function is true, a copy of the metadata.

    Calls of tools and their results stay together: see ``antiphon.pairing``.

    Args:
        filter_fn: Asked for every message; a plain function, not an async one.
    """

    def __init__(self, filter_fn: Callable[[Message], bool]) -> None:
        if not is_plain_function(filter_fn):
            raise InvalidType(f"filter_fn is a function of a message that is not async, not {shown(filter_fn)}")
        self.filter_fn = filter_fn

    def initialize(self, parent_session: Session) -> Session:
        """Make the session."""
        messages = parent_session.messages
        chosen = {index for index, message in enumerate(messages) if self.filter_fn(message)}
        return _heir(parent_session, paired(messages, chosen))


# The sessions that these make share nothing with the parent; those of a subclass may.
COPYING: frozenset[type[SessionInitStrategy]] = frozenset(
    {CleanSessionStrategy, InheritSystemStrategy, LastNMessagesStrategy, FilteredInheritStrategy}
)


def _heir(parent: Session, messages: Iterable[Message]) -> Session:
    return Session(messages=detached(messages), metadata=isolated(parent.metadata))


def detached(messages: Iterable[Message]) -> list[Message]:
    """Copies of the messages: a message is frozen, but not what its metadata and its tool calls hold."""
    return [isolated(message) for message in messages]
