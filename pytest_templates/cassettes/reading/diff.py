"""Differences between two prompts for people: settings, then message by message, never more than fits a screen."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from pytest_templates.cassettes.format.canonical_json import Json, dumps
from pytest_templates.cassettes.reading.llm import Prompt, PromptMessage, prompt_of
from pytest_templates.support.diff import (
    MAX_LINES,
    changes,
    common_start,
    shortened,
    text_difference,
    word_difference,
)
from pytest_templates.support.text import cut

_MAX_MESSAGES: Final = 400


class Sides(NamedTuple):
    """What is said of what only one of two prompts has."""

    old: str
    new: str


OF_A_REQUEST: Final = Sides("only recorded", "only in this request")


def body_difference(old: Json, new: Json) -> list[str]:
    """What changed from one JSON body to another: as prompts where both are, else line by line."""
    old_prompt, new_prompt = prompt_of(old), prompt_of(new)
    if old_prompt and new_prompt:
        return prompt_difference(old_prompt, new_prompt)
    return text_difference(_pretty(old), _pretty(new))


def prompt_difference(old: Prompt, new: Prompt, sides: Sides = OF_A_REQUEST) -> list[str]:
    """What changed from one prompt to another: settings first, then message by message."""
    messages = _messages(old.messages, new.messages, sides)
    return [*setting_changes(old.settings, new.settings, sides), *shortened(messages)]


def _messages(old: Sequence[PromptMessage], new: Sequence[PromptMessage], sides: Sides) -> Iterator[str]:
    start = common_start(old, new)
    if start:
        yield f"messages 1 to {start}: the same" if start > 1 else "message 1: the same"
    before, after = old[start : start + _MAX_MESSAGES], new[start : start + _MAX_MESSAGES]
    for _, i, i_end, j, j_end in changes(before, after):
        yield from _changed_messages(before[i:i_end], after[j:j_end], start + j + 1, sides)


def _changed_messages(
    old: Sequence[PromptMessage], new: Sequence[PromptMessage], number: int, sides: Sides
) -> Iterator[str]:
    paired = min(len(old), len(new))
    for offset in range(paired):
        yield from _changed_message(old[offset], new[offset], number + offset)
    for message in old[paired:]:
        yield from _whole(f"{sides.old}, before message {number + paired} ({message.role}):", "-", message.text)
    for offset, message in enumerate(new[paired:], paired):
        yield from _whole(f"message {number + offset} ({message.role}), {sides.new}:", "+", message.text)


def _changed_message(old: PromptMessage, new: PromptMessage, number: int) -> Iterator[str]:
    role = new.role if old.role == new.role else f"{old.role} -> {new.role}"
    yield f"message {number} ({role}):"
    yield from (f"  {line}" for line in word_difference(old.text, new.text))


def _whole(title: str, sign: str, text: str) -> Iterator[str]:
    yield title
    yield from (f"  {sign} {cut(line)}" for line in text.splitlines()[:MAX_LINES])


def _pretty(value: Json) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


_WIDTH: Final = 60  # characters of a value
_NOT_SET: Final = object()


def setting_changes(old: dict[str, Json], new: dict[str, Json], sides: Sides = OF_A_REQUEST) -> list[str]:
    """The changed places, as in ``tools[0].function.name: "weather" -> "forecast"``; not more than fit a screen."""
    return shortened(_field_changes("", old, new, sides))


def _field_changes(path: str, old: dict[str, Json], new: dict[str, Json], sides: Sides) -> Iterator[str]:
    for name in {**old, **new}:
        before, after = old.get(name, _NOT_SET), new.get(name, _NOT_SET)
        yield from _changes(f"{path}.{name}" if path else name, before, after, sides)


def _changes(path: str, old: object, new: object, sides: Sides) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _field_changes(path, old, new, sides)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _items(path, old, new, sides)
    elif old == new and isinstance(old, bool) == isinstance(new, bool):
        return
    elif isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _WIDTH:
        yield f"{path}:"
        yield from (f"  {line}" for line in word_difference(old, new))
    else:
        yield f"{path}: {_value(old)} -> {_value(new)}"


def _items(path: str, old: Sequence[Json], new: Sequence[Json], sides: Sides) -> Iterator[str]:
    """Items that were put in or taken out are no change of those behind them."""
    if is_reordered(old, new):
        yield f"{path}: the same items in another order"
        return
    for _, i, i_end, j, j_end in changes([*map(_text, old)], [*map(_text, new)]):
        paired = min(i_end - i, j_end - j)
        for offset in range(paired):
            yield from _changes(f"{path}[{j + offset}]", old[i + offset], new[j + offset], sides)
        yield from (f"{path}[{index}], {sides.old}: {_value(old[index])}" for index in range(i + paired, i_end))
        yield from (f"{path}[{index}], {sides.new}: {_value(new[index])}" for index in range(j + paired, j_end))


def is_reordered(old: Sequence[Json], new: Sequence[Json]) -> bool:
    """Whether two lists hold the same items in another order, as those do that were made of sets; also within items."""
    deep_hash = _deep_hash() if len(old) == len(new) and old != new else None
    return deep_hash is not None and deep_hash(old) == deep_hash(new)


@cache
def _deep_hash() -> Callable[[Any], str] | None:
    """Hashes JSON whatever the order of its lists, by DeepDiff; ``None`` where that is missing.

    It loads pandas and polars where they are installed, and these set variables of the environment. The program may be
    at work on them, and the isolation guard looks at them: these variables are set back.
    """
    before = dict(os.environ)
    try:
        from deepdiff import DeepHash
    except ImportError:
        return None
    for name in [name for name, text in os.environ.items() if before.get(name) != text]:
        del os.environ[name]
        os.environ.update({name: before[name]} if name in before else {})
    return lambda value: str(DeepHash(value, ignore_repetition=False)[value])


def _value(value: object) -> str:
    return "(not set)" if value is _NOT_SET else cut(_text(value), _WIDTH)


def _text(value: Json) -> str:
    return dumps(value, "spaced")
