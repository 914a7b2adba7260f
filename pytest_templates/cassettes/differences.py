"""Differences for people: the words that changed with a few around them, never more than fits a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher, unified_diff
from itertools import islice, takewhile
from typing import Final

from pytest_templates.cassettes.documents import Json, dumps
from pytest_templates.cassettes.prompts import Prompt, PromptMessage

_MAX_LINES: Final = 40  # of one difference
_MAX_WORDS: Final = 600  # compared word by word; more are compared line by line
_MAX_COMPARED_LINES: Final = 2000
_MAX_MESSAGES: Final = 400
_CONTEXT: Final = 4  # words around a change
_WIDTH: Final = 160  # characters
_SETTING_WIDTH: Final = 60  # characters
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")


def prompt_difference(old: Prompt, new: Prompt) -> list[str]:
    """What changed from one prompt to another: settings first, then message by message."""
    return [*_settings(old.settings, new.settings), *_shortened(_messages(old.messages, new.messages))]


def text_difference(old: str, new: str) -> list[str]:
    """What changed from one text to another, line by line."""
    before, after = _around_change(old.splitlines(), new.splitlines())
    lines = unified_diff(before[:_MAX_COMPARED_LINES], after[:_MAX_COMPARED_LINES], n=2, lineterm="")
    return _shortened(_cut(line) for line in islice(lines, 3, None))


def _settings(old: dict[str, Json], new: dict[str, Json]) -> list[str]:
    rows = [(name, _setting(old, name), _setting(new, name)) for name in {**old, **new}]
    changed = [(name, was, now) for name, was, now in rows if was != now]
    return [
        f"{name}: {_cut(was, _SETTING_WIDTH)} -> {_cut(now, _SETTING_WIDTH)}" for name, was, now in changed[:_MAX_LINES]
    ]


def _setting(settings: dict[str, Json], name: str) -> str:
    return dumps(settings[name], "spaced") if name in settings else "(not set)"


def _messages(old: Sequence[PromptMessage], new: Sequence[PromptMessage]) -> Iterator[str]:
    start = _common_start(old, new)
    if start:
        yield f"messages 1 to {start}: the same" if start > 1 else "message 1: the same"
    before, after = old[start : start + _MAX_MESSAGES], new[start : start + _MAX_MESSAGES]
    for _, i, i_end, j, j_end in _changes(before, after):
        yield from _changed_messages(before[i:i_end], after[j:j_end], start + j + 1)


def _changed_messages(old: Sequence[PromptMessage], new: Sequence[PromptMessage], number: int) -> Iterator[str]:
    paired = min(len(old), len(new))
    for offset in range(paired):
        yield from _changed_message(old[offset], new[offset], number + offset)
    for message in old[paired:]:
        yield from _whole(f"only recorded, before message {number + paired} ({message.role}):", "-", message.text)
    for offset, message in enumerate(new[paired:], paired):
        yield from _whole(f"message {number + offset} ({message.role}), only in this request:", "+", message.text)


def _changed_message(old: PromptMessage, new: PromptMessage, number: int) -> Iterator[str]:
    role = new.role if old.role == new.role else f"{old.role} -> {new.role}"
    yield f"message {number} ({role}):"
    yield from (f"  {line}" for line in _words_or_lines(old.text, new.text))


def _whole(title: str, sign: str, text: str) -> Iterator[str]:
    yield title
    yield from (f"  {sign} {_cut(line)}" for line in text.splitlines()[:_MAX_LINES])


def _words_or_lines(old: str, new: str) -> list[str]:
    before, after = _around_change(_WORDS.findall(old), _WORDS.findall(new))
    if max(len(before), len(after)) > _MAX_WORDS:
        return text_difference(old, new)
    return [line for change in _changes(before, after) for line in _word_change(before, after, change)]


def _word_change(before: Sequence[str], after: Sequence[str], change: tuple[str, int, int, int, int]) -> Iterator[str]:
    _, i, i_end, j, j_end = change
    if i < i_end:
        yield "- " + _marked(before, i, i_end)
    if j < j_end:
        yield "+ " + _marked(after, j, j_end)


def _marked(words: Sequence[str], start: int, end: int) -> str:
    """The words from start to end in brackets, with some around them, on one line."""
    left, right = max(start - 2 * _CONTEXT, 0), end + 2 * _CONTEXT
    changed = _cut(_visible("".join(words[start:end])))
    return _on_one_line("".join(words[left:start])) + f"[{changed}]" + _on_one_line("".join(words[end:right]))


def _visible(text: str) -> str:
    """White space spelt out where it is all that changed."""
    return _on_one_line(text) if text.strip() else repr(text)[1:-1]


def _on_one_line(text: str) -> str:
    return text.replace("\n", "⏎")


def _around_change(old: Sequence[str], new: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Both without most of what is the same at their start and end: comparing takes time by the square of the size."""
    start = max(_common_start(old, new) - 2 * _CONTEXT, 0)
    old, new = old[start:], new[start:]
    end = max(_common_start(old[::-1], new[::-1]) - 2 * _CONTEXT, 0)
    return old[: len(old) - end], new[: len(new) - end]


def _common_start(old: Sequence[object], new: Sequence[object]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _changes(old: Sequence[object], new: Sequence[object]) -> list[tuple[str, int, int, int, int]]:
    opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [opcode for opcode in opcodes if opcode[0] != "equal"]


def _cut(text: str, width: int = _WIDTH) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _shortened(lines: Iterable[str]) -> list[str]:
    shown = list(islice(lines, _MAX_LINES + 1))
    return shown if len(shown) <= _MAX_LINES else [*shown[:_MAX_LINES], "… and more"]
