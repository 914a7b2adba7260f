"""Which templates a target means, an id or a path glob, and suggestions where it means none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

JUDGE: Final = "llm_judge"
USER: Final = "llm_user"
OF_THE_TEST: Final = frozenset({JUDGE, USER})
"""The ids under which a test itself asks models: their calls are none of its program's."""

_ITERATION: Final = re.compile(r"@\d+(?=/|$)")


def is_meant(target: str, path: str | None, template_id: str) -> bool:
    """Whether a target means a template.

    Args:
        target: The id of a template, or a glob of its path: ``*`` stays within a segment, ``**`` crosses ``/``.
        path: The template's path, iterations included; ``None`` outside of templates.
        template_id: Its id, or for a template without one its path without iterations.
    """
    from antiphon.trace import path_pattern

    fits = path_pattern(target).fullmatch
    return fits(path or "") is not None or fits(template_id) is not None


def is_glob(target: str) -> bool:
    """Whether a target is a glob: it may mean several templates."""
    return "*" in target or "?" in target


def is_of_program(target: str, template_id: str) -> bool:
    """Whether a target may mean a call: that of the test's own judge or user it means by its id alone."""
    return template_id not in OF_THE_TEST or target == template_id


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: a similar one among the known names, if there is one."""
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def which_template(target: str, asked: Collection[tuple[str | None, str]]) -> str:
    """The end of a message about a target that means no template that called a model: a suggestion, if there is one.

    Args:
        target: An id, or a glob of a path.
        asked: The paths and ids of the templates that called a model.
    """
    deeper = f"**/{target}"
    if any(is_meant(deeper, path, "") for path, _ in asked):
        return f"; a path is named from the root of its tree on: did you mean {deeper!r}?"
    paths = {path for path, _ in asked if path}
    return did_you_mean(target, {*(key for _, key in asked if key), *paths, *map(without_iterations, paths)})


def without_iterations(path: str) -> str:
    """A template's path without the iterations of loops: ``support/turns/answer`` for ``support/turns@2/answer``."""
    return _ITERATION.sub("", path)
