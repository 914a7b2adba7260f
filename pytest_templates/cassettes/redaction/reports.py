"""Redacting what pytest reports: tracebacks, captured logs, warnings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_templates.cassettes.redaction.secrets import Secrets


_SAID = ("longrepr", "sections", "user_properties", "wasxfail")


class Hiding:
    """Keeps the secrets of tests out of what pytest says beside their reports: warnings, and headings of subtests."""

    def __init__(self) -> None:
        self._secrets: dict[Secrets, None] = {}

    def learn(self, secrets: Secrets) -> None:
        """From now on these are said no more."""
        self._secrets[secrets] = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hide them in the heading of a subtest."""
        context = getattr(report, "context", None)
        if self._secrets and context is not None:
            for name in ("msg", "kwargs"):
                object.__setattr__(context, name, self._hidden(getattr(context, name)))  # it is frozen

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Hide them in a warning, as that of a thread that died of an exception."""
        text = str(warning_message.message)
        hidden_text = self._hidden(text)
        if hidden_text != text:
            warning_message.message = hidden_text

    def _hidden(self, value: Any) -> Any:
        for secrets in self._secrets:
            value = hidden(value, secrets)
        return value


def hide(report: pytest.TestReport, secrets: Secrets, *also: str) -> None:
    """Replace every secret in what a report says.

    Args:
        report: The report; it is changed.
        secrets: What may not be said.
        also: Further attributes of the report, of plain data.
    """
    for name in (*_SAID, *also):
        if hasattr(report, name):
            setattr(report, name, hidden(getattr(report, name), secrets))


def hidden(value: Any, secrets: Secrets) -> Any:
    """Plain data, or a representation of a failure, with a placeholder for every secret."""
    if isinstance(value, str):
        return secrets.replace(value)
    if type(value) in (list, tuple):
        return type(value)(hidden(inner, secrets) for inner in value)
    if isinstance(value, dict):
        return {name: hidden(inner, secrets) for name, inner in value.items()}
    if hasattr(value, "toterminal"):  # pytest's representations of failures; those of plugins as well
        for name, inner in vars(value).items():
            setattr(value, name, hidden(inner, secrets))
    return value
