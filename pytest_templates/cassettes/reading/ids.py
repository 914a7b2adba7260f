"""Ids in prompts: another recording has others, which say nothing to people."""

from __future__ import annotations

from typing import Final

from pytest_templates.cassettes.format.canonical_json import Json

_CONVERSATION: Final = ("messages", "contents", "input")
_IDS: Final = frozenset(
    {
        *("id", "call_id", "tool_call_id", "tool_use_id", "file_id", "item_id", "response_id"),
        *("signature", "thoughtSignature", "thought_signature", "encrypted_content"),
    }
)
_PREVIOUS: Final = ("previous_response_id", "conversation")
_OF_THE_PROGRAM: Final = frozenset({"args", "arguments", "input", "response", "content_json", "json"})


def numbered_ids(body: Json) -> Json:
    """A body in which ids that a provider gave are numbers, in their order: ``#1`` is the same one everywhere.

    What a program or a model says under such a name, as an argument of a tool, stays.
    """
    if not isinstance(body, dict):
        return body
    known: dict[str, str] = {}
    named = {name: _number(body[name], known) for name in _PREVIOUS if isinstance(body.get(name), str)}
    listed = {name: [_numbered(one, known) for one in body[name]] for name in _CONVERSATION if _is_list(body.get(name))}
    return {**body, **named, **listed}


def _is_list(value: Json) -> bool:
    return isinstance(value, list)


def _numbered(value: Json, known: dict[str, str]) -> Json:
    if isinstance(value, list):
        return [_numbered(one, known) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _member(name, inner, known) for name, inner in value.items()}


def _member(name: str, value: Json, known: dict[str, str]) -> Json:
    if name in _IDS and isinstance(value, str):
        return _number(value, known)
    return value if name in _OF_THE_PROGRAM else _numbered(value, known)


def _number(value: str, known: dict[str, str]) -> str:
    return known.setdefault(value, f"#{len(known) + 1}")
