"""What was meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from pytest_templates.coverage.data import without_iterations
from pytest_templates.targets import is_meant


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the one of the known that is like it, if there is one."""
    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def which_template(target: str, asked: Collection[tuple[str | None, str]]) -> str:
    """The end of a message about a target that names none of the templates that asked a model, if one can be guessed.

    Args:
        target: An id, or a glob of a path.
        asked: The paths and ids of the templates that asked.
    """
    deeper = f"**/{target}"
    if any(is_meant(deeper, path, "") for path, _ in asked):
        return f"; a path is named from the root of its tree on: did you mean {deeper!r}?"
    paths = {path for path, _ in asked if path}
    return did_you_mean(target, {*(key for _, key in asked if key), *paths, *map(without_iterations, paths)})
