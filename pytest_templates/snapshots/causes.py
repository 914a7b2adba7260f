"""Whose doing a change in a conversation is: the prompt's, the model's, a tool's."""

from __future__ import annotations

from typing import Final

from pytest_templates.snapshots.blocks import NO_TEMPLATE, Block, inline
from pytest_templates.snapshots.changes import Change, place_of

_OTHER_WORDS: Final = {  # by who says them
    "tool": "a tool answered differently in ",
    "error": "another error came in ",
    "user": "our prompt, or what the user answered, changed in ",
}
_SAME_WORDS: Final = {
    "call": "the model was chosen in another way in ",
    "tool": "a tool answered another call in ",
}
_NO_WORDS_OF_MODELS: Final = {"call", "error"}  # though their titles name one
_ELSEWHERE: Final = "code outside of the templates"


def cause_of(change: Change) -> str:
    """Whose doing a change is, and in which template."""
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
    return _ELSEWHERE if path in {"", inline(NO_TEMPLATE)} else path
