"""Report sections of a project's own, by the hook ``pytest_templates_report_section``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy
import pytest

from pytest_templates.reporting.results import RunResults
from pytest_templates.run.features import Feature
from pytest_templates.run.processes import fail_run
from pytest_templates.support.failures import failure_text
from pytest_templates.support.project_hooks import answer_of, implementations_of, kind_of, nonsense

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.reporting.document import Report


def _sections_of(
    hook: pluggy.HookCaller, report: Report, config: pytest.Config
) -> tuple[list[tuple[str, str]], list[str]]:
    """The sections that implementations of a hook return, and the errors of others; without secrets."""
    from pytest_templates.errors import HookError
    from pytest_templates.redaction.reports import redacted_in_run

    sections: list[tuple[str, str]] = []
    errors: list[str] = []
    try:
        implementations = implementations_of(hook, HookError)
    except HookError as error:
        return [], [failure_text([error])]
    for one in implementations:
        try:
            section = _checked(one, answer_of(one, HookError, report=report))
        except HookError as error:
            errors.append(failure_text([error]))
        else:
            sections += [] if section is None else [section]
    return redacted_in_run(sections, config), redacted_in_run(errors, config)


def _checked(implementation: pluggy.HookImpl, answer: Any) -> tuple[str, str] | None:
    """Check what a hook returned.

    Raises:
        HookError: It is neither a title with a text nor ``None``.
    """
    if answer is None:
        return None
    from pytest_templates.errors import HookError

    expected = "a title and a text, or None for no section"
    if not isinstance(answer, tuple):
        raise HookError(nonsense(implementation, expected, kind_of(answer)))
    if [type(part) for part in answer] != [str, str]:
        kinds = ", ".join(type(part).__name__ for part in answer)
        raise HookError(nonsense(implementation, expected, f"the types are ({kinds})"))
    return answer


class ReportSections(Feature):
    """Calls the hook when all tests were run, and prints what it returns.

    Args:
        config: The run.
        results: The results of the tests.
    """

    def __init__(self, config: pytest.Config, results: RunResults) -> None:
        self._hook: pluggy.HookCaller = config.hook.pytest_templates_report_section
        self._results = results
        self._sections: list[tuple[str, str]] = []
        self._errors: list[str] = []

    def pytest_collection_finish(self) -> None:
        """Keep the results if the hook is implemented: every ``conftest.py`` is known now."""
        self._results.is_wanted = self._results.is_wanted or bool(self._hook.get_hookimpls())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Call the hook; fail the run if it fails."""
        if self._hook.get_hookimpls():
            self._sections, self._errors = _sections_of(self._hook, self._results.report(), session.config)
        if self._errors:
            fail_run(session)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the sections, and the errors."""
        for title, text in self._sections:
            terminalreporter.section(title)
            terminalreporter.line(text)
        for error in self._errors:
            terminalreporter.line(f"templates: {error}", red=True)
