"""A conversation at this terminal that can be broken off, saved, and gone on with."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from antiphon.errors import AntiphonError, InvalidValue
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


def resumed(file: Path) -> Session:
    """A session that was saved.

    Raises:
        InvalidValue: The file cannot be read, or holds none.
    """
    try:
        return Session.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidValue(f"{file} holds no saved session: {f'{where}: ' * bool(where)}{first['msg']}") from error


def check_writable(file: Path) -> None:
    """Complain before the conversation and not after it.

    Raises:
        InvalidValue: A session cannot be saved there, or something else stands there.
    """
    folder = file.absolute().parent
    if file.is_dir() or not os.access(folder, os.W_OK):
        raise InvalidValue(f"a session cannot be saved as {file}: {_obstacle(file, folder)}")
    if file.exists() and file.stat().st_size:
        try:
            resumed(file)
        except InvalidValue as error:
            raise InvalidValue(f"{error}\n  it would be lost: save the session under another name") from error


def _obstacle(file: Path, folder: Path) -> str:
    if file.is_dir():
        return "that is a folder"
    return f"the folder {folder} {'may not be written to' if folder.exists() else 'does not exist'}"


def save(session: Session, file: Path) -> None:
    """Save a session in one step: whatever happens, there is the old file or the whole new one.

    Metadata values that have no JSON form are saved as the text that describes them.

    Raises:
        AntiphonError: The file cannot be written, or the session has no JSON form at all.
    """
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with unfinished.open("w", encoding="utf-8") as out:
            out.write(session.model_dump_json(indent=2, fallback=repr))
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    except OSError as error:
        raise AntiphonError(f"the session could not be saved as {file}: {error.strerror}") from error
    except (PydanticSerializationError, ValueError) as error:  # ValueError: it holds itself
        raise AntiphonError(f"the session could not be saved as {file}: {error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
