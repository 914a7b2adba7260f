"""Pydantic models whose checks are built when the first object is made, and not when they are imported."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def built_when_used(kind: type[M]) -> type[M]:
    """Let a class with ``defer_build`` defer itself alone.

    What a program builds upon it is built at once: a subclass, whose fields are checked where they are written, and the
    adapters of pydantic that web frameworks make.
    """
    kind.model_config["defer_build"] = False
    return kind
