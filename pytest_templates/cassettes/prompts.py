"""The prompt in a request body: the messages, in the words of OpenAI, Anthropic and Google, and the settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pytest_templates.cassettes.documents import Json

_MESSAGE_LISTS: Final = ("messages", "contents", "input")
_INSTRUCTIONS: Final = ("system", "instructions", "systemInstruction", "system_instruction")
_TEXTS: Final = ("text", "input_text", "output_text")


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt: who says it, and what, with everything that is no text as JSON."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked.

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
    return PromptMessage(str(role), "\n".join([*spoken, *([_json(rest)] if rest else [])]))


def _text(value: Json) -> str:
    """The text of a content: a string, a part, or a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    if isinstance(value, dict):
        return _part(value)
    return _json(value)


def _part(part: dict[str, Json]) -> str:
    if "parts" in part:
        return _text(part["parts"])
    is_text = isinstance(part.get("text"), str) and part.get("type", "text") in _TEXTS
    return str(part["text"]) if is_text else _json(part)


def _flat(value: Json, path: str = "") -> Iterable[tuple[str, Json]]:
    """The leaves of nested mappings by dotted path; a list is a leaf."""
    if not isinstance(value, dict) or not value:
        return [(path, value)] if path else []
    return [pair for key, inner in value.items() for pair in _flat(inner, f"{path}.{key}" if path else key)]


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)
