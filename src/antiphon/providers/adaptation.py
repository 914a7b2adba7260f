"""Adapts a conversation to a provider, where nothing is lost by it: what providers differ in is not left to programs.

``antiphon.rules`` says which of the rules are kept like this; pydantic-ai sees to the others that it calls translated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, cast

from pydantic_ai import messages as wire

Conversation: TypeAlias = Sequence[wire.ModelMessage]
Part = TypeVar("Part", bound=wire.ModelRequestPart)


def adapted(conversation: Conversation, system: str) -> list[wire.ModelMessage]:
    """The conversation as a provider takes it.

    Args:
        conversation: The conversation.
        system: The provider, as pydantic-ai calls it: the ``system`` of its model.
    """
    return list(_ADAPTATIONS.get(system, _unchanged)(_with_names(conversation)))


def _unchanged(conversation: Conversation) -> Conversation:
    return conversation


def _with_names(conversation: Conversation) -> Conversation:
    """Every result with the name of its tool, which not every program keeps with it: Google asks for it."""
    names: dict[str, str] = {}
    named: list[wire.ModelMessage] = []
    for message in conversation:
        if isinstance(message, wire.ModelResponse):
            names.update((call.tool_call_id, call.tool_name) for call in message.tool_calls)
            named.append(message)
        elif all(part.tool_name for part in message.parts if isinstance(part, wire.ToolReturnPart)):
            named.append(message)
        else:
            named.append(replace(message, parts=[_with_name(part, names) for part in message.parts]))
    return named


def _with_name(part: wire.ModelRequestPart, names: Mapping[str, str]) -> wire.ModelRequestPart:
    if isinstance(part, wire.ToolReturnPart) and not part.tool_name:
        return _changed(part, tool_name=names.get(part.tool_call_id, ""))
    return part


def _for_anthropic(conversation: Conversation) -> Conversation:
    """Without blank texts, which it refuses; the last text of the assistant's without white space at its end."""
    texts = [_without_blanks(message) for message in conversation]
    last = texts[-1] if texts else None
    if isinstance(last, wire.ModelResponse) and last.parts and isinstance(last.parts[-1], wire.TextPart):
        ending = replace(last.parts[-1], content=last.parts[-1].content.rstrip())
        texts[-1] = replace(last, parts=[*last.parts[:-1], ending])
    return texts


def _without_blanks(message: wire.ModelMessage) -> wire.ModelMessage:
    if isinstance(message, wire.ModelResponse):
        return replace(message, parts=[part for part in message.parts if not _is_blank(part)])
    return replace(message, parts=[_emptied(part) for part in message.parts if not _is_blank(part)])


def _is_blank(part: object) -> bool:
    return isinstance(part, wire.TextPart | wire.SystemPromptPart) and not part.content.strip()


def _emptied(part: wire.ModelRequestPart) -> wire.ModelRequestPart:
    """A part; the result of a tool without a text, where that is blank."""
    if isinstance(part, wire.ToolReturnPart) and isinstance(part.content, str) and not part.content.strip():
        return _changed(part, content=[])
    return part


def _changed(part: Part, **changes: Any) -> Part:
    """The part with some changes; to type checkers, a result is one of many kinds that all hold something else."""
    return cast("Part", replace(cast("Any", part), **changes))


def _for_google(conversation: Conversation) -> Conversation:
    """Without blank messages of the system; calls of tools in one message with what the assistant said before them."""
    joined: list[wire.ModelMessage] = []
    for message in conversation:
        before = joined[-1] if joined else None
        if isinstance(message, wire.ModelRequest):
            joined.append(replace(message, parts=[part for part in message.parts if not _is_blank(part)]))
        elif isinstance(before, wire.ModelResponse) and message.tool_calls:
            joined[-1] = replace(message, parts=[*before.parts, *message.parts])
        else:
            joined.append(message)
    return joined


_ADAPTATIONS: Mapping[str, Callable[[Conversation], Iterable[wire.ModelMessage]]] = MappingProxyType(
    {"anthropic": _for_anthropic, "google": _for_google, "google-cloud": _for_google}
)
