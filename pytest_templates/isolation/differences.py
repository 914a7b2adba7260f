"""The differences of two states, as values, and in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final, Literal, TypeAlias

from pytest_templates.isolation.packing import Packed
from pytest_templates.isolation.showing import in_full, is_name_of_secret, shown, written
from pytest_templates.isolation.state import Attribute, Member, Node, State, is_another, is_used, same


@dataclass(frozen=True, slots=True)
class MessageKey:
    """Which message of a session: the same object is the same message, also where its index has changed.

    Attributes:
        identity: The ``id`` of the object.
        index: Its index in the session.
    """

    identity: int
    index: int = field(compare=False)


Path: TypeAlias = tuple[Hashable, ...]
Kind: TypeAlias = Literal["added", "removed", "changed"]
_Trail: TypeAlias = "tuple[_Trail, Hashable] | None"  # from the innermost part of a path to the outermost

_MOST: Final = 20
_MOST_PARTS: Final = 64  # of a path; of a longer one, the innermost and outermost
_MOST_TO_MATCH: Final = 60  # items of two sequences up to which it is found out which ones moved


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of two states.

    Attributes:
        path: The keys and indices that lead to it, from the state on; an `Attribute` for the name of one, a `Member`
            for one of a set, a `MessageKey` for a message.
        kind: What happened to it.
        old: Its state before; ``None`` where it was added.
        new: Its state after; ``None`` where it was removed.
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
        is_secret = any(map(is_name_of_secret, _names(self.path)))
        match self.kind:
            case "added":
                new = _message(self.new) if is_message else shown(self.new, is_secret=is_secret)
                return f"{place} was added: {new}"
            case "removed" if is_message:
                return f"{place} was removed: {_message(self.old)}"
            case "removed":
                return f"{place} was removed; it was {shown(self.old, is_secret=is_secret)}"
        old, new = (shown(state, is_secret=is_secret) for state in (self.old, self.new))
        if old != new:
            return f"{place} was {old} and is {new}"
        if in_full(self.old) != in_full(self.new):
            return f"{place} was {in_full(self.old)} and is {in_full(self.new)}"
        return f"{place} is not as it was, or in another order: {new}"


def differences(before: State, after: State) -> list[Difference]:
    """Every difference of two states: of the messages in their order, then all others in the order of their texts."""
    found = [*_of_messages(before.get("messages", []), after.get("messages", []))]
    return found + _of_values(_without_messages(before), _without_messages(after), None)


def lines_of(found: Sequence[Difference]) -> Iterator[tuple[str, Sequence[Difference]]]:
    """A line of text for each of the first 20 differences and one for all others, with the differences it is about."""
    yield from ((one.text, (one,)) for one in found[:_MOST])
    rest = found[_MOST:]
    if rest:
        yield "and 1 more change" if len(rest) == 1 else f"and {len(rest)} more changes", rest


def _without_messages(state: State) -> State:
    return {name: value for name, value in state.items() if name != "messages"}


def _of_messages(before: list[Node], after: list[Node]) -> Iterator[Difference]:
    """Messages are told apart by identity: one put in between is one change, not a change of all that follow."""
    old, new = [id(message.value) for message in before], [id(message.value) for message in after]
    for what, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            for index, (was, now) in enumerate(zip(before[start:end], after[new_start:new_end], strict=True), start):
                yield from _of_values(was, now, ((None, "messages"), MessageKey(old[index], index)))
            continue
        for index in range(start, end):
            yield Difference(("messages", MessageKey(old[index], index)), "removed", old=before[index])
        for index in range(new_start, new_end):
            yield Difference(("messages", MessageKey(new[index], index)), "added", new=after[index])


def _of_values(before: Any, after: Any, trail: _Trail) -> list[Difference]:
    """What differs in two states: each pair of parts is looked at once, however often it is found."""
    found: list[Difference] = []
    known: set[tuple[int, int]] = set()
    kept: list[tuple[Any, Any]] = []  # what is freed frees its id
    waiting = deque([(trail, before, after)])
    while waiting:
        trail, one, other = waiting.popleft()
        if one is other or (id(one), id(other)) in known:
            continue
        if type(one) is Packed is type(other) and one != other:
            one, other = one.state(), other.state()
            kept.append((one, other))
        if type(one) is Node and type(other) is Node and not _is_replaced(one, other):
            known.add((id(one), id(other)))
            parts = [*_of_attributes(one, other), *_of_items_of_nodes(one, other)]
        elif type(one) is type(other) and type(one) in (dict, list):
            parts = [*_of_items(one, other)]
        else:
            if one != other:
                found.append(Difference(_path(trail), "changed", one, other))
            continue
        for part, was, now in parts:
            inner = (trail, part)
            if was is _NOTHING:
                found.append(Difference(_path(inner), "added", new=now))
            elif now is _NOTHING:
                found.append(Difference(_path(inner), "removed", old=was))
            else:
                waiting.append((inner, was, now))
    return sorted(found, key=lambda difference: difference.text)


def _is_replaced(one: Node, other: Node) -> bool:
    """Whether a difference of two nodes is none of their parts."""
    if is_another(one, other) or one.view.content != other.view.content:
        return True
    return one.view.form == "ordered" and set(one.items) == set(other.items) and [*one.items] != [*other.items]


class _Nothing:
    """Stands for a part that is in one of two states only."""


_NOTHING: Final = _Nothing()
_Parts: TypeAlias = Iterator[tuple[Hashable, Any, Any]]


def _of_attributes(one: Node, other: Node) -> _Parts:
    before, after = one.attributes, other.attributes
    for name in {**before, **after}:
        was, now = before.get(name, _NOTHING), after.get(name, _NOTHING)
        if not is_used(name, was, now):
            yield Attribute(name), was, now


def _of_items_of_nodes(one: Node, other: Node) -> _Parts:
    before, after = one.items, other.items
    if one.view.form == "set":
        yield from ((Member(key), one.keys.get(key, key), _NOTHING) for key in before if key not in after)
        yield from ((Member(key), _NOTHING, other.keys.get(key, key)) for key in after if key not in before)
    else:
        yield from _of_items(before, after)
    yield from ((Member(key), state, other.keys[key]) for key, state in one.keys.items() if key in other.keys)


def _of_items(before: Any, after: Any) -> _Parts:
    if isinstance(before, list):
        yield from _of_sequences(before, after)
        return
    for key in {**before, **after}:
        yield key, before.get(key, _NOTHING), after.get(key, _NOTHING)


def _of_sequences(before: list[Any], after: list[Any]) -> _Parts:
    """Items are compared index by index; where there are more or fewer of them, those that moved are no change."""
    if len(before) == len(after):
        yield from ((index, was, now) for index, (was, now) in enumerate(zip(before, after, strict=True)))
        return
    start, shorter = 0, min(len(before), len(after))
    while start < shorter and same(before[start], after[start]):
        start += 1
    end = 0
    while end < shorter - start and same(before[-1 - end], after[-1 - end]):
        end += 1
    yield from _of_middles(before[start : len(before) - end], after[start : len(after) - end], start)


def _of_middles(before: list[Any], after: list[Any], start: int) -> _Parts:
    opcodes: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(before), 0, len(after))]
    if max(len(before), len(after)) <= _MOST_TO_MATCH:
        numbers = _numbered([*before, *after])
        opcodes = SequenceMatcher(None, numbers[: len(before)], numbers[len(before) :], autojunk=False).get_opcodes()
    for what, old, old_end, new, new_end in opcodes:
        if what == "equal":
            continue
        both = min(old_end - old, new_end - new)
        yield from ((start + new + n, before[old + n], after[new + n]) for n in range(both))
        yield from ((start + index, before[index], _NOTHING) for index in range(old + both, old_end))
        yield from ((start + index, _NOTHING, after[index]) for index in range(new + both, new_end))


def _numbered(states: list[Any]) -> list[int]:
    """A number for every state, the same one for those that are equal."""
    firsts: list[Any] = []
    numbers = []
    for state in states:
        number = next((number for number, first in enumerate(firsts) if same(first, state)), len(firsts))
        if number == len(firsts):
            firsts.append(state)
        numbers.append(number)
    return numbers


def _path(trail: _Trail) -> Path:
    parts: list[Hashable] = []
    while trail is not None:
        trail, part = trail
        parts.append(part)
    parts.reverse()
    half = _MOST_PARTS // 2
    return tuple(parts) if len(parts) <= _MOST_PARTS else (*parts[:half], *parts[-half:])


def _names(path: Path) -> Iterator[str]:
    """The names in a path; of a dotted one that it begins with, the last."""
    for part in path[:1]:
        yield str(part).rpartition(".")[2]
    yield from (part for part in path[1:] if isinstance(part, str))


def _place(path: Path) -> str:
    """A path as one would write it: ``metadata['notes'][0]``, ``messages[0].content``, ``runner.model.name``."""
    match path:
        case ("messages", MessageKey(index=index), *parts):
            return f"messages[{index}]{written(parts)}"
        case (root, *parts):
            return f"{root}{written(parts)}"
    return "its state"


def _message(message: Node) -> str:
    return f"{message.attributes['role']}: {shown(message.attributes['content'])}"
