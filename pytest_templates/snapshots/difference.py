"""What is said of a snapshot that changed: the cause first, then message by message."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_templates.snapshots.blocks import from_text, text_of
from pytest_templates.snapshots.causes import cause_of
from pytest_templates.snapshots.changes import Change, changes_of
from pytest_templates.text_differences import cut, shortened, word_difference


def conversation_difference(old: str, new: str) -> list[str]:
    """The difference between two snapshots, for people; no lines where they are the same.

    Messages that only moved to another iteration of a loop are not told one by one. The first change is taken for the
    cause of the others, since models answer to what was said before.

    Args:
        old: The text of the snapshot.
        new: The text of what was said now.
    """
    changes, moved = changes_of(from_text(old), from_text(new))
    first = "first of all, " if len(changes) > 1 else ""
    return [
        *(f"{first}{cause_of(change)}:" for change in changes[:1]),
        *shortened(line for change in changes for line in _told(change)),
        *([f"{moved} more say the same in another iteration of their loop"] if moved else []),
    ]


def _told(change: Change) -> Iterator[str]:
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
