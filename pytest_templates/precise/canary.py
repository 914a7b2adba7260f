"""Canaries: values put into everything that a subroutine's metadata hold, and looked for outside.

They are put there when the subroutine has ended, so that no prompt shows them, and taken out again at once. Where one
is seen outside, the subroutine could have written there all the time, whatever the containers between are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence, MutableSet
from contextlib import ExitStack, suppress
from typing import Any, Final
from uuid import uuid4

from antiphon import Session
from pytest_templates.precise.walk import walk

_MOST: Final = 1_000  # canaries in one session


def escaped(child: Session, outside: Callable[[], dict[str, Any]]) -> list[str]:
    """Where canaries are seen outside, a line each.

    Args:
        child: The session of a subroutine that has ended.
        outside: Takes a picture of what is outside.
    """
    planted: dict[str, str] = {}
    with ExitStack() as removing:
        for found in [*walk([("metadata", child.metadata)])][:_MOST]:
            canary = f"canary-{uuid4().hex}"
            remove = _planted(found.value, canary)
            if remove is not None:
                removing.callback(remove)
                planted[canary] = found.path
        seen = {canary: path for path, canary in _canaries("", outside(), planted)}
    return [f"{planted[canary]}, which is seen as {path}" for canary, path in seen.items()]


def _planted(container: Any, canary: str) -> Callable[[], None] | None:
    """Puts a canary into a container; returns what takes it out, or ``None`` where it takes none."""
    with suppress(Exception):  # a container of the user's may refuse what it likes
        if isinstance(container, MutableMapping):
            container[canary] = canary
            return lambda: _quietly(lambda: container.pop(canary, None))
        if isinstance(container, MutableSet):
            container.add(canary)
            return lambda: _quietly(lambda: container.discard(canary))
        if isinstance(container, MutableSequence | deque) and not isinstance(container, bytearray):
            container.append(canary)
            return lambda: _quietly(lambda: container.remove(canary))
    return None


def _quietly(remove: Callable[[], object]) -> None:
    with suppress(Exception):  # it took the canary, and has lost it
        remove()


def _canaries(path: str, picture: Any, planted: dict[str, str]) -> Iterator[tuple[str, str]]:
    if isinstance(picture, str) and picture in planted:
        yield path, picture
    elif isinstance(picture, dict):
        for key, value in picture.items():
            inner = f"{path}[{key!r}]" if path else str(key)
            yield from _canaries(path if key in planted else inner, value, planted)
    elif isinstance(picture, list):
        for item in picture:
            yield from _canaries(path, item, planted)
