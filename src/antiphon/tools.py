"""Tools: functions that a model may ask for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_json

from antiphon.copies import Shared
from antiphon.errors import InvalidType, InvalidValue, shown

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Farewell:
    """What a tool returns to end the conversation.

    Attributes:
        message: What the assistant says before that.
    """

    message: str

    def __post_init__(self) -> None:
        _check_text(self.message, "message")


class Tool(Shared, Generic[P, R]):
    """A function with the name, the description and the schema by which a model can ask for it.

    The schema comes from the signature and its type hints, the descriptions from the docstring (Google style). The tool
    can still be called as the function it is.

    Args:
        function: The function, sync or async. What it returns is told to the model: text as it is, all else as JSON.
        name: What the model calls it; by default the function's name.
        description: What the model is told of it; by default the docstring up to its sections.
        reraise: Whether an exception of the function ends the run; by default it is told to the model.

    Raises:
        InvalidType: That is no function, the name or the description is no text, or a parameter has no name a model
            could use.
        InvalidValue: There is no description.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        reraise: bool = False,
    ) -> None:
        if not is_function(function):
            raise InvalidType(f"a tool is made of a function, not {shown(function, object)}")
        for given, parameter in ((name, "name"), (description, "description")):
            if given is not None:
                _check_text(given, parameter)
        self.function = function
        self.name = name or str(getattr(function, "__name__", ""))
        if not self.name:
            raise InvalidValue(f"a tool made of {function!r} needs a name: give it one by name=")
        documented, parameters = _docstring(function)
        self.description = description or documented
        if not self.description:
            raise InvalidValue(f"the tool {self.name!r} has no description: give it a docstring, or description=")
        self.reraise = reraise
        self.template: Any = None
        self._arguments = _arguments_model(function, self.name, parameters)

    @classmethod
    def from_template(cls, name: str, description: str, template: Any) -> Tool[..., Any]:
        """A subroutine as a tool: the model says what it wants, and gets what the subroutine gives back.

        The template runs isolated like any subroutine, with the wish in its metadata as ``request``.

        Args:
            name: What the model calls it.
            description: What the model is told of it.
            template: What to run: a template, or a ``SubroutineTemplate`` with strategies and a model of its own.
        """
        tool: Tool[..., Any] = Tool(_request, name=name, description=description)
        tool.template = template
        return tool

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self._arguments.model_json_schema()

    def checked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the function takes them.

        Raises:
            ValidationError: They do not fit the schema.
        """
        given = self._arguments.model_validate(arguments)
        return {name: getattr(given, name) for name in self._arguments.model_fields}

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> R:
        """Call the function."""
        return self.function(*arguments, **options)

    def __repr__(self) -> str:
        return f"<Tool {self.name!r}>"


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, reraise: bool = False
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Make a tool of a function: ``@tool``, or ``@tool(name=..., description=..., reraise=...)``.

    Example:
        >>> @tool
        ... def add(a: int, b: int) -> int:
        ...     '''Adds two numbers.'''
        ...     return a + b
        >>> add(1, 2)
        3
        >>> add.name, add.description
        ('add', 'Adds two numbers.')
    """
    if function is not None:
        return Tool(function)
    return lambda decorated: Tool(decorated, **options)


def is_function(given: object) -> bool:
    """Whether a tool can be made of it. Where the objects of a class can be called, one of them was meant."""
    return callable(given) and not (isinstance(given, type) and any("__call__" in vars(kind) for kind in given.__mro__))


def _check_text(given: object, parameter: str) -> None:
    if not isinstance(given, str):
        raise InvalidType(f"{parameter} takes text, not {shown(given)}")


def told(result: object) -> str:
    """What a model is told of a tool's result: text as it is, anything else as JSON."""
    if isinstance(result, str):
        return result
    return to_json(result, fallback=str).decode()


def _request(request: str) -> str:
    """What is wanted."""
    return request


def _arguments_model(function: Callable[..., Any], name: str, documented: dict[str, str]) -> type[BaseModel]:
    hints = get_type_hints(_written(function), include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            raise InvalidType(f"the tool {name!r} takes self: make it of an object's method, as in Tool(desk.look_up)")
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
            raise InvalidType(f"the tool {name!r} takes {parameter}: a model gives every argument by its name")
        default = ... if parameter.default is parameter.empty else parameter.default
        description = documented.get(parameter.name)
        fields[parameter.name] = (hints.get(parameter.name, Any), Field(default, description=description))
    return create_model(name, __config__=_STRICT, **fields)


def _written(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where the type hints of a function stand: behind a ``partial``, or in the class of an object."""
    while isinstance(function, partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
_SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Example|Examples|Note|Notes):\s*$", re.MULTILINE)
_PARAMETER = re.compile(r"^ {4}(\w+)(?: \([^)]*\))?: (.*(?:\n {8,}.*)*)", re.MULTILINE)


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """A docstring's text up to its sections, and what it says of each parameter."""
    text = inspect.getdoc(function) or ""
    parts = _SECTION.split(text)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    parameters = _PARAMETER.findall(sections.get("Args", sections.get("Arguments", "")))
    return parts[0].strip(), {name: " ".join(said.split()) for name, said in parameters}
