"""How runs of sessions begin and end."""

from __future__ import annotations

from threading import Lock

from antiphon.errors import InvalidValue, naming_template
from antiphon.parameters import check_kind
from antiphon.session import Run, Session

_BEGINNING = Lock()  # once a run: of two threads that begin one at the same time, one is told


def begun(session: Session, max_messages: int | None = None, runner: object = None) -> Run:
    """Begin a run of a session; by a runner, or with the one that the session has.

    Raises:
        InvalidValue: The session is in a run already.
    """
    with _BEGINNING:
        outer = session.run
        _check_not_left(outer)
        if outer.active:
            place = "" if outer.path is None else f", at {outer.path!r}"
            error = InvalidValue(
                f"the session is in a run already{place}: a run needs a session of its own. To run a part of a tree "
                "with another runner, put it into the tree as SubroutineTemplate(template, runner=...)"
            )
            raise error if outer.path is None else naming_template(error)
        if runner is not None:
            session.runner = runner
        return session.join(Run(outer.trace, session, max_messages))


def joined(session: Session) -> Run:
    """Take part in the run that the session is in, as a template does that renders another by itself, or begin one.

    Raises:
        InvalidType: That is no session.
        InvalidValue: The session is in a run that somebody else has stopped in the middle.
    """
    outer = check_kind(session, Session, "session").run
    _check_not_left(outer)
    return begun(session) if outer.path is None else outer


def _check_not_left(run: Run) -> None:
    if run.suspended:
        raise naming_template(
            InvalidValue(
                f"the session is in the middle of a run, at {run.path!r}: "
                "go through that run's iterator to its end, or close it"
            )
        )


def ended(run: Run) -> None:
    """Leave the sessions of a run as they are between runs, with their trace."""
    if run.path is None:
        for session in {id(one): one for one in (run.root, run.session)}.values():
            session.join(Run(run.trace))
        run.active = False  # for sessions that a transform has replaced
