"""Redacting pytest's reports: tracebacks of client libraries print addresses, logs print headers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.junitxml import xml_key  # fixtures write to what it leads to, past the reports

from pytest_templates.run.features import Feature
from pytest_templates.run.report_data import ATTRIBUTE

if TYPE_CHECKING:
    from pytest_templates.redaction.secrets import Secrets
    from pytest_templates.run.attempt import Attempt

_PARTS = ("longrepr", "sections", "user_properties", "wasxfail", ATTRIBUTE)
_REDACTION = pytest.StashKey["Redaction"]()


class Redaction(Feature):
    """Redacts what is said beside the reports of tests: warnings, headings of subtests, and properties in JUnit's file.

    Args:
        config: The run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._secrets: dict[Secrets, None] = {}

    def learn(self, secrets: Secrets) -> None:
        """From now on these are redacted."""
        self._secrets[secrets] = None

    @property
    def learned(self) -> tuple[Secrets, ...]:
        """The secrets of the tests that were reported so far."""
        return tuple(self._secrets)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Redact the heading of a subtest, attributes in JUnit's file, and what features send with any report."""
        if hasattr(report, ATTRIBUTE):
            setattr(report, ATTRIBUTE, self.redacted(getattr(report, ATTRIBUTE)))
        junit = self._config.stash.get(xml_key, None)
        for test in junit.node_reporters.values() if junit is not None else ():  # those under way
            test.attrs.update(self.redacted(test.attrs))
        context = getattr(report, "context", None)
        if self._secrets and context is not None:
            for name in ("msg", "kwargs"):
                object.__setattr__(context, name, self.redacted(getattr(context, name)))  # it is frozen

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Redact a warning, as that of a thread that died of an exception."""
        text = str(warning_message.message)
        redacted_text = self.redacted(text)
        if redacted_text != text:
            warning_message.message = redacted_text

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Redact properties of the whole suite: a fixture writes them beside the reports."""
        junit = self._config.stash.get(xml_key, None)
        if junit is not None:
            junit.global_properties[:] = self.redacted(junit.global_properties)

    def redacted(self, value: Any) -> Any:
        """Plain data, or a representation of a failure, with a placeholder for every secret of the run so far."""
        for secrets in self._secrets:
            value = redacted(value, secrets)
        return value


def redact(report: pytest.TestReport, secrets: Secrets, config: pytest.Config) -> None:
    """Replace every secret in a report, and from now on in warnings and headings.

    Args:
        report: The report; it is changed.
        secrets: What may not be printed.
        config: The run.
    """
    if _REDACTION not in config.stash:
        config.stash[_REDACTION] = Redaction(config)
        config.pluginmanager.register(config.stash[_REDACTION], "templates-redaction")
    config.stash[_REDACTION].learn(secrets)
    for name in _PARTS:
        if hasattr(report, name):
            setattr(report, name, redacted(getattr(report, name), secrets))


def redaction_of(attempt: Attempt) -> Callable[[str], str]:
    """Puts a placeholder in the place of every secret that an attempt may know."""
    from pytest_templates.redaction.secrets import secrets_of

    return attempt.hook.redaction_of(attempt=attempt) or secrets_of().replace


def redacted_in_run(value: Any, config: pytest.Config) -> Any:
    """Plain data without the secrets of the environment, nor those of the tests that ran in this process."""
    from pytest_templates.redaction.secrets import secrets_of

    learned = config.stash[_REDACTION].learned if _REDACTION in config.stash else ()
    for secrets in (secrets_of(), *learned):
        value = secrets.replace_in(value, is_shortened=True)
    return value


def redacted(value: Any, secrets: Secrets) -> Any:
    """Plain data, or a representation of a failure, with a placeholder for every secret."""
    if isinstance(value, str):
        return secrets.replace(value, is_shortened=True)
    if type(value) in (list, tuple):
        return type(value)(redacted(inner, secrets) for inner in value)
    if isinstance(value, dict):
        return {name: redacted(inner, secrets) for name, inner in value.items()}
    if hasattr(value, "toterminal"):  # pytest's representations of failures; those of plugins as well
        for name, inner in vars(value).items():
            setattr(value, name, redacted(inner, secrets))
    return value
