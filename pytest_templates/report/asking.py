"""Asking the hook of a project for its sections of the report."""

from __future__ import annotations

from typing import Any

import pluggy

from pytest_templates.cassettes.secrets import secrets_of
from pytest_templates.errors import HookError
from pytest_templates.implementations import answer_of, implementations_of, kind_of, nonsense
from pytest_templates.report.document import Report
from pytest_templates.verdicts import told


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
