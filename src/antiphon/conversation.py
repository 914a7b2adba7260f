"""A conversation in the terminal that can be interrupted and resumed."""

from __future__ import annotations

from contextlib import closing

from antiphon.messages import Message
from antiphon.observers import Observer, TemplateEntered, observing
from antiphon.runner import Runner
from antiphon.session import Run, Session
from antiphon.terminal import Printer


class Conversation(Observer):
    """A conversation, until its template or the user ends it.

    A session that has messages already is shown first. The template then begins anew; a system message that it repeats
    word for word is not said twice.

    Args:
        runner: Who holds it.
        session: The session it begins with.
    """

    def __init__(self, runner: Runner, session: Session) -> None:
        self._runner = runner
        self._first = session
        self._run: Run | None = None
        self._instructions = {_key(message) for message in session.messages if message.role == "system"}

    @property
    def session(self) -> Session:
        """The session as it is now, also when it was broken off; a transform may have replaced the first one."""
        return self._first if self._run is None else self._run.root

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Take note of the run: it knows the session at any time."""
        if event.session is self._first:
            self._run = event.session.run

    def hold(self) -> None:
        """Hold the conversation.

        Raises:
            EOFError: The user's input is at its end.
            KeyboardInterrupt: The user interrupts it.
        """
        printer = Printer(self._runner.user_interface)
        for message in self._first.messages:
            printer.show(message)
        with observing(self), closing(printer), closing(self._runner.stream(self._first)) as steps:
            for step in steps:
                if not (isinstance(step, Message) and self._takes_back(step)):
                    printer.show(step)

    def _takes_back(self, message: Message) -> bool:
        messages = self.session.messages
        if message.role != "system" or _key(message) not in self._instructions or messages[-1:] != [message]:
            return False
        messages.pop()
        return True


def _key(message: Message) -> tuple[str | None, str]:
    return message.template_path, message.content
