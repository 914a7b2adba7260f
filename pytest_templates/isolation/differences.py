"""The differences of two states, as values, and in words."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache
from reprlib import Repr
from typing import Any, Final, Literal, TypeAlias

from pytest_templates.isolation.state import State, plain, that_differ
from pytest_templates.support.environment import HOW_TO_INSTALL


@dataclass(frozen=True, slots=True)
class MessageKey:
    """Which message of a session: the same object is the same message, also where its index has changed.

    Attributes:
        identity: The object.
        index: Its index in the session.
    """

    identity: str
    index: int = field(compare=False)


Path: TypeAlias = tuple[Hashable, ...]
Kind: TypeAlias = Literal["added", "removed", "changed", "unexplained"]

_REPR: Final = Repr()
_REPR.maxstring = _REPR.maxother = 160
_REPR.maxdict = _REPR.maxlist = _REPR.maxlevel = 8
_MOST: Final = 20
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of two states.

    Attributes:
        path: The keys and indices that lead to it, from the state on; a `MessageKey` for a message.
        kind: What happened to it; ``"unexplained"`` where a package is missing that would find what differs inside.
        old: The value before; ``None`` where it was added.
        new: The value after; ``None`` where it was removed.
    """

    path: Path
    kind: Kind
    old: Any = None
    new: Any = None

    @property
    def text(self) -> str:
        """The difference in words: its place, with the old and the new value."""
        place = _place(self.path)
        is_message = bool(self.path) and isinstance(self.path[-1], MessageKey)
        match self.kind:
            case "added":
                return f"{place} was added: {_message(self.new) if is_message else _REPR.repr(self.new)}"
            case "removed" if is_message:
                return f"{place} was removed: {_message(self.old)}"
            case "removed":
                return f"{place} was removed; it was {_REPR.repr(self.old)}"
            case "changed":
                return f"{place} was {_REPR.repr(self.old)} and is {_REPR.repr(self.new)}"
            case _:
                return f"{place or 'its state'} is not as it was ({HOW_TO_INSTALL} to see in what)"


def differences(before: State, after: State) -> list[Difference]:
    """Every difference of two states: of the messages in their order, then all others in the order of their texts."""
    found = [*_of_messages(before.get("messages", []), after.get("messages", []))]
    return found + _of_values(_without_messages(before), _without_messages(after), ())


def lines_of(found: Sequence[Difference]) -> Iterator[tuple[str, Sequence[Difference]]]:
    """A line of text for each of the first 20 differences and one for all others, with the differences it is about."""
    yield from ((one.text, (one,)) for one in found[:_MOST])
    rest = found[_MOST:]
    if rest:
        yield f"and {len(rest)} more changes", rest


def _without_messages(state: State) -> State:
    return {name: value for name, value in state.items() if name != "messages"}


def _of_messages(before: list[State], after: list[State]) -> Iterator[Difference]:
    """Messages are told apart by identity: one put in between is one change, not a change of all that follow."""
    old, new = [message["object"] for message in before], [message["object"] for message in after]
    for what, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            for index, (was, now) in enumerate(zip(before[start:end], after[new_start:new_end], strict=True), start):
                yield from _of_values(was, now, ("messages", MessageKey(old[index], index)))
            continue
        for index in range(start, end):
            yield Difference(("messages", MessageKey(old[index], index)), "removed", old=before[index])
        for index in range(new_start, new_end):
            yield Difference(("messages", MessageKey(new[index], index)), "added", new=after[index])


def _of_values(before: Any, after: Any, path: Path) -> list[Difference]:
    before, after = that_differ(before, after)
    if before == after:
        return []
    diff = _deepdiff()
    if diff is None:
        return [Difference(path, "unexplained", before, after)]
    tree = diff(plain(before), plain(after), view="tree", verbose_level=2, ignore_private_variables=False)
    found = [_difference(path, level) for changes in tree.values() for level in changes]
    return sorted(found, key=lambda one: one.text)


@cache
def _deepdiff() -> Any:
    """``DeepDiff``, which explains a difference and would be slow at looking for one; ``None`` where it is missing.

    It loads pandas and polars where they are installed, a second's work, and these set variables of the environment.
    What lies around other subroutines is being compared at the time, so these variables are taken out again.
    """
    before = set(os.environ)
    try:
        from deepdiff import DeepDiff
    except ImportError:
        return None
    for name in os.environ.keys() - before:
        del os.environ[name]
    return DeepDiff


def _difference(path: Path, level: Any) -> Difference:
    """What DeepDiff found, as a difference below a path."""
    path = (*path, *level.path(output_format="list"))
    if "added" in level.report_type:
        return Difference(path, "added", new=level.t2)
    if "removed" in level.report_type:
        return Difference(path, "removed", old=level.t1)
    return Difference(path, "changed", level.t1, level.t2)


def _place(path: Path) -> str:
    """A path as one would write it: ``metadata['notes'][0]``, ``messages[0].content``, ``runner.model.name``."""
    match path:
        case ("messages", MessageKey(index=index)):
            return f"messages[{index}]"
        case ("messages", MessageKey(index=index), name, *keys):
            return f"messages[{index}].{name}{''.join(map(_item, keys))}"
        case ("runner" | "templates" as head, *keys):
            return f"{head}{''.join(map(_attribute, keys))}"
    return "".join([*map(str, path[:1]), *map(_item, path[1:])])


def _item(key: Hashable) -> str:
    return f"[{key!r}]"


def _attribute(key: Hashable) -> str:
    return f".{key.removeprefix('_')}" if isinstance(key, str) and _IDENTIFIER.fullmatch(key) else _item(key)


def _message(message: State) -> str:
    return f"{message['role']}: {_REPR.repr(message['content'])}"
