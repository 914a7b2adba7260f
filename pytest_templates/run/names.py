"""What a test is called, whichever plugin runs it several times."""

from __future__ import annotations

from typing import Final

import pytest

_OF_PLUGINS: Final = "__"  # how the parameters begin by which pytest-repeat and its like run a test several times


def own_name(item: pytest.Item) -> str:
    """A test's name without the ids of parameters that a plugin has added, which come before or behind all others."""
    parameters = getattr(item, "callspec", None)
    if not isinstance(item, pytest.Function) or parameters is None:
        return item.name
    if item.name != f"{item.originalname}[{parameters.id}]":
        return item.name
    names, ids = list(parameters.params), list(parameters._idlist)
    while names and ids and names[0].startswith(_OF_PLUGINS):
        del names[0], ids[0]
    while names and ids and names[-1].startswith(_OF_PLUGINS):
        del names[-1], ids[-1]
    return f"{item.originalname}[{'-'.join(ids)}]" if ids else item.originalname


def repetition(item: pytest.Item) -> int:
    """Which repetition of the same test this is, from 0."""
    parameters = getattr(item, "callspec", None)
    indices = parameters.indices if parameters else {}
    return max((index for name, index in indices.items() if name.startswith(_OF_PLUGINS)), default=0)
