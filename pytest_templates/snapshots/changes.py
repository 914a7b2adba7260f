"""Which messages are not as they were, from one snapshot to another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from pytest_templates.snapshots.blocks import Block
from pytest_templates.text_differences import Opcode

_ITERATION: Final = re.compile(r"@\d+(?=/|$)")


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


def changes_of(before: Sequence[Block], after: Sequence[Block]) -> tuple[list[Change], int]:
    """What changed, and how many messages only moved to another iteration of their loop."""
    opcodes = _opcodes(before, after)
    return list(_changes(before, after, opcodes)), _moved(before, after, opcodes)


def _opcodes(before: Sequence[Block], after: Sequence[Block]) -> Sequence[Opcode]:
    """Where both say the same, wherever in a loop they say it."""
    old, new = ([(block.part("role"), block.body) for block in blocks] for blocks in (before, after))
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _changes(before: Sequence[Block], after: Sequence[Block], opcodes: Iterable[Opcode]) -> Iterator[Change]:
    for kind, i, i_end, j, j_end in opcodes:
        pairs = min(i_end - i, j_end - j)
        for offset in range(pairs):
            old, new = before[i + offset], after[j + offset]
            if kind != "equal" or _title(old) != _title(new):
                yield Change(j + offset + 1, old, new)
        yield from (Change(j + pairs + 1, old, None) for old in before[i + pairs : i_end])
        yield from (Change(number, None, after[number - 1]) for number in range(j + pairs + 1, j_end + 1))


def _moved(before: Sequence[Block], after: Sequence[Block], opcodes: Iterable[Opcode]) -> int:
    pairs = (
        (before[i + offset], after[j + offset])
        for kind, i, i_end, j, _ in opcodes
        if kind == "equal"
        for offset in range(i_end - i)
    )
    return sum(old.title != new.title and _title(old) == _title(new) for old, new in pairs)


def _title(block: Block) -> str:
    """The title in every turn of a loop; a model's name may hold an ``@`` as well."""
    return block.title.replace(block.part("path"), place_of(block), 1)


def place_of(block: Block) -> str:
    """The path in the title, in every turn of a loop."""
    return _ITERATION.sub("", block.part("path"))
