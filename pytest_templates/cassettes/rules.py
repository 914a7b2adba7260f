"""What a project adds to the built-in rules of recordings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from pytest_templates.cassettes.arrivals import transferred
from pytest_templates.cassettes.values import Interaction, RecordedRequest, RecordedResponse

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


def problem_of(interaction: Interaction) -> str:
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
