"""What changed in the settings of a prompt, tools and schemas included: each changed place with its path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pytest_templates.cassettes.documents import Json, dumps
from pytest_templates.text_differences import changes, cut, shortened, word_difference

_WIDTH: Final = 60  # characters of a value
_NOT_SET: Final = object()


def setting_changes(old: dict[str, Json], new: dict[str, Json]) -> list[str]:
    """The changed places, as in ``tools[0].function.name: "weather" -> "forecast"``; not more than fit a screen."""
    return shortened(_members("", old, new))


def _members(path: str, old: dict[str, Json], new: dict[str, Json]) -> Iterator[str]:
    for name in {**old, **new}:
        yield from _changes(f"{path}.{name}" if path else name, old.get(name, _NOT_SET), new.get(name, _NOT_SET))


def _changes(path: str, old: object, new: object) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(path, old, new)
    elif old == new and isinstance(old, bool) == isinstance(new, bool):
        return
    elif isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _WIDTH:
        yield f"{path}:"
        yield from (f"  {line}" for line in word_difference(old, new))
    else:
        yield f"{path}: {_value(old)} -> {_value(new)}"


def _items(path: str, old: Sequence[Json], new: Sequence[Json]) -> Iterator[str]:
    """Items that were put in or taken out are no change of those behind them."""
    for _, i, i_end, j, j_end in changes([*map(_text, old)], [*map(_text, new)]):
        paired = min(i_end - i, j_end - j)
        for offset in range(paired):
            yield from _changes(f"{path}[{j + offset}]", old[i + offset], new[j + offset])
        yield from (f"{path}[{index}], only recorded: {_value(old[index])}" for index in range(i + paired, i_end))
        yield from (
            f"{path}[{index}], only in this request: {_value(new[index])}" for index in range(j + paired, j_end)
        )


def _value(value: object) -> str:
    return "(not set)" if value is _NOT_SET else cut(_text(value), _WIDTH)


def _text(value: Json) -> str:
    return dumps(value, "spaced")
