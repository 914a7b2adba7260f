"""What a model answered, and what it cost, from the body of its response: in the words of OpenAI, Anthropic and Google.

A body is one JSON document or, for a stream, many; each document holds pieces of the answer, and some of them a count
of tokens. Where a count comes several times, as in Anthropic's streams, the last one holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pytest_templates.cassettes.documents import Json, JsonError, dumps, parse
from pytest_templates.cassettes.values import RecordedResponse

_INPUT: Final = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_eval_count")
_OUTPUT: Final = ("completion_tokens", "output_tokens", "candidatesTokenCount", "eval_count")
_MORE_INPUT: Final = ("cache_creation_input_tokens", "cache_read_input_tokens")  # Anthropic counts these apart
_MORE_OUTPUT: Final = ("thoughtsTokenCount",)  # and Google these
_TEXTS: Final = ("text", "thinking", "refusal")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

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
    documents = _documents(response)
    counts: dict[str, int] = {}
    for document in documents:
        counts |= _counts(document)
    text = "".join(piece for document in documents for piece in _pieces(document))
    return Answer(text.strip("\n"), _sum(counts, _INPUT, _MORE_INPUT), _sum(counts, _OUTPUT, _MORE_OUTPUT))


def _documents(response: RecordedResponse) -> list[dict[str, Json]]:
    """The JSON objects of a body: one, those of a list, or those of the events or lines of a stream."""
    text = response.body.decode("utf-8", "replace")
    try:
        values = [parse(text)]
    except JsonError:
        values = [_json(line.removeprefix("data:")) for line in text.splitlines()]
    listed = (value if isinstance(value, list) else [value] for value in values)
    return [one for values in listed for one in values if isinstance(one, dict)]


def _json(text: str) -> Json:
    try:
        return parse(text)
    except JsonError:
        return None


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
            yield from _part(part)
    for part in [*_objects(document, "content"), *_outputs(document)]:  # Anthropic; OpenAI, responses
        yield from _part(part)
    if "done" in document:  # Ollama
        yield from _spoken(_object(document, "message"))
    yield from _event(document)


def _spoken(message: dict[str, Json]) -> Iterator[str]:
    yield from (message[name] for name in ("content", "text", "refusal") if isinstance(message.get(name), str))
    for call in _objects(message, "tool_calls"):
        yield from _call(_object(call, "function"))


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
        yield from _part({**_object(document, "content_block"), "input": ""})
    if kind == "response.output_item.added":
        yield from _call({**_object(document, "item"), "arguments": ""})


def _part(part: dict[str, Json]) -> Iterator[str]:
    yield from (part[name] for name in _TEXTS if isinstance(part.get(name), str))
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
