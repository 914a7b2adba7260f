"""How a conversation differs from its snapshot: the cause first, then message by message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from pytest_templates.snapshots.blocks import NO_TEMPLATE, Block, from_text, inline, text_of
from pytest_templates.support.diff import Opcode, shortened, word_difference
from pytest_templates.support.targets import without_iterations
from pytest_templates.support.text import OUTSIDE, cut

_OTHER_WORDS: Final = {  # by role
    "tool": "a tool answered differently in ",
    "error": "another error came in ",
    "user": "our prompt, or what the user answered, changed in ",
}
_SAME_WORDS: Final = {
    "call": "the model was chosen in another way in ",
    "tool": "a tool answered another call in ",
}
_NO_WORDS_OF_MODELS: Final = {"call", "error"}  # though their titles name a model


def cause_of(change: Change) -> str:
    """What caused a change, and in which template."""
    old, new, where = change.old, change.new, _where(change.block)
    if old is None:
        return f"{where} says a message that it did not say"
    if new is None:
        return f"{where} does not say its message"
    if old.part("role") != new.part("role"):
        return _cause_of_role(old, new, where)
    if old.part("model") != new.part("model"):
        return (
            f"another model answered in {where}: {new.part('model') or 'none'} instead of {old.part('model') or 'none'}"
        )
    if old.body == new.body:
        return _cause_of_title(old, new, where)
    if new.part("model") and new.part("role") not in _NO_WORDS_OF_MODELS:
        return f"the model answered differently in {where}; all that this snapshot shows before it is the same"
    return _OTHER_WORDS.get(new.part("role"), "our prompt changed, in ") + where


def _cause_of_role(old: Block, new: Block, where: str) -> str:
    before, after = old.part("role"), new.part("role")
    if (before, after) == ("answer", "error"):
        return f"a call failed in {where}, and was answered before"
    if (before, after) == ("error", "answer"):
        return f"a call was answered in {where}, and failed before"
    if place_of(old) != place_of(new):
        return f"another template speaks: {where} instead of {_where(old)}"
    return f"{where} speaks as {after or 'nobody'} instead of {before or 'nobody'}"


def _cause_of_title(old: Block, new: Block, where: str) -> str:
    if place_of(old) != place_of(new):
        return f"another template says the same: {where} instead of {_where(old)}"
    return _SAME_WORDS.get(new.part("role"), "another title stands in ") + where


def _where(block: Block) -> str:
    path = block.part("path")
    return OUTSIDE if path in {"", inline(NO_TEMPLATE)} else path


@dataclass(frozen=True, slots=True)
class Change:
    """One message that is not as it was.

    Attributes:
        number: Its place in the conversation, from 1; of a message that is gone the place where it stood.
        old: The message in the snapshot; ``None`` if it has none.
        new: The message in the conversation; ``None`` if it has none any more.
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
    """Where both have the same messages, in whatever iterations of loops."""
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
    return len([old for old, new in pairs if old.title != new.title and _title(old) == _title(new)])


def _title(block: Block) -> str:
    """The title without iterations of loops; a model's name may hold an ``@`` as well."""
    return block.title.replace(block.part("path"), place_of(block), 1)


def path_of(block: Block) -> str | None:
    """The path in the title, as it is; ``None`` outside of templates."""
    path = block.part("path")
    found = str(json.loads(path)) if path.startswith('"') else path
    return None if found in {"", NO_TEMPLATE} else found


def place_of(block: Block) -> str:
    """The path in the title, without iterations of loops."""
    return without_iterations(block.part("path"))


def conversation_difference(old: str, new: str) -> list[str]:
    """The difference between two snapshots, for people; no lines where they are the same.

    Messages that only moved to another iteration of a loop are counted, not listed. The first change is taken for the
    cause of the others, since models answer to what was said before. Where nothing was said before, nothing changed.

    Args:
        old: The text of the snapshot.
        new: The text of the conversation now.
    """
    changes, moved = changes_of(from_text(old), from_text(new))
    first = "first of all, " if len(changes) > 1 else ""
    return [
        *(f"{first}{cause_of(change)}:" for change in changes[:1] if old),
        *shortened(line for change in changes for line in _change_lines(change)),
        *([f"{moved} more say the same in another iteration of their loop"] if moved else []),
    ]


def _change_lines(change: Change) -> Iterator[str]:
    old, new = change.old, change.new
    if old is None or new is None:
        sign, verb = ("+", "is new") if old is None else ("-", "is gone")
        yield f"message {change.number} {verb}: {change.block.title}"
        yield from (f"  {sign} {cut(line)}" for line in text_of(change.block.body).splitlines())
        return
    yield f"message {change.number}: {new.title}"
    if old.title != new.title:
        yield f"  instead of {old.title}"
    yield from (f"  {line}" for line in word_difference(text_of(old.body), text_of(new.body)))
