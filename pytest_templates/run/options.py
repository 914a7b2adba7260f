"""Options of the command line and the ini file: how they are declared, read and checked.

Every feature has one table of its options: it is added in ``pytest_addoption`` and read in ``pytest_configure``. From
then on, ``RECORD.of(config)`` is the value of an option.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Literal, TypeVar

import pytest

T = TypeVar("T")

REPEATED: Final = pytest.StashKey[bool]()  # True in a run that only repeats another one, and writes no files of its own
_UNCHANGED: Final = object()


class Option(Generic[T]):
    """An option on the command line, in the ini file, or in both; the command line takes precedence.

    Args:
        flag: The name on the command line, such as ``--templates-record``; ``""`` for none.
        ini: The key in the ini file; ``""`` for none.
        help: The text in ``--help``.
        ini_help: The text in ``--help`` for the ini key, where it differs.
        default: What is read where the option is not given.
        choices: The valid values; empty for any.
        read: Converts what was written to the value. A `ValueError` refuses it; its text says what is wrong.
        repeated: The value in a run that only repeats another one; by default the same value.
        ini_type: How pytest reads the key: ``"string"``, or for several values ``"linelist"``, one a line, or
            ``"args"``, apart by blanks or line ends.
        kwargs: Further arguments for `argparse`, such as ``metavar`` and ``action``.
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
        ini_type: Literal["string", "linelist", "args"] = "string",
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
        self._ini_type: Literal["string", "linelist", "args"] = ini_type
        self._kwargs: dict[str, Any] = {**kwargs, "choices": self._choices} if choices else kwargs
        self._key = pytest.StashKey[T]()

    def add(self, parser: pytest.Parser) -> None:
        """Add the option to those of pytest."""
        if self._flag:
            group = parser.getgroup("templates", "programs built of prompt templates (antiphon)")
            group.addoption(self._flag, help=self._help, **self._kwargs)
        if self._ini:
            default = self._default if self._ini_type == "string" else []
            parser.addini(self._ini, self._ini_help, type=self._ini_type, default=default)

    def given(self, config: pytest.Config) -> Any:
        """What stands on the command line; ``None`` where the option is not given there."""
        return config.getoption(self._flag, None) if self._flag else None

    def of(self, config: pytest.Config) -> T:
        """The value in a run.

        Raises:
            pytest.UsageError: The value is not valid; the text says where it stands, and which values are.
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
        value = self._default if value is None else value
        if self._convert is None:
            return value
        try:
            return self._convert(value, config)
        except ValueError as error:
            raise pytest.UsageError(f"{where}: {error}") from error

    def _in_ini(self, config: pytest.Config) -> tuple[Any, str]:
        """The value in the ini file, and where it stands, in words."""
        try:
            value = config.getini(self._ini)
        except ValueError:  # the plugin that adds the key is blocked
            return self._default, ""
        where = f"{self._ini} = {value} in {config.inipath}" if self._choices else f"{self._ini} in {config.inipath}"
        if self._choices and value not in self._choices:
            raise pytest.UsageError(f"{where}: it takes one of {', '.join(self._choices)}")
        return value, where


class Options:
    """The options of a feature.

    Args:
        options: All of them, in the order of ``--help``.
    """

    def __init__(self, *options: Option[Any]) -> None:
        self._options = options

    def add(self, parser: pytest.Parser) -> None:
        """Add the options to those of pytest."""
        for option in self._options:
            option.add(parser)

    def read(self, config: pytest.Config) -> None:
        """Read all options, so that a value that is not valid is refused before any test runs.

        Raises:
            pytest.UsageError: A value is not valid.
        """
        for option in self._options:
            option.of(config)
