"""Report sections of a project's own, by the hook ``pytest_templates_report_section``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy
import pytest

from pytest_templates.reporting.gathering import Gathering
from pytest_templates.run.processes import fail_run
from pytest_templates.support.failures import failure_text
from pytest_templates.support.project_hooks import answer_of, implementations_of, kind_of, nonsense

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_templates.reporting.document import Report


def _asked(hook: pluggy.HookCaller, report: Report) -> tuple[list[tuple[str, str]], list[str]]:
    """The sections that a hook wants to be said, and what was wrong with it; no secret is in them."""
    from pytest_templates.errors import HookError
    from pytest_templates.redaction.secrets import secrets_of

    redact = secrets_of().replace
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
            errors.append(redact(failure_text([error])))
        else:
            sections += [] if section is None else [(redact(section[0]), redact(section[1]))]
    return sections, errors


def _checked(implementation: pluggy.HookImpl, answer: Any) -> tuple[str, str] | None:
    """What a hook returned, where it may.

    Raises:
        HookError: It may not.
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


class Sections:
    """Asks the hook when all tests were run, and prints what it says.

    Args:
        config: Where the hook is.
        gathering: The tests.
    """

    def __init__(self, config: pytest.Config, gathering: Gathering) -> None:
        self._hook: pluggy.HookCaller = config.hook.pytest_templates_report_section
        self._gathering = gathering
        self._sections: list[tuple[str, str]] = []
        self._errors: list[str] = []

    def pytest_collection_finish(self) -> None:
        """Gather the tests where somebody implements the hook: every ``conftest.py`` is known now."""
        self._gathering.is_wanted = self._gathering.is_wanted or bool(self._hook.get_hookimpls())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Ask the hook; a run in which it fails is not a good one."""
        if self._hook.get_hookimpls():
            self._sections, self._errors = _asked(self._hook, self._gathering.report())
        if self._errors:
            fail_run(session)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print what it said."""
        for title, text in self._sections:
            terminalreporter.section(title)
            terminalreporter.line(text)
        for error in self._errors:
            terminalreporter.line(f"templates: {error}", red=True)
