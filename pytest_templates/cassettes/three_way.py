"""Three-way merge of cassettes: whole interactions are merged, never parts of one.

Interactions are told by their request. Those of a side stand for those of the common base that are the same, and the
others for those at the same place among the equal requests between. So each request is merged by itself, and then put
in order: that of ours, or that of theirs where only theirs has moved something. What the other side adds comes behind
what it follows there; where both add at one place, ours comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from operator import itemgetter
from typing import Final, TypeAlias, TypeVar

from pytest_templates.cassettes.format.document import interaction_node, to_text
from pytest_templates.cassettes.matching import Matcher
from pytest_templates.cassettes.reading.meaning import means_the_same
from pytest_templates.cassettes.recorded import Interaction, RecordedResponse
from pytest_templates.support.yaml_text import item_parts

T = TypeVar("T")
OURS, THEIRS = "ours", "theirs"
_MARKS: Final = (f"<<<<<<< {OURS}\n", "=======\n", f">>>>>>> {THEIRS}\n")


@dataclass(frozen=True, slots=True)
class Conflict:
    """What both sides did to one interaction, where no rule decides.

    Attributes:
        ours: What it is on our side; ``None`` where it was removed there.
        theirs: The same of their side.
    """

    ours: Interaction | None
    theirs: Interaction | None

    @property
    def interaction(self) -> Interaction:
        """The interaction, of the side that has it."""
        found = self.ours or self.theirs
        assert found is not None, "what both have removed is no conflict"  # noqa: S101
        return found

    @property
    def problem(self) -> str:
        """What the sides did, in words."""
        if self.ours is not None and self.theirs is not None:
            return f"{OURS} and {THEIRS} hold different answers to it"
        gone, kept = (OURS, THEIRS) if self.ours is None else (THEIRS, OURS)
        return f"{gone} has removed it, {kept} holds a new answer to it"


Merged: TypeAlias = list[Interaction | Conflict]


def merge(base: Sequence[Interaction], ours: Sequence[Interaction], theirs: Sequence[Interaction]) -> Merged:
    """Merge two cassettes that were one.

    Args:
        base: What both come from; nothing where both were begun anew.
        ours: One of them.
        theirs: The other one.

    Returns:
        The interactions in order, and at its place what cannot be decided.
    """
    sides = [_by_request(side) for side in (base, ours, theirs)]
    requests = dict.fromkeys(request for side in sides for request in side)
    nodes = [node for request in requests for node in _nodes(request, *(side.get(request, []) for side in sides))]
    return [node.result for node in _in_order(nodes) if node.result is not None]


def conflicts_in(merged: Merged) -> list[Conflict]:
    """What could not be decided."""
    return [one for one in merged if isinstance(one, Conflict)]


def text_of(merged: Merged) -> str:
    """The text of what was merged: a cassette, or one with git's conflict marks around whole interactions."""
    parts = [[one.ours, one.theirs] if isinstance(one, Conflict) else [one] for one in merged]
    text = to_text([one for part in parts for one in part if one is not None])
    if not conflicts_in(merged):
        return text
    items = [["" if one is None else "".join(item_parts(interaction_node(one))) for one in part] for part in parts]
    listed = "".join(item for part in items for item in part)
    head, _, tail = text.partition(listed)
    return "".join([head, *(_marked(*part) if len(part) > 1 else part[0] for part in items), tail])


def _marked(ours: str, theirs: str) -> str:
    start, middle, end = _MARKS
    return f"{start}{ours}{middle}{theirs}{end}"


@dataclass(frozen=True, slots=True)
class _Item:
    """An interaction, and its place on its side."""

    place: int
    interaction: Interaction


@dataclass(frozen=True, eq=False)
class _Node:
    """What stands for one another on the three sides; ``None`` where a side does not have it."""

    request: bytes
    base: _Item | None
    ours: _Item | None
    theirs: _Item | None

    @cached_property
    def result(self) -> Interaction | Conflict | None:
        """What becomes of it; ``None`` where it is gone."""
        return _decided(*(None if one is None else one.interaction for one in (self.base, self.ours, self.theirs)))


def _by_request(side: Sequence[Interaction]) -> dict[bytes, list[_Item]]:
    matcher = Matcher()
    found: dict[bytes, list[_Item]] = {}
    for place, interaction in enumerate(side):
        found.setdefault(matcher.key(interaction), []).append(_Item(place, interaction))
    return found


def _nodes(request: bytes, base: list[_Item], ours: list[_Item], theirs: list[_Item]) -> Iterator[_Node]:
    """The nodes of interactions with one request."""
    kept_by_us, kept_by_them = _partners(base, ours), _partners(base, theirs)
    our_own, their_own = _added(kept_by_us, ours), _added(kept_by_them, theirs)
    for place in range(len(base) + 1):
        mine, yours = our_own.get(place, []), their_own.get(place, [])
        both = _partners(mine, yours)
        yield from (_Node(request, None, one, both.get(number)) for number, one in enumerate(mine))
        yield from (_Node(request, None, None, one) for one in yours if one not in both.values())
        if place < len(base):
            yield _Node(request, base[place], kept_by_us.get(place), kept_by_them.get(place))


def _partners(old: Sequence[_Item], new: Sequence[_Item]) -> dict[int, _Item]:
    """What stands in another list for the items of one, by their index: the same, and by place between these."""
    before, after = ([item.interaction for item in side] for side in (old, new))
    opcodes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    spans = [(range(i, i_end), new[j:j_end]) for _, i, i_end, j, j_end in opcodes]
    return {place: item for span, items in spans for place, item in zip(span, items, strict=False)}


def _added(kept: dict[int, _Item], side: Sequence[_Item]) -> dict[int, list[_Item]]:
    """What a side has added, by the index of the item of the base that comes next."""
    places = {item.place: place for place, item in kept.items()}
    found: dict[int, list[_Item]] = {}
    following = 0
    for item in side:
        if item.place in places:
            following = places[item.place] + 1
        else:
            found.setdefault(following, []).append(item)
    return found


def _decided(
    base: Interaction | None, ours: Interaction | None, theirs: Interaction | None
) -> Interaction | Conflict | None:
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    if ours is None or theirs is None:
        kept = ours or theirs
        is_unchanged = base is not None and kept is not None and means_the_same(base.response, kept.response)
        return None if is_unchanged else Conflict(ours, theirs)
    response = _response(base, ours, theirs)
    if response is None:
        return Conflict(ours, theirs)
    was = theirs if base is None else base
    return Interaction(
        template=_changed(was.template, ours.template, theirs.template),
        model=_changed(was.model, ours.model, theirs.model),
        request=_changed(was.request, ours.request, theirs.request),
        response=response,
        sample=ours.sample,
    )


def _response(base: Interaction | None, ours: Interaction, theirs: Interaction) -> RecordedResponse | None:
    """The response that holds: that of the side which has another meaning than the base; ``None`` where both have."""
    if means_the_same(ours.response, theirs.response):
        return ours.response
    if base is not None and means_the_same(base.response, ours.response):
        return theirs.response
    return ours.response if base is not None and means_the_same(base.response, theirs.response) else None


def _changed(base: T, ours: T, theirs: T) -> T:
    """The value of the side that has changed it; ours where both have."""
    return theirs if ours == base else ours


def _in_order(nodes: Iterable[_Node]) -> list[_Node]:
    """The nodes that stay, in order."""
    there = [node for node in nodes if node.result is not None]
    ours = _side([(node.ours, node) for node in there])
    theirs = _side([(node.theirs, node) for node in there])
    if _is_moved(theirs) and not _is_moved(ours):
        return _inserted(theirs, ours, stay_behind=set())
    return _inserted(ours, theirs, stay_behind={node for node in ours if node.theirs is None})


def _side(placed: Iterable[tuple[_Item | None, _Node]]) -> list[_Node]:
    """The nodes that a side has, in its order."""
    return [node for _, node in sorted(((item.place, node) for item, node in placed if item), key=itemgetter(0))]


def _is_moved(side: Iterable[_Node]) -> bool:
    places = [node.base.place for node in side if node.base is not None]
    return places != sorted(places)


def _inserted(order: Sequence[_Node], others: Sequence[_Node], stay_behind: AbstractSet[_Node]) -> list[_Node]:
    """The nodes of one side in its order, with those that only the other side has behind what they follow there.

    Args:
        order: The side whose order holds.
        others: The other side.
        stay_behind: Nodes behind which others come that are inserted at one place with them.
    """
    result, own = list(order), set(order)
    place = 0
    for number, node in enumerate(others):
        if node not in own:
            while place < len(result) and result[place] in stay_behind:
                place += 1
            result.insert(_between_equals(place, node, result, others[:number], others[number:]), node)
        place = result.index(node) + 1
    return result


def _between_equals(
    place: int, node: _Node, result: Sequence[_Node], before: Sequence[_Node], after: Sequence[_Node]
) -> int:
    """The place nearest to the wanted one that leaves interactions with one request in order."""
    first = max((result.index(one) + 1 for one in before if one.request == node.request), default=0)
    last = min(
        (result.index(one) for one in after if one.request == node.request and one in result), default=len(result)
    )
    return max(first, min(place, last))
