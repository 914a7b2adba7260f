"""Redacting what pytest writes of logs while a test runs: the file of ``--log-file``, and logs in the terminal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pytest_templates.redaction.secrets import Secrets

_HANDLERS: Final = ("log_file_handler", "log_cli_handler")  # of pytest's plugin; what it captures is in reports


class RedactingFormatter(logging.Formatter):
    """Writes what another formatter writes, without secrets.

    Args:
        formatter: The other one.
        secrets: Gives what may not be written, at any time.
    """

    def __init__(self, formatter: logging.Formatter, secrets: Callable[[], Secrets]) -> None:
        super().__init__()
        self._formatter = formatter
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        return self._secrets().replace(self._formatter.format(record))


@contextmanager
def redacted_logs(config: pytest.Config, secrets: Callable[[], Secrets]) -> Iterator[None]:
    """Keep secrets out of these logs while a block runs.

    Args:
        config: The run.
        secrets: Gives what may not be written, at any time.
    """
    plugin = config.pluginmanager.get_plugin("logging-plugin")  # none after ``-p no:logging``
    handlers: list[logging.Handler] = [handler for name in _HANDLERS if (handler := getattr(plugin, name, None))]
    formatters = [handler.formatter or logging.Formatter() for handler in handlers]
    for handler, formatter in zip(handlers, formatters, strict=True):
        handler.setFormatter(RedactingFormatter(formatter, secrets))
    try:
        yield
    finally:
        for handler, formatter in zip(handlers, formatters, strict=True):
            handler.setFormatter(formatter)
