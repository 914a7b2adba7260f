"""What was said in an attempt of a test, in order: found out when it has failed, from what is known of it anyway."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from antiphon.history import Picture, pictured
from antiphon.messages import Message, Reply

if TYPE_CHECKING:
    from antiphon import ModelCall

_LOOKED_BACK: Final = 100  # conversations that another one may go on with


class SubroutineBegun(NamedTuple):
    """A subroutine has begun.

    Attributes:
        parent: What was said around it.
    """

    parent: Picture


class SubroutineEnded(NamedTuple):
    """A subroutine has ended.

    Attributes:
        parent: What was said around it.
        child: What was said in it; ``None`` where it failed before anything could be.
    """

    parent: Picture
    child: Picture | None


Moment: TypeAlias = "ModelCall | SubroutineBegun | SubroutineEnded"


class Spoken(NamedTuple):
    """A message, or what came of a call.

    Attributes:
        message: The message; ``None`` for what came of a call.
        call: The call; ``None`` for a message.
    """

    message: Message | None = None
    call: ModelCall | None = None


def transcript(moments: Sequence[Moment]) -> list[Spoken]:
    """What was said, each message and each answer once.

    Conversations are told as they were sent, and what is said in one behind its last moment after that. Of one in which
    no model was called, and no subroutine began, nothing is known.

    Args:
        moments: Calls and subroutines: calls in the order in which they ended.
    """
    return list(_Transcriber(moments).told())


class _Answer(NamedTuple):
    """What an answer has in common with the message that it becomes."""

    path: str | None
    model: str | None
    said: Hashable


class _Transcriber:
    def __init__(self, moments: Sequence[Moment]) -> None:
        self._moments = moments
        self._last = {id(picture.source): place for place, one in enumerate(moments) for picture in _pictures_of(one)}
        self._read: dict[int, int] = {}  # how many messages were read, by the source of the picture
        self._earlier: deque[Picture] = deque(maxlen=_LOOKED_BACK)
        self._known: set[int] = set()  # identities of messages
        self._answers: Counter[_Answer] = Counter()  # that were told, and not read as messages yet
        self._last_said: Hashable = None  # by a model, likewise
        self._parents: list[Picture] = []  # of the subroutines under way

    def told(self) -> Iterator[Spoken]:
        for place, moment in enumerate(self._moments):
            for picture in _pictures_of(moment):
                yield from self._new_in(picture)
            if isinstance(moment, SubroutineBegun):
                self._parents.append(moment.parent)
            elif isinstance(moment, SubroutineEnded):
                self._leave(moment.parent)
            else:
                yield Spoken(call=moment)
                self._answered(moment)
            for picture in _pictures_of(moment):
                if self._last[id(picture.source)] == place:
                    yield from self._new_in(picture.latest)

    def _leave(self, parent: Picture) -> None:
        """Forget the parent of a subroutine; of several that overlap, it need not be the last that began."""
        for place in reversed(range(len(self._parents))):
            if self._parents[place].source is parent.source:
                del self._parents[place]
                return

    def _new_in(self, picture: Picture) -> Iterator[Spoken]:
        source = id(picture.source)
        begin = self._read[source] if source in self._read else self._inherited(picture)
        self._read[source] = max(begin, len(picture))
        self._earlier.append(picture)
        for message in picture[begin:]:
            if id(message) not in self._known:
                self._known.add(id(message))
                if not self._is_answer(message):
                    yield Spoken(message)

    def _inherited(self, picture: Picture) -> int:
        """How many messages at the beginning of a conversation are those of another one, or copies of them."""
        around = {_likeness(message) for parent in self._parents for message in parent}
        of_parents = sum(1 for _ in takewhile(lambda message: _likeness(message) in around, picture)) if around else 0
        known = (len(other) for other in self._earlier if len(other) < len(picture) and _begins_with(picture, other))
        return max(of_parents, *known, 0)

    def _answered(self, call: ModelCall) -> None:
        if call.reply is not None:
            self._last_said = _content(call.reply)
            self._answers[_Answer(call.template_path, call.model, self._last_said)] += 1

    def _is_answer(self, message: Message) -> bool:
        """Whether a message is an answer that was told already, with its call."""
        said = _content(message)
        if message.model is None:  # a program may have put the text of an answer into a message of its own
            is_answer = message.role == "assistant" and said == self._last_said
        else:
            answer = _Answer(message.template_path, message.model, said)
            is_answer = self._answers[answer] > 0
            self._answers[answer] -= is_answer
        if is_answer:
            self._last_said = None
        return is_answer


def _pictures_of(moment: Moment) -> list[Picture]:
    if isinstance(moment, SubroutineBegun):
        return [moment.parent]
    if isinstance(moment, SubroutineEnded):
        return [*([] if moment.child is None else [moment.child]), moment.parent]
    return [pictured(moment.messages)]


def _begins_with(picture: Picture, other: Picture) -> bool:
    pairs = zip(picture, other, strict=False)
    return all(one is two or _likeness(one) == _likeness(two) for one, two in pairs)


def _likeness(message: Message) -> Hashable:
    """What copies of a message have in common."""
    return *_Answer(message.template_path, message.model, _content(message)), message.role, message.tool_call_id


def _content(said: Message | Reply) -> Hashable:
    return said.content or said.refusal or "", tuple(call.id for call in said.tool_calls)
