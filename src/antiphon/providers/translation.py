"""Translates between the engine's values and those of pydantic-ai."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, cast

from pydantic_ai import exceptions as theirs
from pydantic_ai import messages as wire
from pydantic_ai import models
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputMode, OutputObjectDefinition
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings as WireSettings
from pydantic_ai.tools import ToolDefinition

from antiphon.attachments import Attachment, attachment_of
from antiphon.messages import Message, Reply, Usage
from antiphon.model import ModelSettings
from antiphon.providers.answers import (
    answer_to_wire,
    provider_data_of,
    speaks,
    text_in,
    thinking_in,
    with_whole_characters,
)
from antiphon.providers.calls import calls_in, with_ids
from antiphon.providers.contents import content_of
from antiphon.request import Request


def to_wire(messages: Iterable[Message], model: models.Model) -> list[wire.ModelMessage]:
    """The conversation, for a model; neighbouring messages that are not the model's make one request."""
    conversation: list[wire.ModelMessage] = []
    for by_model, group in groupby(messages, lambda message: message.role == "assistant"):
        if by_model:
            conversation.extend(answer_to_wire(message, model) for message in group)
        else:
            conversation.append(wire.ModelRequest(parts=[_request_part(message) for message in group]))
    return conversation


def _request_part(message: Message) -> wire.ModelRequestPart:
    if message.role == "system":
        return wire.SystemPromptPart(content=message.content)
    if message.role == "tool":
        name = str(message.metadata.get("tool_name", ""))
        content = content_of(message)
        return wire.ToolReturnPart(tool_name=name, content=content, tool_call_id=message.tool_call_id or "")
    return wire.UserPromptPart(content=content_of(message))


def _files(parts: Sequence[wire.ModelResponsePart]) -> Iterable[Attachment]:
    """What an answer holds beside text; of what is no image, audio or document, such as a video, nothing is known."""
    for part in parts:
        if isinstance(part, wire.FilePart):
            attachment = attachment_of(part.content.data, part.content.media_type)
            if attachment is not None:
                yield attachment


def wire_settings(settings: ModelSettings) -> WireSettings:
    """The settings that were set, under pydantic-ai's names."""
    given: dict[str, Any] = settings.model_dump(exclude_none=True)
    if "stop" in given:
        given["stop_sequences"] = given.pop("stop")
    return cast("WireSettings", given)  # settings of one provider are passed on as given


def parameters_for(request: Request, profile: ModelProfile) -> ModelRequestParameters:
    """What is asked for beside the messages.

    An answer of a type is asked for by the provider's own means where it has some for this model and this type, and
    for tools beside it, else by an instruction that shows the model the schema.
    """
    tools = [
        ToolDefinition(name=tool.name, parameters_json_schema=tool.parameters, description=tool.description)
        for tool in request.tools
    ]
    schema = request.output_schema
    if schema is None:
        return ModelRequestParameters(function_tools=tools)
    if schema.get("type") != "object":  # providers take objects only
        instruction = wire.InstructionPart(_FITTING_JSON.format(schema=json.dumps(schema)))
        return ModelRequestParameters(function_tools=tools, instruction_parts=[instruction])
    wanted = OutputObjectDefinition(json_schema=schema, name=str(schema.get("title", "answer")))
    takes_both = not tools or profile.get("google_supports_tool_combination", True)  # Gemini 2 takes either
    mode: OutputMode = "native" if profile.get("supports_json_schema_output") and takes_both else "prompted"
    return ModelRequestParameters(function_tools=tools, output_mode=mode, output_object=wanted)


_FITTING_JSON = "Answer with JSON that fits this schema, and with nothing before or after it:\n\n{schema}"


def text_of(event: object) -> str:
    """The text that an event of a stream brings."""
    match event:
        case wire.PartStartEvent(part=wire.TextPart(content=text)):
            return text
        case wire.PartDeltaEvent(delta=wire.TextPartDelta(content_delta=text)):
            return text
    return ""


def from_wire(response: wire.ModelResponse, model: models.Model, asked: Sequence[wire.ModelMessage]) -> Reply:
    """What was answered, with its usage, its cost where the price is known, and the model that served it.

    Args:
        response: The answer.
        model: The model that was asked.
        asked: The conversation that was answered.

    Raises:
        UnexpectedModelBehavior: Nothing of what came was recognised; an answer that is empty tells at least its reason.
            Or the answer has yet to be made, and would be fetched later, which is not done here.
    """
    if response.state == "suspended" and not response.parts:
        raise theirs.UnexpectedModelBehavior("the answer has yet to be made, and is not fetched later")
    if not (response.parts or response.provider_details or response.usage.has_values()):
        raise theirs.UnexpectedModelBehavior("what came holds no text, no tool calls, and no reason for that")
    response = with_ids(with_whole_characters(response), asked)
    return Reply(
        text_in(response.parts),
        tool_calls=tuple(calls_in(response.parts)),
        usage=_usage(response),
        served_by=response.model_name,
        finish_reason=response.finish_reason,
        thinking=thinking_in(response.parts),
        refusal=_refusal(response),
        provider_data=provider_data_of(response, model),
        attachments=tuple(_files(response.parts)),
    )


def check_ended(response: wire.ModelResponse, model: models.Model) -> None:
    """Make sure that an answer that came in pieces came to its end: its provider said why the model stopped.

    That is known of the four protocols that always say it: others may end without a word. Of an answer that OpenAI's
    models refuse pydantic-ai does not tell the reason: the number of tokens comes at the end as well.

    Args:
        response: The answer.
        model: The model that was asked.

    Raises:
        ModelConnectionError: It did not, as where a proxy closed the connection.
    """
    details = response.provider_details or {}
    is_refused = "refusal" in details and response.usage.has_values()
    told = is_refused or not {"finish_reason", "block_reason"}.isdisjoint(details)
    if told or response.provider_url is None or not any(speaks(model, api) for api in _SAYING_THEIR_END):
        return  # a model of somebody's own has no address
    is_unsure = "refusal" in details or speaks(model, "OpenAIChatModel")  # which takes no reason for "stop"
    if response.finish_reason is None or is_unsure:
        ended, words = "the stream ended before the answer did", _refusal(response)
        raise theirs.ModelConnectionError(
            response.model_name or "", ended if words is None else f"{ended}, which refused: {words}", phase="read"
        )


_SAYING_THEIR_END = ("OpenAIChatModel", "OpenAIResponsesModel", "AnthropicModel", "GoogleModel")


def _refusal(response: wire.ModelResponse) -> str | None:
    """With which words the model refused to answer, or its provider to ask it; ``None`` where nobody said some."""
    details = response.provider_details or {}
    return details.get("refusal") or details.get("block_reason_message")


def _usage(response: wire.ModelResponse) -> Usage:
    used = response.usage
    return Usage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost=_cost(response),
        cached_input_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        input_audio_tokens=used.input_audio_tokens,
        reasoning_tokens=used.output_reasoning_tokens,
        output_audio_tokens=used.output_audio_tokens,
    )


def _cost(response: wire.ModelResponse) -> Decimal | None:
    if not response.model_name:
        return None
    try:
        return response.cost().total_price
    except (LookupError, ValueError):  # genai-prices does not know the model, or no usage came
        return None
