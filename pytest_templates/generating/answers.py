"""What a model answers that nobody has told what to say: the tools it is offered, or an object of a type."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic import ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from antiphon import Reply, Session, Tool, ToolCall
from antiphon.output import OutputType, problems_of
from antiphon.request import Request
from antiphon.trace import current_caller
from pytest_templates.errors import GenerationError
from pytest_templates.generating.schemas import EndlessSchema, Maker, Place, Schema

_TRIES: Final = 50
_KEY: Final = "[key]"  # what pydantic adds to the location of a wrong name


def generated(session: Session) -> Reply | None:
    """What is made up for a request; ``None`` for one of any text: there is nothing to make it up from.

    Tools are asked for first, each that is offered once. When they were run, an object of the type that is asked for
    follows, or a closing text.

    Raises:
        GenerationError: No value was found that is valid.
    """
    request = session.request
    if request.tools and session.last.role != "tool":
        return Reply(tool_calls=_calls(request.tools, len(session.messages)))
    if request.output_type is not None:
        return Reply(_typed(request))
    if request.tools:
        return Reply(f"A generated answer, after {', '.join(tool.name for tool in request.tools)}.")
    return None


def _calls(tools: Sequence[Tool[..., Any]], said: int) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(id=f"call_{said}_{number}", name=tool.name, arguments=_arguments(tool))
        for number, tool in enumerate(tools, 1)
    )


def _arguments(tool: Tool[..., Any]) -> dict[str, Any]:
    what = f"the arguments of the tool {tool.name!r}"
    arguments: dict[str, Any] = _valid(what, lambda: tool.parameters, tool.checked)
    return arguments


def _typed(request: Request) -> str:
    output: OutputType[Any] = OutputType(request.output_type)
    name = getattr(request.output_type, "__qualname__", None) or repr(request.output_type)
    value = _valid(name, lambda: request.output_schema, lambda value: output.parsed(json.dumps(value)))
    return json.dumps(value, ensure_ascii=False)


def _valid(what: str, schema_of: Callable[[], Schema | None], check: Callable[[Any], object]) -> Any:
    """A value that is valid.

    A schema does not say everything: a date may have to lie in the future, a validator may want even numbers. What is
    found wrong is made in another way, until nothing is; what holds it, too, at every third try.
    """
    turns: Counter[Place] = Counter()
    wrong = ""
    try:
        schema = schema_of() or {}
        for number in range(1, _TRIES + 1):
            value = Maker(schema, turns).value()
            try:
                check(value)
            except ValidationError as error:
                places = {_place(value, one["loc"]) for one in error.errors()}
                turns.update(places if number % 3 == 0 else _innermost(places))
                wrong = f"the last of {_TRIES} tries was {json.dumps(value)}\n{problems_of(error)}"
            else:
                return value
    except PydanticInvalidForJsonSchema as error:
        wrong = f"it has no JSON schema: {error.message}"
    except EndlessSchema:
        wrong = "it holds itself, without an end"
    raise _failure(what, wrong)


def _innermost(places: set[Place]) -> list[Place]:
    """Those that hold no other: of a union, pydantic tells what each of its members finds wrong."""
    return [place for place in places if not any(place == other[: len(place)] for other in places - {place})]


def _place(value: Any, location: Sequence[str | int]) -> Place:
    """Where in a value an error is: its location names members of unions and validators as well."""
    place: list[str | int] = []
    for part in location:
        if part == _KEY and place:
            return tuple(place[:-1])  # names are made with what holds them
        inner: Any = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, dict) and part in inner:
            value = inner[part]
            place.append(part)
    return tuple(place)


def _failure(what: str, why: str) -> GenerationError:
    caller = current_caller()
    path = None if caller is None else caller.template_path
    asking = "code outside of templates" if path is None else f"the template at {path!r}"
    return GenerationError(
        f"no answer can be made up that {asking} would take for {what}: {why}\n"
        "  write it into the script: model.on(template=...).reply(...)"
    )
