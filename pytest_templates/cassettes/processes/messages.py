"""What other processes tell the test that forked or started them: a file to which each of them adds lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pytest_templates.cassettes.processes.injected.sitecustomize import Message, tell, told
from pytest_templates.errors import CassetteError


class Messages:
    """The messages to a test.

    Args:
        path: The file.
        complain: Takes the errors of this process.

    Attributes:
        path: The file.
        programs: The names of the programs that the test has started and that no guard reaches; known in the end.
    """

    programs: tuple[str, ...] = ()

    def __init__(self, path: Path, complain: Callable[[Exception], None]) -> None:
        self.path = path
        self._complain = complain
        self._process = os.getpid()

    def complain(self, error: Exception) -> None:
        """Add an error to those of the test, from whichever process."""
        if os.getpid() == self._process:
            self._complain(error)
        else:
            self.add({"error": f"{type(error).__name__}: {error}"})

    def started(self, program: str, process: int | None = None) -> None:
        """Say that a program was started.

        Args:
            program: Its name.
            process: The id of its process, where that is known.
        """
        self.add({"program": program, "process": process})

    def add(self, message: Message) -> None:
        """Add a message."""
        tell(str(self.path), message)

    @contextmanager
    def received(self) -> Iterator[None]:
        """Take the messages of other processes at the end of a block.

        Raises:
            CassetteError: There were errors in other processes.
        """
        try:
            yield
        finally:
            messages = told(str(self.path))
            self.path.unlink(missing_ok=True)
            self.programs = _out_of_reach(messages)
            errors = list(dict.fromkeys(message["error"] for message in messages if "error" in message))
        if errors:
            raise CassetteError("\n\n".join([_heading(len(errors)), *errors]))


_GUARDED: Final[set[int]] = set()  # the processes of this test and of earlier ones that have a guard, or started one


def _heading(count: int) -> str:
    what = "one error" if count == 1 else f"{count} errors"
    return f"processes that the test forked or started met {what}:"


def _out_of_reach(messages: list[Message]) -> tuple[str, ...]:
    """The names of the programs that are no Python with a guard, nor start one."""
    for message in messages:
        if "guarded" in message and "parent" in message:
            _GUARDED.update((message["guarded"], message["parent"]))
    started = (message for message in messages if "program" in message)
    return tuple(sorted({message["program"] for message in started if message.get("process") not in _GUARDED}))
