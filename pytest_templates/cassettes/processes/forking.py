"""What happens to an open cassette when its process is forked: the new process goes on with it.

Parent and children share what has to be known at once, such as what was played, by a log in a file without a name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final, Protocol
from weakref import finalize


class Forked(Protocol):
    """What takes part in forks."""

    def before_fork(self) -> None:
        """The process is about to fork: let all other threads wait."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """The process was forked, and this one is the old one or the new one: let other threads go on."""
        ...


class Resting(Protocol):
    """What other threads may be at work on when the process forks: the new one has none of them to end that."""

    def rest(self) -> None:
        """Let all other threads wait."""
        ...

    def go_on(self, *, in_child: bool) -> None:
        """Let them go on, in the old process, or begin, in the new one."""
        ...


_TAKING_PART: Final[list[Forked]] = []


@contextmanager
def taking_part(forked: Forked) -> Iterator[None]:
    """Tell something of every fork, for the length of a block."""
    _listen()
    _TAKING_PART.append(forked)
    try:
        yield
    finally:
        _TAKING_PART.remove(forked)


@cache
def _listen() -> None:
    """Hear of forks from now on; Python has no means to stop it."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


def _before() -> None:
    for forked in _TAKING_PART:
        forked.before_fork()


def _after_in_parent() -> None:
    for forked in reversed(_TAKING_PART):
        forked.after_fork(in_child=False)


def _after_in_child() -> None:
    for forked in reversed(_TAKING_PART):
        forked.after_fork(in_child=True)


class SharedLog:
    """A log that a process shares with those that are forked from it. One thread at a time may use it."""

    def __init__(self) -> None:
        self._file, name = mkstemp()
        Path(name).unlink()
        finalize(self, os.close, self._file)
        self._read = 0  # how much of it this process knows

    @contextmanager
    def locked(self) -> Iterator[list[Any]]:
        """Let no other process use it in a block; gives what they have added."""
        import fcntl  # there where processes fork

        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield self._news()
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _news(self) -> list[Any]:
        size = os.fstat(self._file).st_size
        content = os.pread(self._file, size - self._read, self._read)
        self._read = size
        return [json.loads(line) for line in content.splitlines()]

    def add(self, entry: Any) -> None:
        """Add an entry, in a block of `locked`."""
        line = json.dumps(entry).encode() + b"\n"
        os.pwrite(self._file, line, self._read)
        self._read += len(line)
