"""The messages of a test, each once, however often it is sent.

A conversation that grows at its end costs time and memory for what is new alone. One that is changed elsewhere, such as
by a program that replaces its first message at every turn, is read anew as a whole after each change, as the engine
copies it then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from antiphon.history import Picture
from antiphon.messages import Message, Reply, ToolCall
from pytest_templates.reporting.message_rows import json_data

_MOST_READINGS: Final = 1_000  # of conversations that go on at the same time; of more, some are read anew


class Sent(NamedTuple):
    """What a call was sent: see `conversation.CallStep`.

    Attributes:
        continues: The step of an earlier call; ``None`` for none.
        left_out: How many messages at the beginning of what that was sent are left out.
        before: The places of the messages before those.
        places: The places of the messages behind them.
    """

    continues: int | None
    left_out: int
    before: list[int]
    places: list[int]


class _Call(NamedTuple):
    """A call that was sent the beginning of a conversation.

    Attributes:
        call: Its step.
        length: How many messages it was sent.
    """

    call: int
    length: int


@dataclass(slots=True)
class _Reading:
    """How far a list of messages was read.

    Attributes:
        places: Where its messages stand in the log.
        last: The call that was sent most of them; ``None`` for none yet.
    """

    places: list[int] = field(default_factory=list)
    last: _Call | None = None


class MessageLog:
    """Knows messages by their identity, and copies of a conversation, as subroutines inherit them, by what they say.

    Attributes:
        messages: The messages, in the order in which they were said or first sent.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._places: dict[int, int] = {}  # by identity
        self._kept: list[Message] = []  # so that no other object gets the identity of a copy
        self._likenesses: list[Hashable] = []
        self._alike: dict[Hashable, int] = {}  # the first one that says so
        self._answers: dict[Hashable, list[int]] = {}  # which nobody has said yet
        self._last_answers: dict[Hashable, int] = {}  # likewise, by their content alone
        self._readings: dict[object, _Reading] = {}  # by what a picture is of
        self._last_sent: dict[int, tuple[_Reading, _Call]] = {}  # by the last message that was sent

    def read(self, picture: Picture, run: Hashable = None, *, before: int | None = None) -> list[int]:
        """Read what is new in a conversation; returns the places of the messages that were said just now.

        Args:
            picture: The conversation.
            run: The run that it belongs to; ``None`` for none.
            before: Up to which of its messages; ``None`` for all.
        """
        reading = self._readings.get(picture.source)
        is_first = reading is None
        if reading is None:
            reading = self._readings[picture.source] = _Reading()
            if len(self._readings) > _MOST_READINGS:
                del self._readings[next(iter(self._readings))]
        said: list[int] = []
        for message in picture[len(reading.places) : before]:
            place = self._places.get(id(message))
            if place is None and is_first:
                place = self._copied(message, reading.places[-1] if reading.places else -1)
            if place is None:
                place = self._said(message, run)
                said.append(place)
            reading.places.append(place)
        return said

    def unread(self, picture: Picture, is_meant: Callable[[Message], bool]) -> int | None:
        """The first message of a conversation that was not read yet, and is meant; ``None`` for none."""
        reading = self._readings.get(picture.source)
        begin = 0 if reading is None else len(reading.places)
        return next((place for place, message in enumerate(picture[begin:], begin) if is_meant(message)), None)

    def sent(self, picture: Picture, call: int) -> Sent:
        """What a call was sent, in short: what was sent before is not said again.

        Args:
            picture: The messages, which were read.
            call: The step of the call.
        """
        reading, count = self._readings[picture.source], len(picture)
        sent = self._after(reading, count)
        if reading.last is None or reading.last.length <= count:
            reading.last = _Call(call, count)
        self._last_sent[reading.places[count - 1]] = reading, _Call(call, count)
        return sent

    def _after(self, reading: _Reading, count: int) -> Sent:
        """What the first messages of a conversation are beyond those of an earlier call."""
        places, last = reading.places[:count], reading.last
        if last is not None:
            return Sent(last.call, 0, [], places[last.length :]) if last.length <= count else Sent(None, 0, [], places)
        for end in range(count, 0, -1):  # a copy, or what is left of a conversation, which is read for the first time
            if places[end - 1] in self._last_sent:
                known, call = self._last_sent[places[end - 1]]
                common = _common_end(places, end, known.places, call.length)
                return Sent(call.call, call.length - common, places[: end - common], places[end:])
        return Sent(None, 0, [], places)

    def answered(self, reply: Reply, path: str | None, model: str, run: Hashable = None) -> int:
        """Add what a model has answered; where it is said afterwards in the same run, it is the same message."""
        message = Message(
            role="assistant",
            content=reply.content or reply.refusal or "",
            tool_calls=reply.tool_calls,
            template_path=path,
            model=model,
            thinking=reply.thinking,
            refusal=reply.refusal,
            finish_reason=reply.finish_reason,
            attachments=reply.attachments,
        )
        place = self._add(message)
        self._answers.setdefault((run, _answer(message)), []).append(place)
        self._last_answers[run, _content(message)] = place
        return place

    def _said(self, message: Message, run: Hashable) -> int:
        """The place of a message that was said just now: that of the answer that it is, or a new one."""
        place = self._answered(message, run)
        if place is None:
            return self._add(message)
        self._know(message, place)
        return place

    def _answered(self, message: Message, run: Hashable) -> int | None:
        """The place of the answer that a message is; ``None`` where it is none."""
        answers = self._answers.get((run, _answer(message)))
        if answers:
            place = answers.pop()
            self.messages[place] = message  # in the role in which it is said
        elif message.model is None and message.role == "assistant":  # a program has written its text into a message
            place = self._last_answers.get((run, _content(message)), -1)
        else:
            return None
        if self._last_answers.get((run, _content(message))) == place:
            del self._last_answers[run, _content(message)]
        return None if place < 0 else place

    def _copied(self, message: Message, previous: int) -> int | None:
        """The place of a message that says the same: the one after the previous one, if that does."""
        likeness, following = _likeness(message), previous + 1
        is_next = following < len(self._likenesses) and self._likenesses[following] == likeness
        place = following if is_next else self._alike.get(likeness)
        if place is not None:
            self._places[id(message)] = place
            self._kept.append(message)
        return place

    def _add(self, message: Message) -> int:
        place = len(self.messages)
        self.messages.append(message)
        self._likenesses.append(None)
        self._know(message, place)
        return place

    def _know(self, message: Message, place: int) -> None:
        self._places[id(message)] = place
        self._kept.append(message)
        likeness = self._likenesses[place] = _likeness(message)
        self._alike.setdefault(likeness, place)


def _common_end(one: list[int], end: int, other: list[int], other_end: int) -> int:
    """How many places two lists have in common, back from an end of each."""
    most = min(end, other_end)
    return next((n for n in range(most) if one[end - 1 - n] != other[other_end - 1 - n]), most)


def ranges(places: Iterable[int]) -> list[list[int]]:
    """Places as ranges of those that follow each other, each with its first and its last."""
    return [list(found) for found in _ranges(places)]


def _ranges(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for place in places:
        if first is None or last is None:
            first = last = place
        elif place == last + 1:
            last = place
        else:
            yield first, last
            first = last = place
    if first is not None and last is not None:
        yield first, last


def _content(message: Message) -> Hashable:
    return message.content, tuple(call.id for call in message.tool_calls)


def _answer(message: Message) -> Hashable:
    """What an answer has in common with the message that it becomes."""
    return message.template_path, message.model, _content(message)


def _likeness(message: Message) -> Hashable:
    """What copies of a message have in common."""
    return (
        *(message.role, message.content, message.template_path, message.model, message.tool_call_id),
        *(message.thinking, message.refusal),
        tuple(map(_likeness_of_call, message.tool_calls)),
        tuple(map(id, message.attachments)),  # which copies share
    )


def _likeness_of_call(call: ToolCall) -> Hashable:
    return call.id, call.name, json.dumps(json_data(call.arguments))
