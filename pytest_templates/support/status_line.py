"""A line below all that pytest has written to a terminal, which is written anew in place."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from threading import RLock
from typing import Any, Final, TextIO

from pytest_templates.support.text import in_columns

_MAKE_ROOM: Final = "\x1bD\x1b[A"  # down, where the last line scrolls, and up again: there is a line below
_BELOW: Final = "\x1b7\x1b[B\r\x1b[2K"  # keep the place; an empty line below
_BACK: Final = "\x1b8"


class StatusLine:
    """A line that vanishes before pytest writes anything.

    It stands in the place of the file that pytest's terminal writer writes to, which is how it knows. What it shows
    itself goes to the terminal by a way of its own: what the file is connected to is another thing while pytest
    captures.

    Args:
        writer: The terminal writer of pytest, of a run that writes to a terminal.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._file: TextIO = writer._file
        self._terminal = os.dup(self._file.fileno())
        self._is_shown = False
        self._lock = RLock()
        writer._file = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        """Write what pytest writes, in place of the line."""
        with self._lock:
            self.hide()
            return self._file.write(text)

    def show(self, text: Callable[[int], str]) -> None:
        """Show a text.

        Args:
            text: Gives the text for so many columns; what is wider is cut.
        """
        with self._lock, suppress(OSError):  # the terminal is gone: the run goes on
            if self._terminal >= 0:
                columns = os.get_terminal_size(self._terminal).columns - 1  # a full line would begin another one
                self._tell(f"{_MAKE_ROOM}{_BELOW}{in_columns(text(columns), columns)}{_BACK}")
                self._is_shown = True

    def hide(self) -> None:
        """Take the line away."""
        with self._lock, suppress(OSError):
            if self._is_shown:
                self._is_shown = False
                self._tell(f"{_BELOW}{_BACK}")

    def end(self) -> None:
        """Take the line away for good."""
        with self._lock:
            self.hide()
            self._writer._file = self._file
            if self._terminal >= 0:
                os.close(self._terminal)
            self._terminal = -1

    def _tell(self, text: str) -> None:
        os.write(self._terminal, text.encode(self._file.encoding or "utf-8", "replace"))
