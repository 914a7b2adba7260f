"""What changed from one recording to the next, template by template, and whose doing it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pytest_templates.asks import Ask, Pair, paired
from pytest_templates.cassettes.asking import ask_difference, body_in
from pytest_templates.cassettes.prompts import Prompt, PromptMessage, prompt_of
from pytest_templates.tables import counted
from pytest_templates.text_differences import cut, word_difference

_SHOWN: Final = 6  # lines of a difference
_NOT_OURS: Final = {"assistant", "model", "tool", "function", "function_call", "function_call_output", "reasoning"}


def changed_recordings(old: Sequence[Ask], new: Sequence[Ask]) -> list[str]:
    """What changed, for people; no lines where every prompt and every answer is the same."""
    pairs = paired(old, new)
    changed = [pair for pair in pairs if not _has_same_answer(pair)]
    same = len(pairs) - len(changed)
    lines = [line for pair in changed for line in _told(pair)]
    return [*lines, *([f"the same answer to the same prompt: {counted(same, 'call')}"] if lines and same else [])]


def _has_same_answer(pair: Pair) -> bool:
    return pair.is_same and pair.old is not None and pair.new is not None and pair.old["answer"] == pair.new["answer"]


def _told(pair: Pair) -> Iterator[str]:
    where = pair.template or "code outside of templates"
    if pair.old is None or pair.new is None:
        yield f"{where}: {'new call' if pair.old is None else 'gone'}"
        return
    if pair.is_same:
        yield f"{where}: the model answered differently to the same prompt"
        lines = word_difference(pair.old["answer"], pair.new["answer"])
    else:
        yield f"{where}: {_cause(pair.old, pair.new)}"
        lines = ask_difference(pair.old, pair.new)
    yield from (f"  {cut(line)}" for line in lines[:_SHOWN])
    yield from ["  …"] if len(lines) > _SHOWN else []


def _cause(old: Ask, new: Ask) -> str:
    """Whose doing it is that a prompt is not the same."""
    before, after = prompt_of(body_in(old)), prompt_of(body_in(new))
    if before is None or after is None:
        return "our request changed"
    if before.messages == after.messages:
        return "the settings changed, or where it is sent"
    if before.settings == after.settings and _ours(before) == _ours(after):
        return "an earlier answer in the prompt changed"
    return "our prompt changed"


def _ours(prompt: Prompt) -> list[PromptMessage]:
    return [message for message in prompt.messages if message.role not in _NOT_OURS]
