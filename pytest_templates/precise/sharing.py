"""What can change and belongs to a parent and its subroutine at once: found before anyone writes to it."""

from __future__ import annotations

from collections.abc import Iterator

from antiphon import Session
from pytest_templates.precise.walk import walk_session


def shared_with(parent: Session, child: Session, *, models: bool) -> Iterator[str]:
    """The objects that both can change, a line each, without what lies in one that is named already.

    Args:
        parent: The parent's session.
        child: The subroutine's.
        models: Whether a model that both have counts; it may be meant to be the same.
    """
    held = {id(found.value): found.path for found in walk_session(parent, models=models) if found.is_mutable}
    named: list[str] = []
    for found in walk_session(child, models=models):
        place = held.get(id(found.value))
        if found.is_mutable and place is not None and not any(_is_in(found.path, other) for other in named):
            named.append(found.path)
            its = "" if place == found.path else f", which the parent has as {place}"
            yield f"{found.path} ({type(found.value).__name__}){its}"


def _is_in(path: str, other: str) -> bool:
    return path.startswith(other) and path[len(other) :][:1] in {".", "[", "{"}
