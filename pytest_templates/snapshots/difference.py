"""What changed from one snapshot to another: the cause first, then message by message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from pytest_templates.snapshots.blocks import Block, from_text, text_of
from pytest_templates.text_differences import MAX_LINES, Opcode, cut, shortened, word_difference

_ITERATION: Final = re.compile(r"@\d+")
_CAUSES: Final = {
    "tool": "a tool answered differently in ",
    "error": "another error came in ",
    "user": "our prompt, or what the user answered, changed in ",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One message that is not as it was.

    Attributes:
        number: Its place in the conversation, from 1; of a message that is gone the place where it stood.
        old: What the snapshot has; ``None`` for a message that it lacks.
        new: What was said; ``None`` for a message that is gone.
    """

    number: int
    old: Block | None
    new: Block | None

    @property
    def block(self) -> Block:
        """The message, as it is now where it still is."""
        return self.new or self.old or Block("")


def conversation_difference(old: str, new: str) -> list[str]:
    """The difference between two snapshots, for people; no lines where they are the same.

    Messages that only moved to another iteration of a loop are not told one by one. The first change is taken for the
    cause of the others, since models answer to what was said before.

    Args:
        old: The text of the snapshot.
        new: The text of what was said now.
    """
    before, after = from_text(old), from_text(new)
    changes = list(_changes(before, after))
    told = [line for change in changes for line in _told(change)]
    moved = _moved(before, after)
    return [
        *(
            [f"{_cause(changes[0])}:" if len(changes) == 1 else f"first of all, {_cause(changes[0])}:"]
            if changes
            else []
        ),
        *shortened(told),
        *([f"{moved} more say the same in another iteration of their loop"] if moved else []),
    ]


def _changes(before: Sequence[Block], after: Sequence[Block]) -> Iterator[Change]:
    for kind, i, i_end, j, j_end in _opcodes(before, after):
        pairs = min(i_end - i, j_end - j)
        for offset in range(pairs):
            old, new = before[i + offset], after[j + offset]
            if kind != "equal" or _without_iterations(old) != _without_iterations(new):
                yield Change(j + offset + 1, old, new)
        yield from (Change(j + pairs + 1, old, None) for old in before[i + pairs : i_end])
        yield from (Change(number, None, after[number - 1]) for number in range(j + pairs + 1, j_end + 1))


def _opcodes(before: Sequence[Block], after: Sequence[Block]) -> Sequence[Opcode]:
    """Where both say the same, wherever in a loop they say it."""
    old, new = ([(block.part("role"), block.body) for block in blocks] for blocks in (before, after))
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _moved(before: Sequence[Block], after: Sequence[Block]) -> int:
    pairs = (
        (before[i + offset].title, after[j + offset].title)
        for kind, i, i_end, j, _ in _opcodes(before, after)
        if kind == "equal"
        for offset in range(i_end - i)
    )
    return sum(old != new and _ITERATION.sub("", old) == _ITERATION.sub("", new) for old, new in pairs)


def _without_iterations(block: Block) -> str:
    return _ITERATION.sub("", block.title)


def _cause(change: Change) -> str:
    """Whose doing a change is, and in which template."""
    old, new, block = change.old, change.new, change.block
    where = block.part("path") or "code outside of the templates"
    model, role = block.part("model"), block.part("role")
    if old is None or new is None:
        return f"{where} says a message that it did not say" if old is None else f"{where} does not say its message"
    if old.part("model") != model:
        return f"another model answered in {where}: {model or 'none'} instead of {old.part('model') or 'none'}"
    if old.body == new.body:
        return f"another template says the same: {where} instead of {old.part('path') or 'none'}"
    if model:
        return f"the model answered differently in {where}; all that this snapshot shows before it is the same"
    return _CAUSES.get(role, "our prompt changed, in ") + where


def _told(change: Change) -> Iterator[str]:
    old, new = change.old, change.new
    if old is None or new is None:
        sign, verb = ("+", "is new") if old is None else ("-", "is gone")
        yield f"message {change.number} {verb}: {change.block.title}"
        yield from (f"  {sign} {cut(line)}" for line in text_of(change.block.body).splitlines()[:MAX_LINES])
        return
    yield f"message {change.number}: {new.title}"
    if old.title != new.title:
        yield f"  instead of {old.title}"
    yield from (f"  {line}" for line in word_difference(text_of(old.body), text_of(new.body)))
