"""Markers: what one is, how its arguments are read, and how wrong ones are refused when tests are collected."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Signature, signature
from typing import Any, Final, Generic, TypeVar, cast

import pytest

T = TypeVar("T")

_MARKERS: Final = pytest.StashKey[list["Marker[Any]"]]()


class Marker(Generic[T]):
    """One marker.

    Args:
        read: A function of the marker's name whose parameters are those of the marker, and whose docstring says what
            it does. It returns what the marker asks for; a `TypeError` or `ValueError` refuses the arguments.
        check: Looks at a test that has the marker; raises `pytest.Collector.CollectError` where it may not have it.
    """

    def __init__(self, read: Callable[..., T], check: Callable[[pytest.Item], None] | None = None) -> None:
        self.name = read.__name__
        self._read = read
        self._check = check

    def announce(self, config: pytest.Config) -> None:
        """Tell pytest of it; from now on its arguments are checked."""
        config.addinivalue_line("markers", f"{self.name}{self.parameters}: {self._read.__doc__}")
        config.stash.setdefault(_MARKERS, []).append(self)

    @property
    def parameters(self) -> str:
        """What it takes, as in ``(name=None, *, ignore=())``."""
        parameters = signature(self._read).parameters.values()
        return str(Signature([parameter.replace(annotation=Signature.empty) for parameter in parameters]))

    def is_on(self, item: pytest.Item) -> bool:
        """Whether a test has it."""
        return item.get_closest_marker(self.name) is not None

    def read(self, item: pytest.Item) -> T | None:
        """What the closest one asks for; ``None`` where the test has none."""
        marker = item.get_closest_marker(self.name)
        return None if marker is None else self._asked(item, marker)

    def read_all(self, item: pytest.Item) -> list[T]:
        """What every one of them asks for, the closest first."""
        return [self._asked(item, marker) for marker in item.iter_markers(self.name)]

    def check(self, item: pytest.Item) -> None:
        """Refuse wrong arguments, and tests that may not have the marker.

        Raises:
            pytest.Collector.CollectError: The text names the test, the marker and what it takes.
        """
        if self.read_all(item) and self._check is not None:
            self._check(item)

    def _asked(self, item: pytest.Item, marker: pytest.Mark) -> T:
        try:
            return self._read(*marker.args, **marker.kwargs)
        except (TypeError, ValueError) as error:
            raise pytest.Collector.CollectError(
                f"{item.nodeid}: marker {self.name}: {error}\n  it takes {self.name}{self.parameters}"
            ) from error


def check_item(item: pytest.Item) -> None:
    """Refuse a test one of whose markers is wrong.

    Raises:
        pytest.Collector.CollectError: The text names the test, the marker and what it takes.
    """
    for marker in item.config.stash.get(_MARKERS, []):
        marker.check(item)


def check_collected(collected: object) -> None:
    """Refuse tests with wrong markers when they are collected.

    Args:
        collected: What one name in a test module came to: a test, several, or something else.

    Raises:
        pytest.Collector.CollectError: As `check_item`.
    """
    for item in cast("list[object]", collected) if isinstance(collected, list) else [collected]:
        if isinstance(item, pytest.Item):
            check_item(item)


def reason_of(given: object) -> str:
    """A reason, where it is one.

    Raises:
        ValueError: It is no text, or says nothing.
    """
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"reason is a text that says why, not {given!r}")
    return given
