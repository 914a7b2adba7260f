"""The places in which two pictures differ, a line each."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from reprlib import Repr
from typing import Any

from pytest_templates.extras import HOW_TO_INSTALL
from pytest_templates.picture import same

_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 160
_REPR.maxdict = _REPR.maxlist = _REPR.maxlevel = 8
_MOST = 20


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The changed places with their old and new values; at most 20, then how many more there are."""
    lines = [*_of_messages(before.get("messages", []), after.get("messages", []))]
    lines += _of_values(_without_messages(before), _without_messages(after), "")
    left_out = len(lines) - _MOST
    return lines if left_out <= 0 else [*lines[:_MOST], f"and {left_out} more changes"]


def _without_messages(picture: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in picture.items() if name != "messages"}


def _of_messages(before: list[Any], after: list[Any]) -> list[str]:
    """Messages are told apart by identity: one put in between is one change, not a change of all that follow."""
    old, new = [message["object"] for message in before], [message["object"] for message in after]
    lines: list[str] = []
    for what, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            for index, (was, now) in enumerate(zip(before[start:end], after[new_start:new_end], strict=True), start):
                lines += _of_values(was, now, f"messages[{index}]")
            continue
        lines += [f"messages[{index}] was removed: {_said(before[index])}" for index in range(start, end)]
        lines += [f"messages[{index}] was added: {_said(after[index])}" for index in range(new_start, new_end)]
    return lines


def _said(message: dict[str, Any]) -> str:
    return f"{message['role']}: {_REPR.repr(message['content'])}"


def _of_values(before: Any, after: Any, prefix: str) -> list[str]:
    if same(before, after):
        return []
    try:
        from deepdiff import DeepDiff  # explains a difference; it would be slow at looking for one
    except ImportError:
        return [f"{prefix or 'its state'} is not as it was ({HOW_TO_INSTALL} to see in what)"]
    tree = DeepDiff(before, after, view="tree", verbose_level=2)
    levels = [level for changes in tree.values() for level in changes]
    return sorted(
        _line(prefix + _path(level.path(output_format="list"), inside_message=bool(prefix)), level) for level in levels
    )


def _path(keys: list[Any], *, inside_message: bool) -> str:
    """The path as one would write it: ``metadata['notes'][0]``, ``runner.model.settings.temperature``."""
    head, *rest = keys
    as_attributes = head in {"runner", "templates"}
    path = f".{head}" if inside_message else str(head)
    for key in rest:
        path += f".{key.removeprefix('_')}" if as_attributes and _IDENTIFIER.fullmatch(str(key)) else f"[{key!r}]"
    return path


_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")


def _line(path: str, level: Any) -> str:
    before, after = level.t1, level.t2
    if "added" in level.report_type:
        return f"{path} was added: {_REPR.repr(after)}"
    if "removed" in level.report_type:
        return f"{path} was removed; it was {_REPR.repr(before)}"
    return f"{path} was {_REPR.repr(before)} and is {_REPR.repr(after)}"
