"""Which values are secret where a name says so: what stands under it, and how sure the name is.

What stands under a quoted name is secret whatever it is: a text, a number of four digits or more, the words in a list
or an object. The schema of a member (``{"password": {"type": "string"}}``) says no secret.
"""

from __future__ import annotations

import re
from typing import Final

from pytest_templates.cassettes.format.canonical_json import Json, JsonError, dumps, parse, style_of
from pytest_templates.redaction.policy import Certainty, has_letter_and_digit, is_code, looks_random
from pytest_templates.redaction.secrets import PLACEHOLDER, Source

A_MEMBER: Final = Source("the value of a secret member")
A_NUMBER: Final = Source("the number in a secret member")
_MIN_DIGITS: Final = 4  # of a number; fewer are counts
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{2,20} ")
_TYPES: Final = frozenset(["string", "number", "integer", "boolean", "array", "object", "null"])  # of JSON schemas
_SCHEMA_NAMES: Final = frozenset(["$ref", "anyOf", "oneOf", "allOf", "any_of", "properties", "writeOnly", "format"])
_ANNOTATIONS: Final = frozenset(["title", "description", "default", "enum", "const", "examples", "required"])


def placeholder(source: Source) -> str:
    """What is written in place of a secret: JSON that holds it stays JSON of the same kind."""
    return "0" if source is A_NUMBER else PLACEHOLDER


def is_secret_value(value: str, certainty: Certainty) -> bool:
    """Whether a text is secret under a quoted name that is so sure of it."""
    return bool(value) and value != PLACEHOLDER and is_like_one(value, certainty)


def is_like_one(value: str, certainty: Certainty) -> bool:
    """Whether a text looks as much like a secret as the name that it stands under asks for."""
    if certainty is Certainty.ANY:
        return True
    if certainty is Certainty.CODE:
        return is_code(value)
    return is_mixed(value, 8) if certainty is Certainty.VAGUE else looks_random(_without_scheme(value))


def is_mixed(value: str, least: int) -> bool:
    """Whether a text is one word with a letter and a digit in it; the scheme of a header may stand before it."""
    word = _without_scheme(value)
    return len(word) >= least and has_letter_and_digit(word) and not any(map(str.isspace, word))


def _without_scheme(value: str) -> str:
    scheme = _SCHEME.match(value)
    return value[scheme.end() :] if scheme else value


def is_secret_word(text: str) -> bool:
    """Whether a text in a list or an object under a secret name is secret; sentences are about it."""
    return bool(text) and text != PLACEHOLDER and not any(map(str.isspace, text))


def is_secret_number(written: str, certainty: Certainty) -> bool:
    """Whether an integer under a name that is so sure of it is secret; small ones are counts."""
    if certainty is Certainty.CODE:
        return is_code(written)
    return certainty is Certainty.ANY and len(written.lstrip("-")) >= _MIN_DIGITS


def is_schema(names: set[str], texts: set[str]) -> bool:
    """Whether an object says what a member looks like: the names in it, and the texts."""
    has_type = "type" in names and any(text.lower() in _TYPES for text in texts)
    return has_type or bool(names & _SCHEMA_NAMES) or bool(names and names <= _ANNOTATIONS)


def without_values(value: Json, certainty: Certainty) -> Json:
    """The value of a member of JSON without what is secret in it."""
    if isinstance(value, str):
        return PLACEHOLDER if is_secret_value(value, certainty) else value
    if isinstance(value, int) and not isinstance(value, bool):
        return 0 if is_secret_number(str(value), certainty) else value
    if certainty is not Certainty.ANY or not isinstance(value, (list, dict)) or is_schema(*_contents(value)):
        return value
    return _without_words(value)


def without_document(text: str) -> str:
    """The text of a secret document: one of JSON keeps its names and numbers, so that whoever reads it still can."""
    try:
        document = parse(text) if text.startswith("{") else None
    except JsonError:
        document = None
    if not isinstance(document, dict):
        return text and PLACEHOLDER
    return dumps(_without_words(document), style_of(text, document) or "compact")


def _without_words(value: Json) -> Json:
    if isinstance(value, str):
        return PLACEHOLDER if is_secret_word(value) else value
    if isinstance(value, list):
        return [_without_words(inner) for inner in value]
    return {name: _without_words(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _contents(value: Json) -> tuple[set[str], set[str]]:
    """The names and the texts in a list or an object."""
    names: set[str] = set()
    texts: set[str] = set()
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            names.update(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
        elif isinstance(one, str):
            texts.add(one)
    return names, texts
