"""Values that a JSON schema allows, in the words in which pydantic writes schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from pytest_templates.generating.numbers import number, whole_number
from pytest_templates.generating.texts import text

Schema: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[str | int, ...]

_DEFINITIONS: Final = "#/$defs/"
_MANY: Final = 1_000_000


class EndlessSchema(Exception):
    """What a schema describes holds itself, without an end."""


class Maker:
    """Makes a value of a schema: every field is filled, every list has an item, and what holds itself ends soon.

    There is no chance in it. Values differ by their turn: how often the value at their place was found wrong, and the
    number of the list's item they belong to.

    Args:
        schema: The schema, with its definitions.
        turns: How often what stood at a place of the value was found wrong.
    """

    def __init__(self, schema: Schema, turns: Mapping[Place, int]) -> None:
        self._schema = schema
        self._turns = turns
        self._kinds: Mapping[str, Callable[[Schema, Place, frozenset[str]], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": lambda schema, place, _: whole_number(schema, self._turn(place)),
            "number": lambda schema, place, _: number(schema, self._turn(place)),
            "boolean": lambda _, place, __: self._turn(place) % 2 == 0,
            "null": lambda *_: None,
        }

    def value(self) -> Any:
        """The value, as JSON has it.

        Raises:
            EndlessSchema: There is no finite one.
        """
        return self._value(self._schema, (), frozenset())

    def _value(self, schema: Schema, place: Place, inside: frozenset[str]) -> Any:
        """What a schema allows at a place, inside of these definitions."""
        turn = self._turn(place)
        if "$ref" in schema:
            return self._defined(schema["$ref"], place, inside)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][turn % len(schema["enum"])]
        examples = schema.get("examples")
        if isinstance(examples, list) and turn < len(examples):
            return examples[turn]
        branches = _branches(schema)
        if branches:
            return self._first_finite(branches, place, inside)
        return self._kinds.get(schema.get("type", "string"), self._string)(schema, place, inside)

    def _turn(self, place: Place) -> int:
        wrong = sum(self._turns.get(place[:length], 0) for length in range(len(place) + 1))
        return wrong + sum(part for part in place if isinstance(part, int))

    def _defined(self, reference: str, place: Place, inside: frozenset[str]) -> Any:
        if reference in inside:
            raise EndlessSchema
        definition = self._schema["$defs"][reference.removeprefix(_DEFINITIONS)]
        return self._value(definition, place, inside | {reference})

    def _first_finite(self, branches: list[Schema], place: Place, inside: frozenset[str]) -> Any:
        """A value of one branch, of another one in each turn; of the next where that has no end."""
        first = self._turn(place) % len(branches)
        for branch in (*branches[first:], *branches[:first]):
            try:
                return self._value(branch, place, inside)
            except EndlessSchema:
                continue
        raise EndlessSchema

    def _object(self, schema: Schema, place: Place, inside: frozenset[str]) -> dict[str, Any]:
        if "properties" not in schema:
            return dict(self._entries(schema, place, inside))
        made = {}
        for name, inner in schema["properties"].items():
            try:
                made[name] = self._value(inner, (*place, name), inside)
            except EndlessSchema:
                if name in schema.get("required", ()):
                    raise
        return made

    def _entries(self, schema: Schema, place: Place, inside: frozenset[str]) -> Iterator[tuple[str, Any]]:
        """The entries of an object whose names are open."""
        pattern, values = next(iter(schema.get("patternProperties", {}).items()), (None, None))
        keys = schema.get("propertyNames") if pattern is None else {"type": "string", "pattern": pattern}
        values = schema.get("additionalProperties", True) if values is None else values
        least = schema.get("minProperties", 0)
        wanted = min(schema.get("maxProperties", _MANY), max(least, int(isinstance(values, dict))))
        for index in range(wanted):
            # where a schema says nothing of the names, they may still have to be numbers
            key = str(index + 1) if keys is None else str(self._value(keys, (*place, index), inside))
            try:
                yield key, self._value(_as_schema(values), (*place, key), inside)
            except EndlessSchema:
                if index < least:
                    raise
                return

    def _array(self, schema: Schema, place: Place, inside: frozenset[str]) -> list[Any]:
        kinds = schema.get("prefixItems", [])
        made = [self._value(kind, (*place, index), inside) for index, kind in enumerate(kinds)]
        least = schema.get("minItems", 0)
        wanted = min(schema.get("maxItems", _MANY), max(least, int("items" in schema)))
        for index in range(len(made), wanted):
            try:
                made.append(self._value(_as_schema(schema.get("items")), (*place, index), inside))
            except EndlessSchema:
                if index < least:
                    raise
                break
        return made

    def _string(self, schema: Schema, place: Place, inside: frozenset[str]) -> str:
        if schema.get("contentMediaType") == "application/json":
            return json.dumps(self._value(schema.get("contentSchema", {}), place, inside))
        name = next((part for part in reversed(place) if isinstance(part, str)), "text")
        return text(schema, name, self._turn(place))


def _branches(schema: Schema) -> list[Schema]:
    """What a value may be one of; nothing at all comes last."""
    kinds = schema.get("type")
    listed = [{**schema, "type": kind} for kind in kinds] if isinstance(kinds, list) else []
    branches = schema.get("anyOf") or schema.get("oneOf") or listed
    return sorted(branches, key=lambda branch: branch.get("type") == "null")


def _as_schema(given: Any) -> Schema:
    """A schema; ``True``, or none at all, allows anything."""
    return given if isinstance(given, dict) else {}
