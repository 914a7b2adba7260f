"""Generates answers: tool calls and objects of a type, from JSON schemas, the same for equal requests.

Nothing is random. Every field is filled, every list has an item, and recursive types end soon. A schema does not say
everything: a value is validated, and its invalid parts are generated in another way, until all are valid.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import chain, repeat
from math import ceil, floor
from random import Random
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import ValidationError

from antiphon import Reply, Session, Tool, ToolCall
from antiphon.output import OutputType, problems_of
from antiphon.trace import current_caller
from pytest_templates.errors import GenerationError
from pytest_templates.support.text import OUTSIDE

A = TypeVar("A")

_Schema: TypeAlias = Mapping[str, Any]
_Path: TypeAlias = tuple[str | int, ...]  # the keys and indices that lead to a part of a value
_Part: TypeAlias = tuple[str | int, Any, bool]  # its key or index, its schema, and whether it has to be there

_TRIES: Final = 50
_DRAWS: Final = 100  # attempts to find a text of a pattern that has the right length
_SPARE: Final = 16  # optional repetitions: enough for texts to differ, too few to be slow to match
_ENDLESS: Final = 100  # the most repetitions that rstr asks for, also where a pattern allows more
_EFFORT: Final = 1_000_000  # steps that all tries may take together: less than a second
_STEPS_OF_A_VALUE: Final = 60
# What rstr raises at patterns of another dialect, and at those that it does not support:
_UNSUPPORTED: Final = (re.error, LookupError, OverflowError, RecursionError, Warning)


def generated(session: Session) -> Reply | None:
    """The answer to a request; ``None`` where any text will do, since there is no schema.

    First every tool that is offered is called once; when they were run, an object of the output type follows, or a
    closing text.

    Raises:
        GenerationError: No valid value was found, or it would be larger than any answer of a model.
    """
    request, said = session.request, len(session.messages)
    if request.tools and session.last.role != "tool":
        calls = (_call(tool, f"call_{said}_{number}") for number, tool in enumerate(request.tools, 1))
        return Reply(tool_calls=tuple(calls))
    if request.output_type is not None:
        output: OutputType[Any] = OutputType(request.output_type)
        name = getattr(request.output_type, "__qualname__", None) or repr(request.output_type)
        value = _valid(name, request.output_schema or {}, lambda value: output.parsed(json.dumps(value)))
        return Reply(json.dumps(value, ensure_ascii=False))
    if request.tools:
        return Reply(f"A generated answer, after {', '.join(tool.name for tool in request.tools)}.")
    return None


def _call(tool: Tool[..., Any], call_id: str) -> ToolCall:
    arguments = _valid(f"the arguments of the tool {tool.name!r}", tool.parameters, tool.checked)
    return ToolCall(id=call_id, name=tool.name, arguments=arguments)


def _valid(what: str, schema: _Schema, check: Callable[[Any], object]) -> Any:
    """A value of a schema that passes a check."""
    maker, wrong = _Maker(schema), ""
    for number in range(1, _TRIES + 1):
        try:
            value = maker.value()
        except _NotMadeError as error:
            wrong = wrong or str(error)
            break
        try:
            check(value)
        except ValidationError as error:
            wrong = f"the last of {number} tries was {json.dumps(value)}\n{problems_of(error)}"
            paths = {_path(value, one["loc"]) for one in error.errors()}
            if number % 3:  # pydantic reports the errors of every member of a union: mostly an inner one counts
                paths -= {path[:length] for path in paths for length in range(len(path))}
            maker.turns.update(paths)
        else:
            return value
    caller = current_caller()
    template = None if caller is None else caller.template_path
    caller_name = OUTSIDE if template is None else f"the template at {template!r}"
    raise GenerationError(
        f"no answer can be made up that {caller_name} would take for {what}: {wrong}\n"
        "  write it into the script: model.on(template=...).reply(...)"
    )


def _path(value: Any, location: Sequence[str | int]) -> _Path:
    """The path in a value to an error of pydantic, whose location also names members of unions and validators."""
    path: list[str | int] = []
    for part in location:
        if part == "[key]" and path:  # pydantic adds it for an invalid key; keys are generated with their object
            return tuple(path[:-1])
        if isinstance(value, dict | list):
            with suppress(LookupError, TypeError):
                value = value[part]  # type: ignore[index]
                path.append(part)
    return tuple(path)


class _NotMadeError(Exception):
    """No value of a schema can be generated; the text says why."""


class _Maker:
    """Generates values of a JSON schema as pydantic writes it.

    Attributes:
        turns: How often the part at a path was invalid; each time it is generated in another way, if there is one.
    """

    def __init__(self, schema: _Schema) -> None:
        self.turns: Counter[_Path] = Counter()
        self._schema = schema
        self._effort = _EFFORT

    def value(self) -> Any:
        """The value, as JSON has it.

        Raises:
            _NotMadeError: It is infinitely large, or takes too many steps.
        """
        return self._value(self._schema, (), frozenset())

    def _spend(self, steps: int) -> None:
        if steps > self._effort:
            raise _NotMadeError("it is too large, or takes too many tries")
        self._effort -= steps

    def _turn(self, path: _Path) -> int:
        wrong = sum(self.turns[path[:length]] for length in range(len(path) + 1))
        return wrong + sum(part for part in path if isinstance(part, int))  # the items of a list differ

    def _value(self, given: Any, path: _Path, inside: frozenset[str]) -> Any:
        """The value at a path, within these definitions of the schema."""
        self._spend(_STEPS_OF_A_VALUE)
        schema: _Schema = given if isinstance(given, dict) else {}  # True, or none at all, allows anything
        turn = self._turn(path)
        match schema:
            case {"$ref": name} if name in inside:
                raise _NotMadeError("it holds itself, without an end")
            case {"$ref": name}:
                return self._value(self._schema["$defs"][name.removeprefix("#/$defs/")], path, inside | {name})
            case {"const": value}:
                return value
            case {"enum": values}:
                return values[turn % len(values)]
            case {"examples": [*values]} if turn < len(values):
                return values[turn]
            case {"anyOf": branches} | {"oneOf": branches}:
                return self._one_of(branches, path, inside)
            case {"type": [*kinds]}:
                return self._one_of([{**schema, "type": kind} for kind in kinds], path, inside)
        return self._of_type(schema, path, inside)

    def _of_type(self, schema: _Schema, path: _Path, inside: frozenset[str]) -> Any:
        match schema.get("type"):
            case "object":
                return dict(self._made(self._fields(schema, path, inside), path, inside))
            case "array":
                return [item for _, item in self._made(self._items(schema), path, inside)]
            case "integer" | "number":
                return self._number(schema, path)
            case "boolean":
                return self._turn(path) % 2 == 0
            case "null":
                return None
        if schema.get("contentMediaType") == "application/json":
            return json.dumps(self._value(schema.get("contentSchema", {}), path, inside))
        return self._text(schema, path)

    def _one_of(self, branches: list[_Schema], path: _Path, inside: frozenset[str]) -> Any:
        """A value of one branch of a union, another one in each turn; null comes last."""
        branches = sorted(branches, key=lambda branch: branch.get("type") == "null")
        first = self._turn(path) % len(branches)
        reason = _NotMadeError()
        for branch in (*branches[first:], *branches[:first]):
            try:
                return self._value(branch, path, inside)
            except _NotMadeError as error:
                reason = error
        raise reason

    def _made(self, parts: Iterable[_Part], path: _Path, inside: frozenset[str]) -> Iterator[tuple[Any, Any]]:
        """The parts of an object or a list, without optional ones that cannot be generated."""
        for key, schema, required in parts:
            try:
                yield key, self._value(schema, (*path, key), inside)
            except _NotMadeError:
                if required:
                    raise

    def _fields(self, schema: _Schema, path: _Path, inside: frozenset[str]) -> Iterator[_Part]:
        """The parts of an object; of one with open keys, as many as are required or usual."""
        if "properties" in schema:
            yield from ((name, kind, name in schema.get("required", ())) for name, kind in schema["properties"].items())
            return
        named = schema.get("patternProperties", {})
        pattern, values = next(iter(named.items()), (None, schema.get("additionalProperties")))
        # a schema without a word about the keys may still be that of numeric keys
        names = schema.get("propertyNames", {"type": "integer"}) if pattern is None else {"pattern": pattern}
        least, count = self._sizes(schema, "Properties", int(isinstance(values, dict)))
        for index in range(count):
            yield str(self._value(names, (*path, index), inside)), values, index < least

    def _items(self, schema: _Schema) -> Iterator[_Part]:
        """The parts of a list."""
        first = schema.get("prefixItems", [])
        least, count = self._sizes(schema, "Items", len(first) or int("items" in schema))
        kinds = chain(first, repeat(schema.get("items")))
        return ((index, kind, index < least) for index, kind in zip(range(count), kinds, strict=False))

    def _sizes(self, schema: _Schema, what: str, usual: int) -> tuple[int, int]:
        """The least number of parts, and the number to generate: the usual one, where that is allowed."""
        least = schema.get(f"min{what}", 0)
        count = max(least, min(usual, schema.get(f"max{what}", usual)))
        self._spend(count)
        return least, count

    def _number(self, schema: _Schema, path: _Path) -> int | float:
        try:
            return _number(schema, self._turn(path))
        except OverflowError as error:  # beyond what a float holds
            raise _NotMadeError("its numbers are too large") from error
        except ValueError as error:  # a bound has thousands of digits, or is no finite number
            raise _NotMadeError("its numbers cannot be made up") from error

    def _text(self, schema: _Schema, path: _Path) -> str:
        turn, least, most = self._turn(path), schema.get("minLength", 0), schema.get("maxLength", _EFFORT)
        if "pattern" in schema:
            return self._matching(schema["pattern"], least, most, turn)
        if schema.get("format") in _FORMATS:
            forms = _FORMATS[schema["format"]]
            rounds = turn // len(forms)
            return forms[turn % len(forms)].format(rounds + 1, rounds % 28 + 1)
        self._spend(least)
        name = next((part for part in reversed(path) if isinstance(part, str)), "text")
        end = f" {turn + 1}" if turn else ""
        if len(name + end) > most:
            end = end.strip()[-most:] if most else ""
        return (name[: most - len(end)] + end).ljust(least, ".")

    def _matching(self, pattern: str, least: int, most: int, turn: int) -> str:
        """A short text that matches a pattern, of the right length if one is found."""
        from rstr import Rstr

        references = len(re.findall(r"\\[1-9]|\(\?P=", pattern))
        dice = _Dice(self._spend, len(pattern) * 100**references)  # each multiplies the text that it refers to
        drawn, missing = "", 0
        try:
            for draw in range(_DRAWS):
                dice.seed(f"{pattern} {turn} {draw}")
                dice.spare = missing + dice.randrange(min(turn + draw, _SPARE) + 1)
                drawn = Rstr(dice).xeger(pattern)
                if least <= len(drawn) <= most:
                    break
                missing = max(missing, least - len(drawn))
        except _UNSUPPORTED:
            return pattern
        return drawn


class _Dice(Random):
    """A random generator for rstr with the same sequence in every process and a limited number of steps.

    Attributes:
        spare: How many optional repetitions are left.
    """

    def __init__(self, spend: Callable[[int], None], steps: int) -> None:
        super().__init__()
        self.spare = 0
        self._spend = spend
        self._steps = steps  # of going through the pattern once
        spend(steps)

    def choice(self, seq: Sequence[A]) -> A:  # type: ignore[override]
        """An element; letters are sorted first, since rstr takes some of them from sets."""
        self._spend(len(seq))
        letters = all(isinstance(one, str) for one in seq)
        return super().choice(sorted(seq) if letters else seq)  # type: ignore[type-var]

    def randint(self, a: int, b: int) -> int:
        """The number of repetitions."""
        room = self.spare if b >= _ENDLESS else min(b - a, self.spare)
        more = super().choice((room, self.randrange(room + 1)))
        self.spare -= more
        self._spend((a + more) * self._steps)
        return a + more


def _number(schema: _Schema, turn: int) -> int | float:
    """A number of a schema: near one step above 0, with as few decimals as possible."""
    step = Fraction(str(schema.get("multipleOf", 1)))
    steps = [step] if "multipleOf" in schema else [Fraction(1, 10**decimals) for decimals in range(30)]
    if schema["type"] == "integer":
        steps = [Fraction(step.numerator)]  # the integers among the multiples of 5/2 are those of 5
    least = most = 0
    for step in (*steps, steps[0]):  # the first again, where no step gives a number for each turn
        least, most = _multiples(schema, step, turn)
        if most - least >= turn:
            break
    start = min(max(1, least), most)
    way = turn % max(1, most - least + 1)
    point = step * (start + way if start + way <= most else most - way)  # upwards from the start, then downwards
    return int(point) if point.denominator == 1 else float(point)


def _multiples(schema: _Schema, step: Fraction, turn: int) -> tuple[int, int]:
    """The first and the last multiple of a step that a schema allows, or that is reached in a turn."""

    def bound(name: str, rounded: Callable[[Fraction], int]) -> list[int]:
        return [rounded(Fraction(str(schema[name])) / step)] if name in schema else []

    lower = [*bound("minimum", ceil), *bound("exclusiveMinimum", lambda multiple: floor(multiple) + 1)]
    upper = [*bound("maximum", floor), *bound("exclusiveMaximum", lambda multiple: ceil(multiple) - 1)]
    most = min(upper, default=max([1, *lower]) + turn)
    return max(lower, default=min(1, most) - turn), most


# The forms of a format take turns, each with a number: {0} counts without an end, {1} to 28, as days of a month.
_FORMATS: Final[Mapping[str, Sequence[str]]] = {
    "date": ("2001-01-{1:02}", "2999-01-{1:02}"),
    "date-time": tuple(f"{day}T12:00:00{zone}" for day in ("2001-01-{1:02}", "2999-01-{1:02}") for zone in ("Z", "")),
    "time": tuple(f"{hour}:00:00{zone}" for hour in range(12, 24) for zone in ("Z", "")),
    "duration": ("PT{0}H",),
    "uuid": ("00000000-0000-4000-8000-{0:012x}",),
    **{f"uuid{version}": (f"00000000-0000-{version}000-8000-{{0:012x}}",) for version in range(1, 9)},
    **dict.fromkeys(("email", "name-email"), ("name{0}@example.com",)),
    "uri": tuple(
        f"{scheme}://example.com/{{0}}" for scheme in ("https", "wss", "ftp", "redis", "amqp", "nats", "file")
    ),
    "multi-host-uri": tuple(f"{base}://name@example.com/name{{0}}" for base in ("postgresql", "mongodb", "mysql")),
    **dict.fromkeys(("ipv4", "ipvanyaddress"), ("192.0.2.{1}",)),
    **dict.fromkeys(("ipv4network", "ipvanynetwork"), ("192.0.{1}.0/24",)),
    **dict.fromkeys(("ipv4interface", "ipvanyinterface"), ("192.0.2.{1}/24",)),
    "ipv6": ("2001:db8::{0:x}",),
    "ipv6network": ("2001:db8:{0:x}::/48",),
    "ipv6interface": ("2001:db8::{0:x}/64",),
    "path": ("file-{0}.txt",),
    "directory-path": (".",),
    **dict.fromkeys(("base64", "base64url"), tuple(b64encode(f"text {n}".encode()).decode() for n in range(1, 99))),
    "zoneinfo": ("UTC",),
}
