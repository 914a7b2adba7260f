"""Messages and what is attached to them, as the plain data of a report."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from antiphon.attachments import Attachment
from antiphon.errors import InvalidValue
from antiphon.messages import Message
from pytest_templates.run.calls import attachment_row
from pytest_templates.support.text import as_text

Row: TypeAlias = dict[str, Any]

PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MOST_BYTES: Final = 1_000_000  # of a picture
_MOST_TEXT: Final = 1_000_000  # characters
_DEEPEST: Final = 50  # JSON, as models give it; what is nested deeper is told as text
_MOST_DIGITS: Final = 300


def message_row(message: Message) -> Row:
    """The fields of a message in a report; those that say nothing are left out, as there are many messages."""
    row = {
        "role": message.role,
        "content": said(message.content),
        "path": _text(message.template_path),
        "model": _text(message.model),
        "thinking": message.thinking and said(message.thinking),
        "refusal": _text(message.refusal),
        "finish_reason": _text(message.finish_reason),
        "tool_calls": [
            {"id": as_text(call.id), "name": as_text(call.name), "arguments": json_data(call.arguments)}
            for call in message.tool_calls
        ],
        "tool_call_id": _text(message.tool_call_id),
        "attachments": [attachment_row(attachment) for attachment in message.attachments],
    }
    return {name: value for name, value in row.items() if value or name == "content"}


def said(text: str) -> str:
    """A text that anybody may have made, in a length that a report can hold."""
    left = len(text) - _MOST_TEXT
    return as_text(text) if left <= 0 else f"{as_text(text[:_MOST_TEXT])}… and {left:,} more characters"


def pictures_of(messages: Iterable[Message]) -> dict[str, Row]:
    """The pictures that messages attach, by digest; without those that are large, or stand at an address."""
    found: dict[str, Row] = {}
    for attachment in (attachment for message in messages for attachment in message.attachments):
        data = _content(attachment) if attachment.media_type in PICTURES else None
        if data is not None and len(data) <= _MOST_BYTES and attachment.digest not in found:
            content = base64.b64encode(data).decode("ascii")
            found[attachment.digest] = {"media_type": attachment.media_type, "content": content}
    return found


def _content(attachment: Attachment) -> bytes | None:
    try:
        return attachment.data
    except InvalidValue:  # its file is gone by now: a report of what was does not fail
        return None


def json_data(value: object, around: tuple[int, ...] = ()) -> Any:
    """A value as JSON that everybody can read; what is no JSON, nested too deeply, or holds itself, as text.

    Args:
        value: The value.
        around: The ids of the values that it stands in.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, int) and abs(value) < 10**_MOST_DIGITS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if len(around) >= _DEEPEST or id(value) in around:
        return _described(value)
    around = (*around, id(value))
    if isinstance(value, Mapping):
        return {_described(name): json_data(inner, around) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_data(inner, around) for inner in value]
    return _described(value)


def _described(value: object) -> str:
    try:
        return as_text(str(value))
    except Exception:  # noqa: BLE001  # of too many digits or levels, or a class of the program's; a report does not fail
        return f"a value of the type {type(value).__name__}"


def _text(text: str | None) -> str | None:
    return None if text is None else as_text(text)
