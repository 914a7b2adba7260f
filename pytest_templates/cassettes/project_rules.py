"""What a project adds by hooks to the built-in scrubbing and matching."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

import pluggy
import pytest

from pytest_templates.cassettes.format.bodies import transferred
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.errors import CassetteError
from pytest_templates.support.project_hooks import answer_of, implementations_of, kind_of, nonsense

UNANSWERED: Final = RecordedResponse(status=0, reason="", headers=(), body=b"")


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of a project's own.

    Attributes:
        scrub: Takes more out of an interaction than the built-in rules do; that of a request that has no response yet
            has `UNANSWERED` for one.
        match: Whether a recorded request (the second) answers a request (the first); ``None`` where it has no opinion.
    """

    scrub: Callable[[Interaction], Interaction] | None = None
    match: Callable[[RecordedRequest, RecordedRequest], bool | None] | None = None


def in_pieces(interaction: Interaction, before: RecordedResponse) -> Interaction:
    """An interaction that a rule made, its response in the pieces in which it came before."""
    response = interaction.response
    arrivals = transferred(response.headers, before.body, response.body, before.arrivals)
    return replace(interaction, response=replace(response, arrivals=arrivals))


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
            problem = _problem_of(answer) if isinstance(answer, Interaction) else kind_of(answer)
            if problem:
                raise CassetteError(nonsense(one, "the changed Interaction, or None for no change", problem))
            interaction = answer if answer.sample == interaction.sample else replace(answer, sample=interaction.sample)
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


def _problem_of(interaction: Interaction) -> str:
    """What cannot be kept of an interaction that a rule made, in words; ``""`` for a sound one."""
    for name, kind in _KINDS.items():
        value = attrgetter(name)(interaction)
        if not isinstance(value, kind):
            return f"the {name} is of the type {type(value).__name__}"
    return ""


_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "template": (str, type(None)),
    "model": (str, type(None)),
    "request": RecordedRequest,
    "request.method": str,
    "request.uri": str,
    "request.headers": tuple,
    "request.body": bytes,
    "response": RecordedResponse,
    "response.status": int,
    "response.reason": str,
    "response.headers": tuple,
    "response.body": bytes,
}
