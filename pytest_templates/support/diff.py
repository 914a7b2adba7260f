"""What changed from one text to another, for people: words with a few around them, never more than fits a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher, unified_diff
from itertools import islice, takewhile
from typing import Final, TypeAlias

from pytest_templates.support.text import cut

MAX_LINES: Final = 40  # of one difference
_MAX_WORDS: Final = 600  # compared word by word; more are compared line by line
_MAX_COMPARED_LINES: Final = 2000
_AROUND: Final = 8  # words and spaces around a change
_WORDS: Final = re.compile(r"\s+|\w+|[^\w\s]")

Opcode: TypeAlias = tuple[str, int, int, int, int]  # as difflib's


def text_difference(old: str, new: str) -> list[str]:
    """What changed from one text to another, line by line."""
    before, after = _around_change(old.splitlines(), new.splitlines())
    lines = unified_diff(before[:_MAX_COMPARED_LINES], after[:_MAX_COMPARED_LINES], n=2, lineterm="")
    return shortened(cut(line) for line in islice(lines, 3, None))


def word_difference(old: str, new: str) -> list[str]:
    """What changed from one text to another, word by word; line by line where the texts are long."""
    before, after = _around_change(_WORDS.findall(old), _WORDS.findall(new))
    if max(len(before), len(after)) > _MAX_WORDS:
        return text_difference(old, new)
    return [
        line
        for group in _groups(_joined(before, after, changes(before, after)))
        for line in _word_changes(before, after, group)
    ]


def _joined(before: Sequence[str], after: Sequence[str], opcodes: Iterable[Opcode]) -> list[Opcode]:
    """Changes within what no space divides are one, such as those of the parts of an id or a date."""
    joined: list[Opcode] = []
    for _, i, i_end, j, j_end in opcodes:
        _, start, _, new_start, _ = joined[-1] if joined else ("", i, i_end, j, j_end)
        if joined and not any(map(str.isspace, (*before[start:i_end], *after[new_start:j_end]))):
            joined[-1] = ("replace", start, i_end, new_start, j_end)
        else:
            joined.append(("replace", i, i_end, j, j_end))
    return joined


def _groups(opcodes: Iterable[Opcode]) -> list[list[Opcode]]:
    """Changes so close together that the words around them are the same, as far as they fit into a line."""
    groups: list[list[Opcode]] = []
    for opcode in opcodes:
        is_close = bool(groups) and opcode[1] - groups[-1][-1][2] <= 2 * _AROUND
        if is_close and opcode[2] - groups[-1][0][1] <= 6 * _AROUND:
            groups[-1].append(opcode)
        else:
            groups.append([opcode])
    return groups


def _word_changes(before: Sequence[str], after: Sequence[str], group: Sequence[Opcode]) -> Iterator[str]:
    """Both texts, also where one has nothing of its own: a line alone would look like a whole text."""
    old, new = [(i, i_end) for _, i, i_end, _, _ in group], [(j, j_end) for _, _, _, j, j_end in group]
    if before:
        yield f"- {_marked(before, old)}"
    if after:
        yield f"+ {_marked(after, new)}"


def _marked(words: Sequence[str], spans: Sequence[tuple[int, int]]) -> str:
    """The words of the spans in brackets, with some around them, on one line; ``…`` where others were left out."""
    left, right = max(spans[0][0] - _AROUND, 0), spans[-1][1] + _AROUND
    parts, done = ["…" if left > 0 else ""], left
    for start, end in spans:
        parts.append(_on_one_line("".join(words[done:start])))
        if start < end:
            parts.append(f"[{cut(_visible(''.join(words[start:end])))}]")
        done = end
    return "".join([*parts, _on_one_line("".join(words[done:right])), "…" if right < len(words) else ""])


def _visible(text: str) -> str:
    """White space spelt out where it is all that changed."""
    return _on_one_line(text) if text.strip() else repr(text)[1:-1]


def _on_one_line(text: str) -> str:
    return text.replace("\n", "⏎")


def _around_change(old: Sequence[str], new: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Both without most of what is the same at their start and end: comparing takes time by the square of the size."""
    start = max(common_start(old, new) - _AROUND - 1, 0)  # one more, which is seen to be left out
    old, new = old[start:], new[start:]
    end = max(common_start(old[::-1], new[::-1]) - _AROUND - 1, 0)
    return old[: len(old) - end], new[: len(new) - end]


def common_start(old: Sequence[object], new: Sequence[object]) -> int:
    """How many things at the start are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def changes(old: Sequence[object], new: Sequence[object]) -> list[Opcode]:
    """Where two sequences differ."""
    opcodes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [opcode for opcode in opcodes if opcode[0] != "equal"]


def shortened(lines: Iterable[str]) -> list[str]:
    """So many lines as fit a screen."""
    shown = list(islice(lines, MAX_LINES + 1))
    return shown if len(shown) <= MAX_LINES else [*shown[:MAX_LINES], "… and more"]
