"""Reads a tool's arguments and description from its function: signature, type hints and docstring."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, getdoc, isroutine, signature, unwrap
from typing import Any, cast, get_type_hints

from pydantic import ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError

from antiphon.errors import InvalidType, InvalidValue


class Arguments:
    """The arguments of a tool's function, as a model gives them: by name, as JSON.

    Args:
        function: The function. A parameter without a type hint takes anything.
        tool: The name of the tool.

    Attributes:
        schema: The JSON schema.

    Raises:
        InvalidType: A parameter cannot be given by its name or as JSON, or the signature cannot be read.
        InvalidValue: The docstring describes a parameter that is not there.
    """

    def __init__(self, function: Callable[..., Any], tool: str) -> None:
        parameters = _parameters(function, tool)
        hints = _hints(function, tool)
        described = _described(function, tool, {*parameters, *signature(_behind(function)).parameters})
        fields: dict[str, Any] = {}  # numbered: pydantic does not accept every name
        for number, (name, parameter) in enumerate(parameters.items()):
            default = ... if parameter.default is Parameter.empty else parameter.default
            field = Field(default, alias=name, description=described.get(name))
            fields[f"argument_{number}"] = (hints.get(name, Any), field)
        try:
            self._model = create_model(tool, __config__=ConfigDict(extra="forbid"), **fields)
            self.schema: dict[str, Any] = self._model.model_json_schema()
        except PydanticUserError as error:
            reason = error.message.partition(". ")[0]  # what follows is advice for pydantic's own models
            raise InvalidType(
                f"the tool {tool!r} takes {signature(function)}, which a model cannot give as JSON: {reason}"
            ) from error

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them.

        Raises:
            ValidationError: They do not fit the schema.
        """
        fitting = self._model.model_validate(given)
        return {str(field.alias): getattr(fitting, name) for name, field in self._model.model_fields.items()}


def description_of(function: Callable[..., Any]) -> str:
    """What the docstring of a function says up to its sections; that of an object may stand at its ``__call__``."""
    behind = _behind(function)
    text = getdoc(behind) or ("" if isinstance(behind, type) else getdoc(_called(behind)))
    return _SECTION.split(text or "")[0].strip()


def _parameters(function: Callable[..., Any], tool: str) -> Mapping[str, Parameter]:
    try:
        parameters = signature(function).parameters
    except ValueError as error:  # a built-in function
        raise InvalidType(
            f"the tool {tool!r}: {error}; make it of a function of your own that calls this one"
        ) from error
    for parameter in parameters.values():
        if parameter.name == "self":
            raise InvalidType(f"the tool {tool!r} takes self: make it of an object's method, as in Tool(desk.look_up)")
        if parameter.kind in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD, Parameter.POSITIONAL_ONLY}:
            raise InvalidType(f"the tool {tool!r} takes {parameter}: a model gives every argument by its name")
    return parameters


def _hints(function: Callable[..., Any], tool: str) -> dict[str, Any]:
    try:
        return get_type_hints(_called(function), include_extras=True)
    except Exception as error:  # a quoted type hint may be any expression
        raise InvalidType(
            f"a type hint of the tool {tool!r} means nothing: {error}; "
            "what it names has to be defined at the top of the function's module"
        ) from error


def _behind(function: Any) -> Any:
    """What a ``partial`` or a decorator was put around."""
    while isinstance(function, partial):
        function = function.func
    return unwrap(function)


def _called(function: Any) -> Any:
    """Where the parameters are written: the function itself, or the method that a class or an object is called by."""
    behind = _behind(function)
    if isinstance(behind, type):
        return cast("Any", behind).__init__
    return behind if isroutine(behind) else type(behind).__call__


_SECTION = re.compile(
    r"^(Args|Arguments|Attributes|Returns|Raises|Yields|Warns|Examples?|Notes?|Warnings?|See Also|Todo):\s*$",
    re.MULTILINE,
)


def _described(function: Callable[..., Any], tool: str, parameters: set[str]) -> dict[str, str]:
    """What the docstring says of each parameter."""
    behind = _behind(function)
    text = getdoc(behind if isinstance(behind, type) else _called(behind)) or ""
    parts = _SECTION.split(text)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    described = _entries(sections.get("Args", sections.get("Arguments", "")))
    unknown = [name for name in described if name not in parameters]
    if unknown:
        raise InvalidValue(
            f"the docstring of the tool {tool!r} describes {', '.join(map(repr, unknown))}, and there is no such "
            f"parameter; there is {', '.join(sorted(parameters)) or 'none'}"
        )
    return described


def _entries(section: str) -> dict[str, str]:
    """What a section says of each name; lines that are indented more than the first go on with the one before."""
    indent = section.lstrip("\n")[: -len(section.lstrip())]
    if not indent:
        return {}
    entry = re.compile(rf"^{indent}(\w+)(?: ?\(.*?\))?:(.*(?:\n(?:{indent} +.*)?$)*)", re.MULTILINE)
    return {name: " ".join(said.split()) for name, said in entry.findall(section)}
