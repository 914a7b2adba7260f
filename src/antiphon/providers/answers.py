"""Answers as their provider gave them: kept with a message, and sent back to that provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from pydantic import ValidationError
from pydantic_ai import messages as wire
from pydantic_ai import models

from antiphon.messages import Message, ProviderData

_OF_THE_ANSWER = ("kind", "parts", "model_name", "provider_name", "provider_url", "canonical_system")
_PLAIN = {"content", "part_kind", "tool_name", "args", "tool_call_id", "id", "provider_name"}


def provider_data_of(response: wire.ModelResponse) -> ProviderData | None:
    """What a message has to keep of an answer beside its text and its calls; ``None`` where these are all.

    The id alone of a text or a call is not kept: providers take them without.
    """
    if response.provider_name is None:
        return None
    (answer,) = wire.ModelMessagesTypeAdapter.dump_python([response], mode="json")
    parts = [{name: value for name, value in part.items() if value is not None} for part in answer["parts"]]
    if all(part["part_kind"] in ("text", "tool-call") and part.keys() <= _PLAIN for part in parts):
        return None
    kept = {name: answer[name] for name in _OF_THE_ANSWER if answer.get(name) is not None}
    return ProviderData(provider=response.provider_name, answer={**kept, "parts": parts})


def answer_to_wire(message: Message, model: models.Model) -> wire.ModelResponse:
    """An assistant's message for a model.

    What its provider gave goes back to that provider, in the order in which it came. A text or a call that was changed
    since is sent as it is now, without the id by which the provider knows the old one.
    """
    kept = _kept(message.provider_data)
    if kept is None or not any(model.accepts_stateless_artifacts(kept, part) for part in kept.parts):
        return wire.ModelResponse(parts=[*_text_part(message.content), *_call_parts(message)])
    kept.parts = list(_renewed(kept.parts, message))
    return kept


def _kept(data: ProviderData | None) -> wire.ModelResponse | None:
    if data is None:
        return None
    try:
        (answer,) = wire.ModelMessagesTypeAdapter.validate_python([data.answer])
    except ValidationError:  # of another version of pydantic-ai: the text and the calls are sent without it
        return None
    return cast("wire.ModelResponse", answer)


def _renewed(parts: Sequence[wire.ModelResponsePart], message: Message) -> Iterator[wire.ModelResponsePart]:
    """The parts with the text and the calls that the message has now."""
    said = "".join(part.content for part in parts if isinstance(part, wire.TextPart))
    is_edited = said != message.content
    calls: dict[str, Any] = {call.id: call for call in message.tool_calls}
    text = list(_text_part(message.content)) if is_edited else []
    for part in parts:
        if isinstance(part, wire.TextPart):
            yield from text if is_edited else [part]
            text = []
        elif isinstance(part, wire.ToolCallPart):
            yield from text
            text = []
            call = calls.pop(part.tool_call_id, None)
            if call is not None:
                same = call.name == part.tool_name and call.arguments == part.args_as_dict()
                yield part if same else wire.ToolCallPart(call.name, call.arguments, call.id)
        else:
            yield part
    yield from text
    yield from (wire.ToolCallPart(call.name, call.arguments, call.id) for call in calls.values())


def _text_part(content: str) -> Iterator[wire.TextPart]:
    if content:
        yield wire.TextPart(content=content)


def _call_parts(message: Message) -> Iterator[wire.ToolCallPart]:
    return (wire.ToolCallPart(call.name, call.arguments, call.id) for call in message.tool_calls)
