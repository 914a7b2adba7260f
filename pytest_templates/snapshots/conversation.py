"""Sessions, traces and messages as blocks of text, with ids and times made stable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from antiphon import Message, ModelCall, Reply, Session, Trace
from antiphon.errors import InvalidType
from pytest_templates.snapshots.blocks import NO_TEMPLATE, Block, inline, lines_of, to_text, visible_json

_KINDS: Final = {
    "uuid": r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b",
    "time": r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?(?!\d)",
    "id": r"\b(?:call|chatcmpl|msg|req|resp|run|toolu)[_-](?=[A-Za-z]*\d)[A-Za-z0-9]{12,}\b",  # as providers make them
}
_ANY: Final = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))


class StableIds:
    """Numbers ids and times, so that the same one has the same name in a whole conversation: ``<uuid 1>``."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {}

    def text(self, text: str) -> str:
        """A text in which UUIDs, times with a date (ISO 8601) and ids of providers are replaced by names."""
        return _ANY.sub(lambda found: f"<{found.lastgroup} {self.number(str(found.lastgroup), found[0])}>", text)

    def number(self, kind: str, value: str) -> int:
        """The number of a value among those of its kind, from 1, in the order in which they first occur."""
        numbers = self._numbers.setdefault(kind, {})
        return numbers.setdefault(value.lower(), len(numbers) + 1)


Plain: TypeAlias = Any  # dictionaries, lists and scalars
Transform: TypeAlias = Callable[[Plain], Plain]

_FIELDS: Final = {"role", "content", "tool_calls", "tool_call_id", "template_path", "model", "thinking"}
_LONG: Final = 100  # characters; longer arguments stand on several lines
_CHOSEN_BY: Final = {
    "template": "its own model",
    "subroutine": "the model of a subroutine",
    "subroutine-runner": "the runner of a subroutine",
    "runner": "the runner's model",
    "direct": "called directly",
    "override": "an override",
    "model": "the model around it",
}


def snapshot_text(conversation: object, transform: Transform = lambda plain: plain) -> str:
    """The text that a conversation is compared by: who said what, where in the tree, by which model.

    Metadata, tokens, costs and times are left out. Ids and times in texts are replaced, see `StableIds`.

    Args:
        conversation: A session, a trace, a message or a list of messages.
        transform: What is done to the messages, as plain data, before they are written.

    Raises:
        InvalidType: That is nothing of the kind.
    """
    writer = _Writer(transform)
    if isinstance(conversation, Trace):
        calls = conversation.calls
        return to_text(block for number, call in enumerate(calls) for block in writer.call(call, calls[:number]))
    return to_text(writer.messages(_messages_of(conversation)))


def _messages_of(conversation: object) -> Sequence[Message]:
    if isinstance(conversation, Session):
        return conversation.messages
    if isinstance(conversation, Message):
        return [conversation]
    if isinstance(conversation, list | tuple) and all(isinstance(message, Message) for message in conversation):
        return conversation
    raise InvalidType(
        f"llm_snapshot compares a Session, a Trace, a Message or a list of them, not {type(conversation).__name__}; "
        "for other values there is syrupy's own fixture, snapshot"
    )


class _Writer:
    """Writes the messages of one snapshot; an id has one name in all of them."""

    def __init__(self, transform: Transform) -> None:
        self._transform = transform
        self._stable = StableIds()

    def messages(self, messages: Sequence[Message]) -> Iterator[Block]:
        plain = self._transform([_plain(message) for message in messages])
        return (self._message(message) for message in plain)

    def call(self, call: ModelCall, earlier: Sequence[ModelCall]) -> Iterator[Block]:
        """A model call: the messages that are not known from an earlier call, and the answer."""
        number, known = next(
            ((n, k) for n in range(len(earlier), 0, -1) if (k := _known(call, earlier[n - 1]))), (0, 0)
        )
        place = f"{inline(call.template_path or NO_TEMPLATE)} · {inline(call.model)}"
        before = (f"  as in call {number}, with its answer, and:",) if number else ()
        yield Block(f"[call] {place} ({_CHOSEN_BY[call.chosen_by]})", before)
        yield from self.messages(call.messages[known:])
        yield Block(f"[answer] {place}" if call.reply else f"[error] {place}", tuple(self._answer(call)))

    def _answer(self, call: ModelCall) -> Iterator[str]:
        if call.reply is None:
            yield from lines_of(self._stable.text(self._transform(f"{type(call.error).__name__}: {call.error}")))
        else:
            [block] = self.messages([_answer_of(call.reply)])
            yield from block.body

    def _message(self, message: Mapping[str, Plain]) -> Block:
        title = [f"[{message.get('role', 'message')}]"]
        title += [inline(str(message["template_path"]))] if "template_path" in message else []
        title += [f"· {inline(str(message['model']))}"] if "model" in message else []
        title += [f"(call {self._number(message['tool_call_id'])})"] if "tool_call_id" in message else []
        thought = [visible_json(self._stable.text(message["thinking"]))] if message.get("thinking") else []
        said = lines_of(self._stable.text(str(message.get("content", ""))))
        attached = (f"  + {inline(one)}" for one in message.get("attachments", ()))
        body = (*(f"  * {one}" for one in thought), *said, *attached)
        return Block(" ".join(title), (*body, *self._tool_calls(message.get("tool_calls", ()))))

    def _tool_calls(self, calls: Sequence[Mapping[str, Plain]]) -> Iterator[str]:
        for call in calls:
            arguments = self._stable.text(_json(call.get("arguments", {})))
            called = f"> {inline(str(call.get('name')))} {arguments} (call {self._number(call.get('id'))})"
            first, *rest = called.split("\n")
            yield f"  {first}"
            yield from (f"    {line}" for line in rest)

    def _number(self, call_id: Plain) -> int:
        return self._stable.number("call", str(call_id))


def _plain(message: Message) -> dict[str, Any]:
    """A message as plain data; an attachment is named by kind, media type, size and digest."""
    plain = message.model_dump(include=_FIELDS, exclude_none=True)
    return {**plain, "attachments": [*map(str, message.attachments)]} if message.attachments else plain


def _json(value: Plain) -> str:
    short = visible_json(value)
    return short if len(short) <= _LONG else visible_json(value, indent=2)


def _known(call: ModelCall, other: ModelCall) -> int:
    """How many messages a call has in common with another and its answer, where it begins with them; else 0."""
    ours, theirs = call.messages, other.messages
    goes_on = other.reply is not None and len(ours) > len(theirs) and _is_answer(ours[len(theirs)], other.reply)
    same = goes_on and all(one is two or one == two for one, two in zip(ours, theirs, strict=False))
    return len(theirs) + 1 if same else 0


def _is_answer(message: Message, reply: Reply) -> bool:
    answer = _answer_of(reply)
    return message.attachments == answer.attachments and (message.role, message.content, message.tool_calls) == (
        answer.role,
        answer.content,
        answer.tool_calls,
    )


def _answer_of(reply: Reply) -> Message:
    said = reply.content or reply.refusal or ""
    return Message(
        role="assistant",
        content=said,
        tool_calls=reply.tool_calls,
        thinking=reply.thinking,
        attachments=reply.attachments,
    )
