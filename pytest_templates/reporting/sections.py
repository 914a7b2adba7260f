"""Report sections of a project's own, by the hook ``pytest_templates_report_section``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy
import pytest

from pytest_templates.cassettes.redaction.secrets import secrets_of
from pytest_templates.errors import HookError
from pytest_templates.reporting.document import Report
from pytest_templates.reporting.gathering import Gathering
from pytest_templates.support.failures import told
from pytest_templates.support.project_hooks import answer_of, implementations_of, kind_of, nonsense

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def asked(hook: pluggy.HookCaller, report: Report) -> tuple[list[tuple[str, str]], list[str]]:
    """The sections that a hook wants to be said, and what was wrong with it; no secret is in them."""
    hide = secrets_of().replace
    sections: list[tuple[str, str]] = []
    errors: list[str] = []
    try:
        implementations = implementations_of(hook, HookError)
    except HookError as error:
        return [], [told([error])]
    for one in implementations:
        try:
            section = _checked(one, answer_of(one, HookError, report=report))
        except HookError as error:
            errors.append(hide(told([error])))
        else:
            sections += [] if section is None else [(hide(section[0]), hide(section[1]))]
    return sections, errors


def _checked(implementation: pluggy.HookImpl, answer: Any) -> tuple[str, str] | None:
    """What a hook returned, where it may.

    Raises:
        HookError: It may not.
    """
    if answer is None:
        return None
    expected = "a title and a text, or None for no section"
    if not isinstance(answer, tuple):
        raise HookError(nonsense(implementation, expected, kind_of(answer)))
    if [type(part) for part in answer] != [str, str]:
        kinds = ", ".join(type(part).__name__ for part in answer)
        raise HookError(nonsense(implementation, expected, f"the types are ({kinds})"))
    return answer


def watch(config: pytest.Config) -> None:
    """Collect what the hook is told, where all of it arrives: not in a worker of xdist."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Sections(config), "templates-sections")


class Sections:
    """Asks the hook when all tests were run, and prints what it says.

    Args:
        config: Where the hook is.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._hook: pluggy.HookCaller = config.hook.pytest_templates_report_section
        self._gathering = Gathering(config)
        self._sections: list[tuple[str, str]] = []
        self._errors: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test."""
        if self._hook.get_hookimpls():
            self._gathering.hear(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Ask the hook; a run in which it fails is not a good one."""
        if self._hook.get_hookimpls():
            self._sections, self._errors = asked(self._hook, self._gathering.report())
        if self._errors and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print what it said."""
        for title, text in self._sections:
            terminalreporter.section(title)
            terminalreporter.line(text)
        for error in self._errors:
            terminalreporter.line(f"templates: {error}", red=True)
