"""Which templates a user means."""

from __future__ import annotations

from antiphon.calls import path_pattern


def is_meant(target: str, path: str | None, template_id: str) -> bool:
    """Whether a template is one of those that a user named.

    Args:
        target: The id of a template, or a glob of its path: ``*`` stays within a segment, ``**`` crosses ``/``.
        path: The template's path, iterations included; ``None`` outside of templates.
        template_id: Its id, or for a template without one its path without iterations.
    """
    fits = path_pattern(target).fullmatch
    return fits(path or "") is not None or fits(template_id) is not None
