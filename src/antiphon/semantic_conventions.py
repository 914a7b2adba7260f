"""What OpenTelemetry's conventions for generative AI call things: attributes, made of requests and calls.

They moved to a repository of their own, ``open-telemetry/semantic-conventions-genai``, whose first release v0.1.0
renames metrics and one attribute. Two versions are known here: 1.41 of the old place, which OpenTelemetry's own
instrumentation for Python speaks, and that first release. OpenTelemetry itself is not imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from antiphon.attachments import split
from antiphon.errors import AntiphonError
from antiphon.messages import Message, Reply, Usage
from antiphon.session import Session
from antiphon.tool_results import told
from antiphon.trace import ModelCall

Value: TypeAlias = bool | int | float | str | Sequence[str]
Attributes: TypeAlias = dict[str, Value]


class Version(Enum):
    """A version of the conventions."""

    SETTLED = "1.41"
    LATEST = "genai 0.1.0"


OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
ERROR_TYPE: Final = "error.type"
SERVER: Final = "server.address"
PORT: Final = "server.port"
AGENT: Final = "gen_ai.agent.name"
TOOL: Final = "gen_ai.tool.name"
CHUNK_SECONDS: Final = "gen_ai.response.time_to_first_chunk"

SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
CHUNK_BOUNDS: Final = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKENS: Final = tuple(4**power for power in range(14))
"""The boundaries of histograms that the conventions ask for."""

# By the providers of pydantic-ai, with which names of models begin; others are told as they are.
_PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai-chat": "openai",
        "openai-responses": "openai",
        "azure": "azure.ai.openai",
        "bedrock": "aws.bedrock",
        "google": "gcp.gemini",
        "google-gla": "gcp.gemini",
        "google-cloud": "gcp.vertex_ai",
        "google-vertex": "gcp.vertex_ai",
        "grok": "x_ai",
        "xai": "x_ai",
        "mistral": "mistral_ai",
        "moonshotai": "moonshot_ai",
    }
)
UNKNOWN: Final = "_OTHER"
_DEEPEST: Final = 100  # levels of a value within each other that are told one by one

_SETTINGS: Final[Mapping[str, tuple[str, Any]]] = MappingProxyType(
    {
        "temperature": ("gen_ai.request.temperature", (int, float)),
        "max_tokens": ("gen_ai.request.max_tokens", int),
        "top_p": ("gen_ai.request.top_p", (int, float)),
        "top_k": ("gen_ai.request.top_k", int),
        "seed": ("gen_ai.request.seed", int),
        "frequency_penalty": ("gen_ai.request.frequency_penalty", (int, float)),
        "presence_penalty": ("gen_ai.request.presence_penalty", (int, float)),
    }
)


def model_attributes(name: str) -> Attributes:
    """Which provider and which model a name means: ``"openai:gpt-4o-mini"``, or that of a model of one's own."""
    kind, colon, model = name.partition(":")
    if not colon or not kind or not model:
        return {PROVIDER: UNKNOWN, REQUEST_MODEL: name}
    return {PROVIDER: _PROVIDERS.get(kind, kind), REQUEST_MODEL: model}


def server_attributes(base_url: str | None) -> Attributes:
    """Where a model is reached, if that was said."""
    parts = urlsplit(base_url or "")
    if parts.hostname is None:
        return {}
    return {SERVER: parts.hostname, PORT: parts.port or (80 if parts.scheme == "http" else 443)}


def request_attributes(settings: object, session: Session, *, is_streamed: bool) -> Attributes:
    """What is asked of a model beside the messages: its settings, and what its answer is to be."""
    found: Attributes = {}
    for name, (key, kind) in _SETTINGS.items():
        value: Any = getattr(settings, name, None)
        if isinstance(value, kind) and not isinstance(value, bool):
            found[key] = value
    stop = getattr(settings, "stop", None)
    if isinstance(stop, list | tuple):
        found["gen_ai.request.stop_sequences"] = [str(one) for one in stop]
    if session.request.output_type is not None:
        found["gen_ai.output.type"] = "json"
    if is_streamed:
        found["gen_ai.request.stream"] = True
    return found


def response_attributes(call: ModelCall, version: Version) -> Attributes:
    """What came back, without what was said. Tokens that the inner calls tell are left to them."""
    found: Attributes = {}
    if call.served_by is not None:
        found[RESPONSE_MODEL] = call.served_by
    reason = None if call.reply is None else call.reply.finish_reason
    if reason is not None or call.error is not None:
        found["gen_ai.response.finish_reasons"] = ["error" if reason is None else reason]
    if call.seconds_to_text is not None:
        found[CHUNK_SECONDS] = call.seconds_to_text
    usage = own_usage(call)
    if usage is not None:
        found.update(_usage_attributes(usage, version))
    return found


def own_usage(call: ModelCall) -> Usage | None:
    """What a call has used itself: nothing where the calls within it tell it, for it would be counted twice."""
    return None if any(inner.usage is not None for inner in call.inner) else call.usage


def _usage_attributes(usage: Usage, version: Version) -> Iterator[tuple[str, Value]]:
    written = "cache_creation" if version is Version.SETTLED else "cache_write"
    yield "gen_ai.usage.input_tokens", usage.input_tokens
    yield "gen_ai.usage.output_tokens", usage.output_tokens
    for name, tokens in (
        ("cache_read.input_tokens", usage.cached_input_tokens),
        (f"{written}.input_tokens", usage.cache_write_tokens),
        ("reasoning.output_tokens", usage.reasoning_tokens),
        ("audio.input_tokens", usage.input_audio_tokens),
        ("audio.output_tokens", usage.output_audio_tokens),
    ):
        if tokens:
            yield f"gen_ai.usage.{name}", tokens
    if usage.cost is not None:
        yield "antiphon.usage.cost", float(usage.cost)


def error_type(error: BaseException) -> str:
    """The name of an error's class, with its module where that is not Python's own."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def content_attributes(messages: Iterable[Message], reply: Reply | None, session: Session) -> dict[str, Any]:
    """What was said to a model and what it answered, in the form of the conventions' JSON schemas.

    What is attached is described, and its bytes are left out.
    """
    found: dict[str, Any] = {"gen_ai.input.messages": [_as_input(message) for message in messages]}
    if reply is not None:
        said = {"role": "assistant", "parts": [*_parts(reply)], "finish_reason": reply.finish_reason or "stop"}
        found["gen_ai.output.messages"] = [said]
    if session.request.tools:
        found["gen_ai.tool.definitions"] = [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in session.request.tools
        ]
    return found


def as_json(content: Mapping[str, Any]) -> Attributes:
    """Content as attributes of spans take it: as JSON."""
    return {name: json_text(value) for name, value in content.items()}


def json_text(value: object) -> str:
    """A value as JSON; what has no form there is told as ``repr`` has it."""
    return json.dumps(plain(value), ensure_ascii=False)


def result_text(result: object) -> str:
    """What a tool returned, as a model is told it; what cannot be told as ``repr`` has it."""
    try:
        words, _ = split(result)
        return encodable(told(words))
    except (AntiphonError, ValueError, TypeError, RecursionError):
        return _shown(result)


def encodable(text: str) -> str:
    r"""A text that UTF-8 can encode, which exporters need: a surrogate on its own is written out, as ``\ud800``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def plain(value: object) -> Any:
    """A value as exporters can send it, and JSON can hold it, whatever it is.

    Its texts can be encoded, keys of mappings are texts, and numbers have 64 bits. Anything else is told as ``repr``
    has it.
    """
    return _plain(value, frozenset())


def _plain(value: object, around: frozenset[int]) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else _shown(value)
    if not isinstance(value, Mapping | list | tuple) or id(value) in around or len(around) >= _DEEPEST:
        return _shown(value)
    within = around | {id(value)}
    if isinstance(value, Mapping):
        return {
            encodable(key) if isinstance(key, str) else _shown(key): _plain(one, within) for key, one in value.items()
        }
    return [_plain(one, within) for one in value]


def _shown(value: object) -> str:
    """What ``repr`` tells; where that fails, of which type the value is."""
    try:
        return encodable(repr(value))
    except Exception:  # noqa: BLE001  # code of the program, or a number of more digits than Python writes
        return f"<{type(value).__qualname__}>"


def _as_input(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        parts = [{"type": "tool_call_response", "id": message.tool_call_id, "response": message.content}]
        return {"role": "tool", "parts": [*parts, *_attached(message)]}
    return {"role": message.role, "parts": [*_parts(message)]}


def _parts(said: Message | Reply) -> Iterator[dict[str, Any]]:
    if said.thinking:
        yield {"type": "reasoning", "content": said.thinking}
    text = said.content or said.refusal
    if text:
        yield {"type": "text", "content": text}
    for call in said.tool_calls:
        yield {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
    yield from _attached(said)


def _attached(said: Message | Reply) -> Iterator[dict[str, Any]]:
    for one in said.attachments:
        known = {"modality": one.kind, "mime_type": one.media_type}
        yield {"type": "attachment", **known} if one.url is None else {"type": "uri", "uri": one.url, **known}
