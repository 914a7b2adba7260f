"""Differences between prompts for people: settings, then message by message, never more than fits a screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from pytest_templates.cassettes.documents import Json
from pytest_templates.cassettes.prompts import Prompt, PromptMessage, prompt_of
from pytest_templates.cassettes.setting_changes import setting_changes
from pytest_templates.text_differences import (
    MAX_LINES,
    changes,
    common_start,
    cut,
    shortened,
    text_difference,
    word_difference,
)

_MAX_MESSAGES: Final = 400


def body_difference(old: Json, new: Json) -> list[str]:
    """What changed from one JSON body to another: as prompts where both are, else line by line."""
    old_prompt, new_prompt = prompt_of(old), prompt_of(new)
    if old_prompt and new_prompt:
        return prompt_difference(old_prompt, new_prompt)
    return text_difference(_pretty(old), _pretty(new))


def prompt_difference(old: Prompt, new: Prompt) -> list[str]:
    """What changed from one prompt to another: settings first, then message by message."""
    return [*setting_changes(old.settings, new.settings), *shortened(_messages(old.messages, new.messages))]


def _messages(old: Sequence[PromptMessage], new: Sequence[PromptMessage]) -> Iterator[str]:
    start = common_start(old, new)
    if start:
        yield f"messages 1 to {start}: the same" if start > 1 else "message 1: the same"
    before, after = old[start : start + _MAX_MESSAGES], new[start : start + _MAX_MESSAGES]
    for _, i, i_end, j, j_end in changes(before, after):
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
    yield from (f"  {line}" for line in word_difference(old.text, new.text))


def _whole(title: str, sign: str, text: str) -> Iterator[str]:
    yield title
    yield from (f"  {sign} {cut(line)}" for line in text.splitlines()[:MAX_LINES])


def _pretty(value: Json) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
