"""What a model answered, as the engine keeps it, and as it goes back to its provider in later questions.

A provider may want more back than text and tool calls: thinking with its signature, ids of what it stores, citations.
That is kept as ``ProviderData``, in pydantic-ai's JSON form of a ``ModelResponse``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from pydantic import ValidationError
from pydantic_ai import messages as wire
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel

from antiphon.attachments import Attachment
from antiphon.messages import Message, ProviderData, ToolCall
from antiphon.printing import public_address

_KEPT: Final = ("kind", "model_name", "provider_name", "provider_url", "canonical_system")
_SENT_BACK: Final = frozenset({"container_id", "conversation_id"})  # of the details of the whole answer
_API: Final = "api"  # two of one provider, such as OpenAI's, do not take each other's ids


def with_whole_characters(response: wire.ModelResponse) -> wire.ModelResponse:
    """The answer with whole characters in what was said, thought, and given to tools: see ``_whole``."""
    return replace(response, parts=[*map(_whole_part, response.parts)])


def _whole_part(part: wire.ModelResponsePart) -> wire.ModelResponsePart:
    if isinstance(part, wire.TextPart | wire.ThinkingPart):
        whole = _whole(part.content)
        return part if whole is part.content else replace(part, content=whole)
    if not isinstance(part, wire.ToolCallPart) or not part.args:
        return part
    text = part.args if isinstance(part.args, str) else json.dumps(part.args, ensure_ascii=False)
    whole = _whole(text)
    if whole is text:
        return part
    return replace(part, args=whole if isinstance(part.args, str) else json.loads(whole))


def thinking_in(parts: Sequence[wire.ModelResponsePart]) -> str | None:
    """What the model thought, as far as it is shown; ``None`` where nothing is."""
    thoughts = [part.content for part in parts if isinstance(part, wire.ThinkingPart) and part.content]
    return "\n\n".join(thoughts) or None


def text_in(parts: Sequence[wire.ModelResponsePart]) -> str:
    """What the model said."""
    return "".join(part.content for part in parts if isinstance(part, wire.TextPart))


def without_half(text: str) -> tuple[str, str]:
    """A piece of a text with whole characters, and the half of one at its end, which belongs to the next piece."""
    end = len(text) - 1 if text and "\ud800" <= text[-1] <= "\udbff" else len(text)
    return _whole(text[:end]), text[end:]


def _whole(text: str) -> str:
    """A text whose characters are whole: halves that came in two pieces are joined, and one alone is replaced by "�".

    What holds half a character can neither be saved nor sent.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def provider_data_of(response: wire.ModelResponse, model: Model) -> ProviderData | None:
    """What a message has to keep of an answer beside its text, calls and attachments; ``None`` where these are all.

    The id alone of a text or a call is not kept: providers take them without. What a file holds is an attachment of
    the message, of which the digest is kept.

    Args:
        response: The answer.
        model: The model that was asked.
    """
    if response.provider_name is None or not any(map(_says_more, response.parts)):
        return None
    (written,) = wire.ModelMessagesTypeAdapter.dump_python([response], mode="json", exclude_none=True)
    answer = {name: written[name] for name in (*_KEPT, "parts") if name in written}
    if "provider_url" in answer:
        answer["provider_url"] = public_address(answer["provider_url"])
    details = {name: value for name, value in written.get("provider_details", {}).items() if name in _SENT_BACK}
    if details:
        answer["provider_details"] = details
    api = _api_of(model)
    if api is not None:
        answer["metadata"] = {_API: api}
    for part, node in zip(response.parts, answer["parts"], strict=True):
        if isinstance(part, wire.FilePart):
            node["content"] = {"digest": sha256(part.content.data).hexdigest()}
    return ProviderData(provider=response.provider_name, answer=answer)


def _says_more(part: wire.ModelResponsePart) -> bool:
    """Whether a part would not be the same if it were made anew of what the message says."""
    match part:
        case wire.TextPart():
            return bool(part.provider_details or part.citations)
        case wire.ToolCallPart():
            return bool(part.provider_details or part.tool_kind)
        case wire.FilePart():
            return bool(part.id or part.provider_details)
        case wire.ThinkingPart():
            return bool(part.content or part.signature or part.id or part.provider_details)
    return True


def _api_of(model: Model) -> str | None:
    """The API that a model speaks; ``None`` where that is not known before it answers."""
    model = unwrapped(model)
    return None if isinstance(model, FallbackModel) else type(model).__name__


def unwrapped(model: Model) -> Model:
    """The model itself, without what others have put around it."""
    while isinstance(model, WrapperModel):
        model = model.wrapped
    return model


def speaks(model: Model, api: str) -> bool:
    """Whether a model is of a class of pydantic-ai, whose module may need a package that is not there."""
    return any(kind.__name__ == api for kind in type(unwrapped(model)).__mro__)


def answer_to_wire(message: Message, model: Model) -> wire.ModelResponse:
    """An assistant's message, as a model is told it.

    What its provider wants back goes with it as far as the message still says what the model said: text, tool calls
    and thinking that a program has changed go without ids and signatures. Where the provider looks up by ids what it
    said, nothing of it goes with them then. Another provider is told text, tool calls and attachments alone.

    Args:
        message: The message.
        model: The model that is told.
    """
    said = _said(message)
    if said is None or not _goes_back(said, model):
        return wire.ModelResponse(parts=list(_parts_anew(message)))
    return replace(said, parts=_Kept(said.parts, message).parts())


def _said(message: Message) -> wire.ModelResponse | None:
    """What the model said, as it was kept; ``None`` where nothing was that this version of pydantic-ai can read."""
    if message.provider_data is None:
        return None
    answer = message.provider_data.answer
    made = {one.digest: one for one in message.attachments if one.data is not None}
    try:
        parts = [part if part["part_kind"] != "file" else _with_content(part, made) for part in answer["parts"]]
        kept = {**answer, "parts": [part for part in parts if part is not None]}
        (response,) = wire.ModelMessagesTypeAdapter.validate_python([kept])
    except (ValidationError, LookupError, TypeError):
        return None
    return response if isinstance(response, wire.ModelResponse) else None


def _with_content(part: dict[str, Any], made: dict[str, Attachment]) -> dict[str, Any] | None:
    """A part with a file, with what it holds; ``None`` where the message does not hold it any more."""
    found = made.get(part["content"]["digest"])
    return None if found is None else {**part, "content": _file(found)}


def _file(attachment: Attachment) -> wire.BinaryContent:
    media_type = attachment.media_type or "application/octet-stream"
    return wire.BinaryContent.narrow_type(wire.BinaryContent(attachment.data or b"", media_type=media_type))


def _goes_back(said: wire.ModelResponse, model: Model) -> bool:
    """Whether a model takes back what another, or itself, said."""
    if isinstance(model, FallbackModel):  # each of its models is told what it takes
        return True
    model = unwrapped(model)
    if said.provider_name != model.system:
        return model.accepts_stateless_artifacts(said)
    if (said.metadata or {}).get(_API) not in {None, type(model).__name__}:
        return False
    # To a model that does not think OpenAI's thoughts would go as text of the assistant.
    return type(model).__name__ != "OpenAIResponsesModel" or bool(
        model.profile.get("openai_supports_encrypted_reasoning_content")
        or any(
            (part.provider_details or {}).get("raw_content")
            for part in said.parts
            if isinstance(part, wire.ThinkingPart)
        )
    )


class _Kept:
    """The parts of an answer that still say what the message says, and new ones for what was changed.

    Args:
        said: The parts.
        message: The message.
    """

    def __init__(self, said: Sequence[wire.ModelResponsePart], message: Message) -> None:
        self._said = said
        self._message = message
        self._calls = {call.id: call for call in message.tool_calls}
        self._same_text = text_in(said) == message.content
        self._same_thinking = thinking_in(said) == message.thinking

    def parts(self) -> list[wire.ModelResponsePart]:
        """The parts, in the order in which they were said."""
        kept, anew = list(self._kept()), list(_parts_anew(self._message))
        if kept == list(self._said) and not self._lacks(kept, anew):
            return kept
        if any(part.id for part in self._said if isinstance(part, wire.TextPart | wire.ToolCallPart)):
            return anew  # the provider looks up by ids what it said, thinking and all, and refuses a part of it
        lacking = self._lacks(kept, anew)
        first_call = next((i for i, part in enumerate(kept) if isinstance(part, wire.ToolCallPart)), len(kept))
        kept[first_call:first_call] = [part for part in lacking if isinstance(part, wire.TextPart)]
        return [*kept, *(part for part in lacking if not isinstance(part, wire.TextPart))]

    def _kept(self) -> Iterator[wire.ModelResponsePart]:
        for part in self._said:
            match part:
                case wire.TextPart():
                    if self._same_text:
                        yield part
                case wire.ThinkingPart():
                    if self._same_thinking:
                        yield part
                case wire.ToolCallPart():
                    call = self._calls.get(part.tool_call_id)
                    if call is not None:
                        is_same = (call.name, call.arguments) == (part.tool_name, part.args_as_dict())
                        yield part if is_same else _call_anew(call)
                case _:
                    yield part

    def _lacks(
        self, kept: Sequence[wire.ModelResponsePart], anew: Sequence[wire.ModelResponsePart]
    ) -> list[wire.ModelResponsePart]:
        """What the message says, and what was kept does not."""
        calls = {part.tool_call_id for part in kept if isinstance(part, wire.ToolCallPart)}
        files = [part.content.data for part in kept if isinstance(part, wire.FilePart)]
        return [
            part
            for part in anew
            if (isinstance(part, wire.TextPart) and not self._same_text)
            or (isinstance(part, wire.ToolCallPart) and part.tool_call_id not in calls)
            or (isinstance(part, wire.FilePart) and part.content.data not in files)
        ]


def _parts_anew(message: Message) -> Iterator[wire.ModelResponsePart]:
    if message.content:
        yield wire.TextPart(content=message.content)
    yield from (wire.FilePart(content=_file(one)) for one in message.attachments if one.data is not None)
    yield from map(_call_anew, message.tool_calls)


def _call_anew(call: ToolCall) -> wire.ToolCallPart:
    return wire.ToolCallPart(call.name, call.arguments, call.id)
