"""The calls of tools in an answer: each with an id of its own, and with arguments that are JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from pydantic_ai import messages as wire

from antiphon.messages import ToolCall

_MADE_UP: Final = "pyd_ai_"  # begins the ids that pydantic-ai draws at random, where a provider gives none


def with_ids(response: wire.ModelResponse, asked: Sequence[wire.ModelMessage]) -> wire.ModelResponse:
    """The answer with an id for every call, where its provider gave none, or one to several calls.

    Ids that are made here are the same in every run, so that a recording of what follows is found again.

    Args:
        response: The answer.
        asked: The conversation that was answered.
    """
    ids = [call.tool_call_id for call in response.tool_calls]
    if len(set(ids)) == len(ids) and not any(one.startswith(_MADE_UP) for one in ids):
        return response
    return replace(response, parts=list(_identified(response.parts, asked)))


def _identified(
    parts: Iterable[wire.ModelResponsePart], asked: Sequence[wire.ModelMessage]
) -> Iterator[wire.ModelResponsePart]:
    before = [call.tool_call_id for one in asked if isinstance(one, wire.ModelResponse) for call in one.tool_calls]
    given: set[str] = set()
    for part in parts:
        if not isinstance(part, wire.ToolCallPart):
            yield part
            continue
        identified = part
        if part.tool_call_id in given or part.tool_call_id.startswith(_MADE_UP):
            what = [len(asked), before, len(given), part.tool_name, part.args_as_json_str()]
            identified = replace(part, tool_call_id=f"call_{sha256(json.dumps(what).encode()).hexdigest()[:24]}")
        given.add(identified.tool_call_id)
        yield identified


def calls_in(parts: Iterable[wire.ModelResponsePart]) -> Iterator[ToolCall]:
    """The calls of tools.

    What is no JSON object comes as ``{"INVALID_JSON": what came}``: it fits no tool, and the model is told.
    """
    for part in parts:
        if isinstance(part, wire.ToolCallPart):
            yield ToolCall(id=part.tool_call_id, name=part.tool_name, arguments=_arguments(part))


def _arguments(part: wire.ToolCallPart) -> dict[str, Any]:
    arguments = part.args_as_dict()
    try:
        json.dumps(arguments, allow_nan=False)
    except ValueError:  # it holds NaN or an infinity, which pydantic-ai reads
        return {"INVALID_JSON": part.args if isinstance(part.args, str) else json.dumps(arguments)}
    return arguments
