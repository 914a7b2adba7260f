"""Markers: how they are declared, and how their arguments are read and checked when tests are collected."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import pytest

if TYPE_CHECKING:
    from _pytest.nodes import Node

T = TypeVar("T")

_MARKERS: Final = pytest.StashKey[list["Marker[Any]"]]()


class Marker(Generic[T]):
    """One marker.

    Args:
        read: A function with the name and the parameters of the marker; its docstring is the marker's description. It
            returns the value of the marker; a `TypeError` or `ValueError` refuses the arguments.
        check: Checks a test that has the marker; raises `pytest.Collector.CollectError` where it may not have it.
    """

    def __init__(self, read: Callable[..., T], check: Callable[[pytest.Item], None] | None = None) -> None:
        self.name = read.__name__
        self._read = read
        self._check = check

    def register(self, config: pytest.Config) -> None:
        """Register the marker with pytest, and have its arguments checked from now on."""
        config.addinivalue_line("markers", f"{self.name}{self.parameters}: {self._read.__doc__}")
        config.stash.setdefault(_MARKERS, []).append(self)

    @property
    def parameters(self) -> str:
        """The parameters of the marker, as in ``(name=None, *, ignore=())``."""
        parameters = signature(self._read).parameters.values()
        return str(Signature([parameter.replace(annotation=Signature.empty) for parameter in parameters]))

    def is_on(self, item: pytest.Item) -> bool:
        """Whether a test has the marker."""
        marks = marks_of(item)
        return bool(marks) and any(mark.name == self.name for mark in marks)

    def read(self, item: pytest.Item) -> T | None:
        """The value of the closest marker of this name; ``None`` where the test has none."""
        marks = self._marks(item)
        return self._value(item, marks[0]) if marks else None

    def read_all(self, item: pytest.Item) -> list[T]:
        """The values of all markers of this name, the closest first."""
        return [self._value(item, mark) for mark in self._marks(item)]

    def check(self, item: pytest.Item) -> None:
        """Refuse wrong arguments, and tests that may not have the marker.

        Raises:
            pytest.Collector.CollectError: The text names the test, the marker and what it takes.
        """
        if self.read_all(item) and self._check is not None:
            self._check(item)

    def _marks(self, item: pytest.Item) -> list[pytest.Mark]:
        marks = marks_of(item)
        return [mark for mark in marks if mark.name == self.name] if marks else marks

    def _value(self, item: pytest.Item, mark: pytest.Mark) -> T:
        try:
            return self._read(*mark.args, **mark.kwargs)
        except (TypeError, ValueError) as error:
            raise pytest.Collector.CollectError(
                f"{item.nodeid}: marker {self.name}: {error}\n  it takes {self.name}{self.parameters}"
            ) from error


def marks_of(item: pytest.Item) -> list[pytest.Mark]:
    """The marks of a test, the closest first, as `pytest.Item.iter_markers` yields them.

    Every test is asked for some marks a dozen times, and most have none: a loop takes a fifth of the time.
    """
    marks: list[pytest.Mark] = []
    node: Node | None = item
    while node is not None:
        marks += node.own_markers
        node = node.parent
    return marks


def check_item(item: pytest.Item) -> None:
    """Check the markers of a test.

    Raises:
        pytest.Collector.CollectError: The text names the test, the marker and what it takes.
    """
    marks = marks_of(item)
    if not marks:
        return
    names = {mark.name for mark in marks}
    for marker in item.config.stash.get(_MARKERS, []):
        if marker.name in names:
            marker.check(item)


def check_collected(collected: object) -> None:
    """Check the markers of tests that were just collected.

    Args:
        collected: What `pytest_pycollect_makeitem` returned: a test, a list of them, or something else.

    Raises:
        pytest.Collector.CollectError: As `check_item`.
    """
    for item in cast("list[object]", collected) if isinstance(collected, list) else [collected]:
        if isinstance(item, pytest.Item):
            check_item(item)


def reason_of(given: object) -> str:
    """The reason that a marker was given.

    Raises:
        ValueError: It is no text, or an empty one.
    """
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"reason is a text that says why, not {given!r}")
    return given
