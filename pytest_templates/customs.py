"""The rules that a project adds by hooks, for the cassette of one test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy
import pytest

from pytest_templates.cassettes.rules import Rules, problem_of
from pytest_templates.cassettes.values import Interaction, RecordedRequest
from pytest_templates.errors import CassetteError


def rules_for(item: pytest.Item) -> Rules:
    """The rules of the plugins, and of the ``conftest.py`` files that apply to a test.

    Raises:
        CassetteError: An implementation is a wrapper; these hooks have none.
    """
    scrubbing = _implementations(item, "pytest_templates_scrub")
    matching = _implementations(item, "pytest_templates_match")
    return Rules(
        scrub=(lambda interaction: _scrubbed(scrubbing, interaction)) if scrubbing else None,
        match=(lambda request, recorded: _matches(matching, request, recorded)) if matching else None,
    )


def _implementations(item: pytest.Item, hook: str) -> list[pluggy.HookImpl]:
    """In the order in which pluggy calls them."""
    found = list(reversed(getattr(item.ihook, hook).get_hookimpls()))
    for one in found:
        if one.wrapper or one.hookwrapper:
            raise CassetteError(f"{one.plugin_name}: {hook} cannot be a wrapper: write it as a plain function")
    return found


def _scrubbed(implementations: Sequence[pluggy.HookImpl], interaction: Interaction) -> Interaction:
    for one in implementations:
        answer = _answer(one, interaction=interaction)
        if answer is not None:
            problem = problem_of(answer) if isinstance(answer, Interaction) else _kind(answer)
            if problem:
                raise _nonsense(one, "the changed Interaction, or None for no change", problem)
            interaction = answer
    return interaction


def _matches(
    implementations: Sequence[pluggy.HookImpl], request: RecordedRequest, recorded: RecordedRequest
) -> bool | None:
    for one in implementations:
        answer = _answer(one, request=request, recorded=recorded)
        if answer is not None:
            if not isinstance(answer, bool):
                raise _nonsense(one, "True, False, or None for no opinion", _kind(answer))
            return answer
    return None


def _answer(implementation: pluggy.HookImpl, **given: object) -> Any:
    try:
        return implementation.function(*(given[name] for name in implementation.argnames))
    except Exception as error:
        raise CassetteError(f"{_named(implementation)} failed with {type(error).__name__}: {error}") from error


def _nonsense(implementation: pluggy.HookImpl, expected: str, problem: str) -> CassetteError:
    return CassetteError(f"{_named(implementation)} is to return {expected}; of what it returned, {problem}")


def _kind(answer: object) -> str:
    return f"the type is {type(answer).__name__}"


def _named(implementation: pluggy.HookImpl) -> str:
    return f"{implementation.plugin_name}: the hook {implementation.function.__name__}"
