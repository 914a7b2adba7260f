"""Options of the command line and of the ini file: what one is, how it is added, read and refused.

A room has one table of its options: add it in ``pytest_addoption``, read it in ``pytest_configure``, and ask an option
for its value with ``RECORD.of(config)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Literal, TypeVar

import pytest

T = TypeVar("T")

REPEATED: Final = pytest.StashKey[bool]()  # set in a run that only repeats another one, and writes nothing of its own
_UNCHANGED: Final = object()


class Option(Generic[T]):
    """One option: on the command line, in the ini file, or in both; the command line wins.

    Args:
        flag: As it is typed, such as ``--templates-record``; ``""`` for none.
        ini: The key in the ini file; ``""`` for none.
        help: What ``--help`` says of it.
        ini_help: What ``--help`` says of the key, where that is something else.
        default: What it is where it is not given.
        choices: The valid values; empty where any text is.
        read: Gives the value for what was written. A `ValueError` refuses it; its text says what is wrong.
        repeated: What it is in a run that only repeats another one; as given, where left out.
        ini_type: How pytest reads the key: ``"string"``, or ``"linelist"`` for one value a line.
        kwargs: What else `argparse` takes, such as ``metavar`` and ``action``.
    """

    def __init__(
        self,
        flag: str = "",
        *,
        help: str,  # noqa: A002  # as argparse and pytest call it
        ini: str = "",
        ini_help: str = "",
        default: Any = None,
        choices: Sequence[str] = (),
        read: Callable[[Any, pytest.Config], T] | None = None,
        repeated: object = _UNCHANGED,
        ini_type: Literal["string", "linelist"] = "string",
        **kwargs: Any,
    ) -> None:
        self._flag = flag
        self._ini = ini
        self._help = help
        self._ini_help = ini_help or help
        self._default = default
        self._choices = tuple(choices)
        self._convert = read
        self._repeated = repeated
        self._ini_type = ini_type
        self._kwargs = kwargs
        self._key = pytest.StashKey[T]()

    def add(self, parser: pytest.Parser) -> None:
        """Add it to pytest's own."""
        if self._flag:
            group = parser.getgroup("templates", "programs built of prompt templates (antiphon)")
            given = {**self._kwargs, **({"choices": self._choices} if self._choices else {})}
            default = None if self._ini or "action" in given else self._default
            group.addoption(
                self._flag, help=self._help, **({"default": default} if default is not None else {}), **given
            )
        if self._ini:
            default = [] if self._ini_type == "linelist" else self._default
            parser.addini(self._ini, self._ini_help, type=self._ini_type, default=default)

    def given(self, config: pytest.Config) -> Any:
        """What was typed on the command line; ``None`` for nothing."""
        return config.getoption(self._flag, None) if self._flag else None

    def of(self, config: pytest.Config) -> T:
        """The value in a run.

        Raises:
            pytest.UsageError: What was written is not valid; the text says where it stands, and what is.
        """
        if self._key not in config.stash:
            config.stash[self._key] = self._value(config)
        return config.stash[self._key]

    def _value(self, config: pytest.Config) -> Any:
        if self._repeated is not _UNCHANGED and config.stash.get(REPEATED, False):
            return self._repeated
        value, where = self.given(config), f"{self._flag}={self.given(config)}"
        if value is None and self._ini:
            value, where = self._in_ini(config)
        if self._convert is None:
            return self._default if value is None else value
        try:
            return self._convert(value, config)
        except ValueError as error:
            raise pytest.UsageError(f"{where}: {error}") from error

    def _in_ini(self, config: pytest.Config) -> tuple[Any, str]:
        """The value of the key, and where it stands, in words."""
        try:
            value = config.getini(self._ini)
        except ValueError:  # the room that adds it is blocked
            return self._default, ""
        where = f"{self._ini} = {value} in {config.inipath}" if self._choices else f"{self._ini} in {config.inipath}"
        if self._choices and value not in self._choices:
            raise pytest.UsageError(f"{where}: it takes one of {', '.join(self._choices)}")
        return value, where


class Options:
    """The options of a room.

    Args:
        options: All of them, in the order of ``--help``.
    """

    def __init__(self, *options: Option[Any]) -> None:
        self._options = options

    def add(self, parser: pytest.Parser) -> None:
        """Add them to pytest's own."""
        for option in self._options:
            option.add(parser)

    def read(self, config: pytest.Config) -> None:
        """Read them all, so that a value that is not valid is refused before any test runs.

        Raises:
            pytest.UsageError: One is not valid.
        """
        for option in self._options:
            option.of(config)
