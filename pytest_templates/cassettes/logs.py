"""vcrpy's log, which names whole addresses with the keys in them, kept quiet while a cassette is open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Let vcrpy log nothing below a warning, for the length of a block; a handler or level cannot change that."""
    loggers = [logging.getLogger(name) for name in tuple(logging.root.manager.loggerDict) if name.startswith("vcr.")]
    for logger in loggers:
        logger.addFilter(_is_warning)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_warning)
