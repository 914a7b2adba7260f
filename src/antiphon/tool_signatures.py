"""Reads a tool's arguments and description from its function: signature, type hints and docstring."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import Parameter, getdoc, isroutine, signature, unwrap
from types import FrameType, NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, create_model

from antiphon.errors import InvalidType, InvalidValue, in_words


class GivenToTools:
    """Base of the classes whose objects tools are given where a parameter has that type: of ``Session``."""

    __slots__ = ()


class Arguments:
    """The arguments of a tool's function, as a model gives them: by name, as JSON.

    Args:
        function: The function. A parameter without a type hint takes anything; one whose type is ``Session`` is given
            the session, and is no argument of the model.
        tool: The name of the tool.

    Attributes:
        schema: The JSON schema.
        given: The names of the parameters that are given the session.

    Raises:
        InvalidType: A parameter cannot be given by its name or as JSON, or the signature cannot be read.
        InvalidValue: The docstring describes a parameter that is not there.
    """

    def __init__(self, function: Callable[..., Any], tool: str) -> None:
        parameters = _parameters(function, tool)
        hints = _hints(function, tool)
        descriptions = _described(function, tool, {*parameters, *signature(_behind(function)).parameters})
        self.given = tuple(name for name in parameters if _is_given(hints.get(name), name, tool))
        fields: dict[str, Any] = {}  # numbered: pydantic does not accept every name
        asked_for = [(name, parameter) for name, parameter in parameters.items() if name not in self.given]
        for number, (name, parameter) in enumerate(asked_for):
            default = ... if parameter.default is Parameter.empty else parameter.default
            field = Field(default, alias=name, description=descriptions.get(name))
            fields[f"argument_{number}"] = (hints.get(name, Any), field)
        try:
            self._model = create_model(tool, __config__=ConfigDict(extra="forbid"), **fields)
            self.schema: dict[str, Any] = self._model.model_json_schema()
            json.dumps(self.schema)
        except Exception as error:  # of pydantic, of its core, and of what a type brings along itself
            reason = str(error).partition(". ")[0]  # what follows is advice for pydantic's own models
            raise InvalidType(
                f"the tool {tool!r} takes {in_words(signature(function), str)}, which a model cannot give as JSON: "
                f"{reason}. What it needs of the conversation it finds in a parameter annotated Session, which the "
                "model does not give"
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
    from antiphon.docstrings import described  # imported where a tool is made: many programs make none

    behind = _behind(function)
    return described(getdoc(behind) or ("" if isinstance(behind, type) else getdoc(_called(behind))) or "").text


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
    called = _called(function)
    try:
        try:
            return get_type_hints(called, include_extras=True)
        except NameError:  # what is defined within a function is known while that function runs
            return get_type_hints(called, localns=_local_names(called), include_extras=True)
    except Exception as error:  # a quoted type hint may be any expression
        raise InvalidType(
            f"a type hint of the tool {tool!r} means nothing: {error}; what it names has to be known where the "
            "function is defined: at the top of its module, not within `if TYPE_CHECKING`"
        ) from error


def _local_names(function: Any) -> dict[str, Any]:
    """The names that are known in the functions and classes that a function is defined in, as far as they run now."""
    around = function.__qualname__.replace(".<locals>", "").split(".")
    names: dict[str, Any] = {}
    for frame in _frames():
        code = frame.f_code
        outer = code.co_qualname.replace(".<locals>", "").split(".")
        if frame.f_globals is function.__globals__ and outer == around[: len(outer)] and len(outer) < len(around):
            names = {**frame.f_locals, **names}  # the innermost counts
    return names


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_given(hint: object, name: str, tool: str) -> bool:
    """Whether a parameter is given the session: its type is ``Session``, which may be optional or annotated."""
    given = [isinstance(kind, type) and issubclass(kind, GivenToTools) for kind in _kinds(hint)]
    if any(given) and not all(given):
        raise InvalidType(
            f"the tool {tool!r} takes {name}, which is a Session or something else: annotate it Session alone, and "
            "it is given the session, or leave Session out, and the model gives it"
        )
    return any(given)


def _kinds(hint: object) -> Iterator[object]:
    """The types that a hint allows, without ``None``."""
    if get_origin(hint) is Annotated:
        yield from _kinds(get_args(hint)[0])
    elif get_origin(hint) in {Union, UnionType}:
        for one in get_args(hint):
            yield from _kinds(one)
    elif hint is not NoneType:
        yield hint


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


def _described(function: Callable[..., Any], tool: str, parameters: set[str]) -> dict[str, str]:
    """What the docstring says of each parameter."""
    from antiphon.docstrings import described

    behind = _behind(function)
    said = described(getdoc(behind if isinstance(behind, type) else _called(behind)) or "")
    if said.problem is not None and parameters:
        raise InvalidValue(f"what the docstring of the tool {tool!r} says of its parameters is unclear: {said.problem}")
    unknown = [name for name in said.parameters if name not in parameters]
    if unknown:
        raise InvalidValue(
            f"the docstring of the tool {tool!r} describes {', '.join(map(repr, unknown))}, and there is no such "
            f"parameter; there is {', '.join(sorted(parameters)) or 'none'}"
        )
    return said.parameters
