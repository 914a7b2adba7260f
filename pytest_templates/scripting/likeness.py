"""Which provider a scripted model is like: whose rules hold for the conversations that it is asked to answer."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

Like: TypeAlias = Literal["openai", "anthropic", "google"]

LIKE: Final[tuple[Like, ...]] = get_args(Like)


def check_like(given: Any) -> None:
    """Make sure that this is a provider whose rules are known, or ``None``.

    Raises:
        ValueError: It is neither; the text names the valid ones.
    """
    if given is not None and given not in LIKE:
        raise ValueError(f"like takes {', '.join(map(repr, LIKE))} or None, not {given!r}")
