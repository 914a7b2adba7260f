"""``assert_isolated``: a check that a block of code changes nothing of a session.

The module has another name: a package has its modules among its attributes, and one of them is the function.
"""

from __future__ import annotations

from types import TracebackType

from antiphon import Session
from antiphon.errors import InvalidType
from pytest_templates.isolation.guard import violation
from pytest_templates.isolation.plugin import guard_of
from pytest_templates.isolation.state import StateReader
from pytest_templates.isolation.state_hook import custom_states
from pytest_templates.run.under_way import current_attempt


class assert_isolated:  # noqa: N801  # used like a function, as pytest.raises is
    """Checks that a block changes nothing of a session: not its messages, its metadata, its runner or its model.

    What cannot be compared is named at the end of the run, as for subroutines.

    Args:
        session: The session to watch.

    Raises:
        IsolationViolation: When the block is left: something changed; the text names each place with its old and its
            new value. A block that raises is left alone.
        InvalidType: The argument is no session.

    Example:
        >>> session = Session(metadata={"seen": []})
        >>> with assert_isolated(session):
        ...     session.metadata["seen"].append("this")
        Traceback (most recent call last):
        ...
        pytest_templates.errors.IsolationViolation: the block changed the session:
          metadata['seen'][0] was added: 'this'
    """

    def __init__(self, session: Session) -> None:
        if not isinstance(session, Session):
            raise InvalidType(f"assert_isolated takes a Session, not {type(session).__name__}: {session!r}")
        self._session = session
        self._attempt = current_attempt()
        self._reader = StateReader(None if self._attempt is None else custom_states(self._attempt))

    def __enter__(self) -> None:
        self._before = self._reader.session(self._session)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        __tracebackhide__ = True
        if error is not None:
            return
        self._reader.begin()
        after = self._reader.session(self._session)
        guard = None if self._attempt is None else guard_of(self._attempt)
        if guard is not None:
            guard.name(self._reader.unseen)
        if not self._reader.same(after, self._before):
            raise violation("the block changed the session", self._before, after)
