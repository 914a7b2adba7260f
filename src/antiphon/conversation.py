"""A conversation in the terminal that can be interrupted and resumed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from antiphon.errors import TreeChanged
from antiphon.runner import Runner
from antiphon.session import Session
from antiphon.terminal import Printer


def held(runner: Runner, session: Session, warn: Callable[[str], None]) -> None:
    """Hold a conversation at the terminal, until its template or the user ends it.

    What was said in the session already is shown first. A conversation that was broken off goes on where that was. The
    template begins anew where none was, and where it has changed since.

    Args:
        runner: Who holds it.
        session: The session; whatever ends the conversation, it holds what came of it.
        warn: Told where the template has changed.

    Raises:
        EOFError: The user's input is at its end.
        KeyboardInterrupt: The user interrupts it.
    """
    printer = Printer(runner.user_interface)
    for message in session.messages:
        printer.show(message)
    try:
        _show(runner, session, printer)
    except TreeChanged as changed:
        if session.progress is None:  # it has not gone on, and cannot change while it is held
            raise
        warn(
            "the template has changed, and begins anew after what was said\n"
            f"  expected: {changed.expected}\n  found:    {changed.found}"
        )
        session.progress = None
        _show(runner, session, printer)


def _show(runner: Runner, session: Session, printer: Printer) -> None:
    with closing(printer), closing(runner.hold(session)) as steps:
        for step in steps:
            printer.show(step)
