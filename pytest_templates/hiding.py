"""Reports of tests without secrets: tracebacks of client libraries print addresses, logs print headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_templates.cassettes.secrets import Secrets

_SAID = ("longrepr", "sections", "user_properties", "wasxfail")


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
