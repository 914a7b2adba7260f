"""Syrupy's matchers and filters, applied to plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[tuple[Any, type], ...]  # the way to a value: names or indices, with the types found there


@dataclass(frozen=True, slots=True)
class Choosing:
    """What a test asked to be compared, as in ``llm_snapshot(exclude=props("model"))``.

    Attributes:
        exclude: Says of a property that it is left out.
        include: Says of a property that it is kept; nothing else is.
        matcher: Gives the value that is compared instead of one that was seen.
    """

    exclude: Callable[..., bool] | None = None
    include: Callable[..., bool] | None = None
    matcher: Callable[..., Any] | None = None

    def __call__(self, value: Any, path: Path = ()) -> Any:
        """A value as it is to be compared."""
        if self.matcher is not None:
            value = self.matcher(data=value, path=path)
        if isinstance(value, dict):
            kept = {name: inner for name, inner in value.items() if self._keeps(name, path)}
            return {name: self(inner, (*path, (name, type(inner)))) for name, inner in kept.items()}
        if isinstance(value, list | tuple):
            return [self(inner, (*path, (index, type(inner)))) for index, inner in enumerate(value)]
        return value

    def _keeps(self, prop: str, path: Path) -> bool:
        if self.exclude is not None and self.exclude(prop=prop, path=path):
            return False
        return self.include is None or bool(self.include(prop=prop, path=path))
