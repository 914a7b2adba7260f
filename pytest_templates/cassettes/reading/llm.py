"""Prompt, answer and tokens of a recorded call, in the formats of OpenAI, Anthropic, Google, Ollama and our own.

A body is one JSON document or, for a stream, many; each document holds pieces of the answer, and some of them a count
of tokens. Where a count comes several times, as in Anthropic's streams, the last one holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from pytest_templates.cassettes.format.bodies import DATA_LINES
from pytest_templates.cassettes.format.canonical_json import Json, JsonError, dumps, parse
from pytest_templates.cassettes.format.media import digested, with_short_digests
from pytest_templates.cassettes.reading.ids import numbered_ids
from pytest_templates.cassettes.recorded import Interaction, RecordedRequest, RecordedResponse
from pytest_templates.support.text import cut

_MESSAGE_LISTS: Final = ("messages", "contents", "input")
_INSTRUCTIONS: Final = ("system", "instructions", "systemInstruction", "system_instruction")
_PROMPT_TEXTS: Final = ("text", "input_text", "output_text")


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt: who says it, and what, with everything that is no text as JSON."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of a request.

    Attributes:
        messages: In their order, instructions first.
        settings: Everything else in the body, by dotted path.
    """

    messages: tuple[PromptMessage, ...]
    settings: dict[str, Json]


def prompt_of(body: Json) -> Prompt | None:
    """The prompt in a JSON body, or ``None`` where it holds no list of messages."""
    name = next((name for name in _MESSAGE_LISTS if isinstance(body, dict) and _is_prompt(body.get(name))), None)
    if name is None:
        return None
    rest = {key: value for key, value in body.items() if key not in {name, *_INSTRUCTIONS}}
    return Prompt((*_instructions(body), *_messages(body[name])), dict(_flat(rest)))


_OTHER_PROMPTS: Final = ("prompt", "message", "inputs", "inputText")  # completions, Cohere's, Mistral's, Amazon's
_BESIDE: Final = (  # what else a conversation is made of
    *("chat_history", "preamble", "tool_results", "suffix", "images", "context"),
    *("previous_response_id", "conversation", "cachedContent", "cached_content"),
)


def conversation_of(body: Json, *, model: str) -> dict[str, Json] | None:
    """The parts of a JSON body that are the conversation; ``None`` where there is none that is known.

    Args:
        body: What is sent.
        model: The model that is asked; ``""`` where the request names none. Only of a model a ``prompt`` or a
            ``message`` is surely asked.
    """
    if not isinstance(body, dict):
        return None
    names = (*_MESSAGE_LISTS, *_OTHER_PROMPTS, *_INSTRUCTIONS, *_BESIDE)
    is_one = any(_is_prompt(body.get(name)) for name in _MESSAGE_LISTS)
    is_one = is_one or bool(model and any(body.get(name) for name in _OTHER_PROMPTS))
    return {name: body[name] for name in names if body.get(name) is not None} if is_one else None


def _is_prompt(value: Json) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, dict) for item in value))


def _instructions(body: dict[str, Json]) -> Iterator[PromptMessage]:
    return (PromptMessage("system", _text(body[name])) for name in _INSTRUCTIONS if body.get(name))


def _messages(value: Json) -> Iterator[PromptMessage]:
    if isinstance(value, str):
        yield PromptMessage("user", value)
    else:
        yield from (_message(item) for item in value)


def _message(item: dict[str, Json]) -> PromptMessage:
    role = item.get("role") or item.get("type") or "user"
    spoken = [_text(item[key]) for key in ("content", "parts") if item.get(key)]
    rest = {key: value for key, value in item.items() if key not in {"role", "content", "parts"} and value is not None}
    return PromptMessage(str(role), "\n".join([*spoken, *([_prompt_json(rest)] if rest else [])]))


def _text(value: Json) -> str:
    """The text of a content: a string, a part, or a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    if isinstance(value, dict):
        return _prompt_part(value)
    return _prompt_json(value)


def _prompt_part(part: dict[str, Json]) -> str:
    if "parts" in part:
        return _text(part["parts"])
    is_text = isinstance(part.get("text"), str) and part.get("type", "text") in _PROMPT_TEXTS
    return str(part["text"]) if is_text else _prompt_json(part)


def _flat(value: Json, path: str = "") -> Iterable[tuple[str, Json]]:
    """The leaves of nested mappings by dotted path; a list is a leaf."""
    if not isinstance(value, dict) or not value:
        return [(path, value)] if path else []
    return [pair for key, inner in value.items() for pair in _flat(inner, f"{path}.{key}" if path else key)]


def _prompt_json(value: Json) -> str:
    return with_short_digests(json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2))


_INPUT: Final = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count")
_OUTPUT: Final = ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count")
_MORE_INPUT: Final = ("cache_creation_input_tokens", "cache_read_input_tokens")  # Anthropic counts these apart
_MORE_OUTPUT: Final = ("thoughtsTokenCount",)  # and Google these
_ANSWER_TEXTS: Final = ("text", "thinking", "refusal")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a model.

    Attributes:
        text: Its words, with its tool calls as JSON on lines of their own; ``""`` where none are recognised.
        input_tokens: How many tokens it read, cached ones included; ``None`` where the response does not say.
        output_tokens: How many tokens it wrote; ``None`` where the response does not say.
    """

    text: str
    input_tokens: int | None
    output_tokens: int | None


def answer_of(response: RecordedResponse) -> Answer:
    """The answer in a response."""
    documents = documents_of(response)
    counts: dict[str, int] = {}
    for document in documents:
        counts |= _counts(document)
    text = "".join(piece for document in documents for piece in _pieces(document))
    return Answer(text.strip("\n"), _sum(counts, _INPUT, _MORE_INPUT), _sum(counts, _OUTPUT, _MORE_OUTPUT))


def documents_of(response: RecordedResponse) -> list[dict[str, Json]]:
    """The JSON objects of a body: one, those of a list, or those of the events or lines of a stream."""
    text = response.body.decode("utf-8", "replace")
    try:
        values = [parse(text)]
    except JsonError:
        readings = (text, DATA_LINES.sub(_joined_data, text))  # an event may have a line of data, or several
        return max((_objects_in(map(_json, _PAYLOAD.findall(reading))) for reading in readings), key=len)
    return _objects_in(values)


_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_PAYLOAD: Final = re.compile(r"(?:data:(?<![^\r\n]data:))?([^\r\n]+)")


def _joined_data(lines: re.Match[str]) -> str:
    return "data:" + " ".join(line.removeprefix("data:") for line in _LINE_END.split(lines[0]))


def _objects_in(values: Iterable[Json]) -> list[dict[str, Json]]:
    listed = (value if isinstance(value, list) else [value] for value in values)
    return [one for values in listed for one in values if isinstance(one, dict)]


def _counts(document: dict[str, Json]) -> dict[str, int]:
    holders = [document, *(_object(document, name) for name in ("message", "response"))]
    usages = [_object(holder, name) for holder in holders for name in ("usage", "usageMetadata")]
    usages += [document] if "done" in document else []  # Ollama's
    return {name: count for usage in usages for name, count in usage.items() if isinstance(count, int)}


def _sum(counts: dict[str, int], names: tuple[str, ...], more: tuple[str, ...]) -> int | None:
    known = [counts[name] for name in names if name in counts]
    return known[0] + sum(counts.get(name, 0) for name in more) if known else None


def _pieces(document: dict[str, Json]) -> Iterator[str]:
    for choice in _objects(document, "choices"):  # OpenAI, chat completions
        yield from _spoken(_object(choice, "message") or _object(choice, "delta") or choice)
    for candidate in _objects(document, "candidates"):  # Google
        for part in _objects(_object(candidate, "content"), "parts"):
            yield from _answer_part(part)
    for part in [*_objects(document, "content"), *_outputs(document)]:  # Anthropic; OpenAI, responses
        yield from _answer_part(part)
    if "type" not in document:  # a model that was recorded as a whole
        yield from _spoken(document)
    if "done" in document:  # Ollama
        yield from _spoken(_object(document, "message"))
    yield from _event(document)


def _spoken(message: dict[str, Json]) -> Iterator[str]:
    yield from (message[name] for name in ("content", "text", "refusal") if isinstance(message.get(name), str))
    for call in _objects(message, "tool_calls"):
        yield from _call(_object(call, "function") or call)


def _outputs(document: dict[str, Json]) -> Iterator[dict[str, Json]]:
    for item in _objects(document, "output"):
        yield from _objects(item, "content") if item.get("type") == "message" else [item]


def _event(document: dict[str, Json]) -> Iterator[str]:
    """The piece in an event of Anthropic's streams, or of OpenAI's responses."""
    delta, kind = document.get("delta"), str(document.get("type"))
    if isinstance(delta, str) and kind.endswith(".delta"):
        yield delta
    if kind == "content_block_delta" and isinstance(delta, dict):
        yield from (str(delta[name]) for name in ("text", "thinking", "partial_json") if name in delta)
    if kind == "content_block_start":
        yield from _answer_part({**_object(document, "content_block"), "input": ""})
    if kind == "response.output_item.added":
        yield from _call({**_object(document, "item"), "arguments": ""})


def _answer_part(part: dict[str, Json]) -> Iterator[str]:
    yield from (part[name] for name in _ANSWER_TEXTS if isinstance(part.get(name), str))
    yield from _call(part if part.get("type") in {"function_call", "tool_use"} else _object(part, "functionCall"))


def _call(call: dict[str, Json]) -> Iterator[str]:
    """A tool call, or a piece of one: its name begins a line, its arguments follow."""
    if isinstance(call.get("name"), str):
        yield f"\n{call['name']} "
    given = next((call[name] for name in ("arguments", "input", "args") if name in call), "")
    yield given if isinstance(given, str) else dumps(given, "spaced")


def _object(holder: Json, name: str) -> dict[str, Json]:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def _objects(holder: dict[str, Json], name: str) -> list[dict[str, Json]]:
    value = holder.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_OPENING: Final = 60  # characters
_MODEL: Final = re.compile(r"/(?:models/([^/:]+)|(?:model|deployments)/([^/]+)/)")  # Google; Bedrock, Azure


def model_of(interaction: Interaction) -> str:
    """The model that was asked, as the engine named it, else as the request does; ``""`` where neither says."""
    return interaction.model or model_named(interaction.request.uri, _json(interaction.request.body))


def model_named(uri: str, body: Json) -> str:
    """The model that a request names, in its JSON body or in its address; ``""`` where it names none."""
    in_path = _MODEL.search(urlsplit(uri).path)
    return _named_in(body) or (unquote(in_path[1] or in_path[2]) if in_path else "")


def prompt_in(interaction: Interaction) -> Prompt | None:
    """The prompt of a request, or ``None`` where there is none."""
    return prompt_of(_json(digested(interaction.request)))


def readable_prompt(interaction: Interaction) -> Prompt | None:
    """The same, with numbers in place of the ids that providers give, which are others in each recording."""
    return prompt_of(numbered_ids(_json(digested(interaction.request))))


def opening_of(interaction: Interaction) -> str:
    """The first words of what was asked last, on one line; the address where there is no prompt."""
    request = interaction.request
    return last_message(request, _OPENING) or f"{request.method} {request.uri}"


def last_message(request: RecordedRequest, width: int) -> str:
    """What was asked last, with its role, on one line, cut to a width; ``""`` where there is no prompt."""
    prompt = prompt_of(_json(digested(request)))
    if prompt is None or not prompt.messages:
        return ""
    last = prompt.messages[-1]
    return f"{last.role}: {cut(' '.join(last.text.split()), width)}"


def _named_in(body: Json) -> str:
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) else ""


def _json(body: str | bytes) -> Json:
    try:
        return parse(body)
    except JsonError:
        return None
