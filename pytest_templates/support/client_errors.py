"""Errors that client libraries pass on to the program."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

from pytest_templates.errors import TestingError

AnError = TypeVar("AnError", bound=TestingError)


def as_client_error(error: AnError) -> AnError:
    """Change the class of an error so that client libraries pass it on to the program unchanged.

    Anthropic's client takes every error of its transport for a failed connection, waits, and tries again, but passes on
    its own errors: the error becomes one of these as well. The clients of OpenAI and Google pass on every error that is
    not theirs.
    """
    kind: type[TestingError] = type(error)
    anthropic = sys.modules.get("anthropic")
    if anthropic is not None and not isinstance(error, anthropic.AnthropicError):
        error.__class__ = _member_of(anthropic.AnthropicError, kind)
    return error


def _member_of(family: type[Exception], kind: type[TestingError]) -> Any:
    def __reduce__(error: TestingError) -> tuple[Any, ...]:  # noqa: N807  # unpickled as the original class: other processes have no such subclass
        rebuild, (_, *state) = kind.__reduce__(error)
        return rebuild, (kind, *state)

    return type(kind.__name__, (kind, family), {"__module__": kind.__module__, "__reduce__": __reduce__})
