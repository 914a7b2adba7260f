"""The rules that a project adds by hooks, for the cassette of one test."""

from __future__ import annotations

from collections.abc import Sequence

import pluggy
import pytest

from pytest_templates.cassettes.matching import Rules, problem_of
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest
from pytest_templates.errors import CassetteError
from pytest_templates.support.project_hooks import answer_of, implementations_of, kind_of, nonsense


def rules_for(item: pytest.Item) -> Rules:
    """The rules of the plugins, and of the ``conftest.py`` files that apply to a test.

    Raises:
        CassetteError: An implementation is a wrapper; these hooks have none.
    """
    scrubbing = implementations_of(item.ihook.pytest_templates_scrub, CassetteError)
    matching = implementations_of(item.ihook.pytest_templates_match, CassetteError)
    return Rules(
        scrub=(lambda interaction: _scrubbed(scrubbing, interaction)) if scrubbing else None,
        match=(lambda request, recorded: _matches(matching, request, recorded)) if matching else None,
    )


def _scrubbed(implementations: Sequence[pluggy.HookImpl], interaction: Interaction) -> Interaction:
    for one in implementations:
        answer = answer_of(one, CassetteError, interaction=interaction)
        if answer is not None:
            problem = problem_of(answer) if isinstance(answer, Interaction) else kind_of(answer)
            if problem:
                raise CassetteError(nonsense(one, "the changed Interaction, or None for no change", problem))
            interaction = answer
    return interaction


def _matches(
    implementations: Sequence[pluggy.HookImpl], request: RecordedRequest, recorded: RecordedRequest
) -> bool | None:
    for one in implementations:
        answer = answer_of(one, CassetteError, request=request, recorded=recorded)
        if answer is not None:
            if not isinstance(answer, bool):
                raise CassetteError(nonsense(one, "True, False, or None for no opinion", kind_of(answer)))
            return answer
    return None
