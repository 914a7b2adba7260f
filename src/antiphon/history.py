"""A session's list of messages, with cheap read-only views of its state at one moment, called pictures.

A trace keeps what was sent at every call. Copying the conversation at each call would cost memory that grows with the
square of its length, so a picture is a length over the list itself, which normally only grows. A change of any other
kind (an item replaced, removed, put in between) first gives the pictures taken so far a copy of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Self, SupportsIndex, overload
from weakref import ref

from antiphon.attachments import Attachment
from antiphon.messages import Message


class _Backing:
    """The list that pictures read: the live one, until it changes other than at its end."""

    __slots__ = ("__weakref__", "_attached", "messages")

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages
        self._attached: tuple[int, list[tuple[int, Attachment]]] = 0, []  # replaced as a whole: threads may read it

    def attached(self, length: int) -> list[tuple[int, Attachment]]:
        """What is attached to the first messages; each message is looked at once."""
        read, known = self._attached
        if read < length:
            new = [
                (place, attachment)
                for place, message in enumerate(self.messages[read:length], read)
                for attachment in message.attachments
            ]
            known = [*known, *new] if new else known
            self._attached = length, known
        return [one for one in known if one[0] < length]


class Picture(Sequence[Message]):
    """The messages at one moment, read-only; equal to any list or tuple of the same messages."""

    __slots__ = ("_backing", "_length")

    def __init__(self, backing: _Backing, length: int) -> None:
        self._backing = backing
        self._length = length

    def _messages(self) -> list[Message]:
        return self._backing.messages[: self._length]

    @property
    def source(self) -> object:
        """What it is a picture of: of two pictures of the same, the longer one begins with the shorter."""
        return self._backing

    @property
    def latest(self) -> Picture:
        """What the same list holds now; of one that has changed other than at its end, what it held until then."""
        return Picture(self._backing, len(self._backing.messages))

    @property
    def attached(self) -> list[tuple[int, Attachment]]:
        """What is attached to the messages, each with the place of its message, from 0."""
        return self._backing.attached(self._length)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            # not by way of a copy of all: those who look at the last messages of a long conversation take only these
            return self._backing.messages[start:stop:step] if step > 0 else self._messages()[index]
        if not -self._length <= index < self._length:
            raise IndexError(f"there are {self._length} messages, and none at {index}")
        return self._backing.messages[index if index >= 0 else self._length + index]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Picture | list | tuple):
            return self._messages() == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # a picture compares equal to lists, which have no hash either

    def __repr__(self) -> str:
        return repr(self._messages())

    def __reduce__(self) -> tuple[Any, ...]:
        return Picture, (_Backing(self._messages()), self._length)


def pictured(messages: Iterable[Message]) -> Picture:
    """Messages as a picture; a session's own and those of a call are not copied for it."""
    if isinstance(messages, Picture):
        return messages
    return (messages if isinstance(messages, History) else History(messages)).picture()


def as_history(messages: Iterable[Message] = ()) -> History:
    """The messages as a list of a session's own.

    A function, since pydantic reads the signature of a class derived from ``list`` with a tokenizer, which takes time.
    """
    return History(messages)


class History(list[Message]):
    """A list of messages; ``picture()`` costs the same however long it is.

    Attributes:
        reading: What was found out about the messages so far, kept by whoever read them: it is forgotten when the list
            changes other than at its end.
    """

    _backing: ref[_Backing] | None = None  # weakly, as it refers to this list: none is left to the garbage collector
    _digested: tuple[int, Any] = (0, None)
    reading: object = None

    def digest(self) -> str:
        """A digest of what was said, by whom, and of calls, results and attachments; a message is looked at once."""
        length, digest = self._digested
        digest = sha256() if digest is None else digest
        for message in self[length:]:
            digest.update(_identity(message))
        self._digested = len(self), digest
        found: str = digest.hexdigest()[:16]
        return found

    def copied(self) -> History:
        """Another list of the same messages."""
        copy = History(self)
        length, digest = self._digested
        copy._digested = length, None if digest is None else digest.copy()
        return copy

    def picture(self) -> Picture:
        """The messages as they are now, whatever happens to the list afterwards."""
        backing = None if self._backing is None else self._backing()
        if backing is None:
            backing = _Backing(self)
            self._backing = ref(backing)
        return Picture(backing, len(self))

    def _part_from_pictures(self) -> None:
        self.reading = None
        self._digested = 0, None
        backing, self._backing = None if self._backing is None else self._backing(), None
        if backing is not None:
            backing.messages = list(self)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._part_from_pictures()
        super().__setitem__(index, value)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        self._part_from_pictures()
        super().__delitem__(index)

    def __imul__(self, times: SupportsIndex) -> Self:
        self._part_from_pictures()
        super().__imul__(times)
        return self

    def insert(self, index: SupportsIndex, message: Message, /) -> None:
        """Put a message before the one at ``index``."""
        self._part_from_pictures()
        super().insert(index, message)

    def pop(self, index: SupportsIndex = -1, /) -> Message:
        """Remove the message at ``index`` and return it."""
        self._part_from_pictures()
        return super().pop(index)

    def remove(self, message: Message, /) -> None:
        """Remove the first message equal to this one."""
        self._part_from_pictures()
        super().remove(message)

    def clear(self) -> None:
        """Remove every message."""
        self._part_from_pictures()
        super().clear()

    def reverse(self) -> None:
        """Turn the order round."""
        self._part_from_pictures()
        super().reverse()

    def sort(self, **options: Any) -> None:
        """Sort in place, with the options of ``list.sort``."""
        self._part_from_pictures()
        super().sort(**options)

    def __reduce__(self) -> tuple[type[History], tuple[Iterable[Message]]]:
        return History, (list(self),)


def _identity(message: Message) -> bytes:
    """What makes a message another one to a model."""
    calls = [[call.id, call.name, call.arguments] for call in message.tool_calls]
    attached = [[one.kind, one.media_type, one.digest] for one in message.attachments]
    said = [message.role, message.content, calls, message.tool_call_id, attached]
    return json.dumps(said, sort_keys=True, default=repr).encode()
