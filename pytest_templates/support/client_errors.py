"""Errors that client libraries pass on."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

from pytest_templates.errors import TestingError

AnError = TypeVar("AnError", bound=TestingError)


def as_client_error(error: AnError) -> AnError:
    """Make an error one that a client library passes on to the program as it is.

    Anthropic's client takes every error of its transport for a failed connection, waits, and tries again; the errors of
    its own family it passes on, so the error becomes a member of that family. The clients of OpenAI and Google pass on
    whatever is no failure of theirs.
    """
    kind: type[TestingError] = type(error)
    anthropic = sys.modules.get("anthropic")
    if anthropic is not None and not isinstance(error, anthropic.AnthropicError):
        error.__class__ = _member_of(anthropic.AnthropicError, kind)
    return error


def _member_of(family: type[Exception], kind: type[TestingError]) -> Any:
    def __reduce__(error: TestingError) -> tuple[Any, ...]:  # noqa: N807  # for processes that have no such class
        rebuild, (_, *state) = kind.__reduce__(error)
        return rebuild, (kind, *state)

    return type(kind.__name__, (kind, family), {"__module__": kind.__module__, "__reduce__": __reduce__})
