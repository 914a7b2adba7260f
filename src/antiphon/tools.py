"""Tools: functions that a model may ask for."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from inspect import signature
from typing import Any, Generic, ParamSpec, TypeVar, overload

from antiphon.copies import Shared
from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.parameters import check_text
from antiphon.tool_signatures import Arguments, description_of

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
        check_text(self.message, "message")


class Tool(Shared, Generic[P, R]):
    """A function with the name, the description and the schema by which a model can ask for it.

    The schema comes from the signature and its type hints, the descriptions from the docstring (in Google, NumPy or
    Sphinx style). A parameter without a type hint takes anything. One that is annotated ``Session`` is no argument of
    the model: it is given the session of the template that runs the tool. The tool can still be called as the function
    it is.

    Args:
        function: The function, sync or async. What it returns is told to the model: text as it is, all else as JSON;
            what has no JSON form is an error, which is told as well.
        name: What the model calls it; by default the function's name.
        description: What the model is told of it; by default the docstring up to its sections.
        reraise: Whether an exception of the function ends the run; by default it is told to the model.

    Raises:
        InvalidType: That is no function, the name or the description is no text, or a model could not give the
            arguments: by their names, as JSON.
        InvalidValue: There is no name that providers take, or no description, or the docstring describes a parameter
            that is not there.
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
                check_text(given, parameter)
        self.function = function
        self.name = _checked_name(name or str(getattr(function, "__name__", "")).replace("<lambda>", ""), function)
        self.description = description or description_of(function)
        if not self.description:
            raise InvalidValue(f"the tool {self.name!r} has no description: give it a docstring, or description=")
        self.reraise = reraise
        self.template: Any = None
        self._arguments = Arguments(function, self.name)
        # For whoever asks; without __wrapped__, by which pytest would take a tool test_connection for a test.
        self.__name__, self.__doc__ = getattr(function, "__name__", self.name), function.__doc__
        self.__signature__ = signature(function)

    @classmethod
    def from_template(cls, name: str, description: str, template: Any) -> Tool[..., Any]:
        """A subroutine as a tool: the model says what it wants, and gets what the subroutine gives back.

        The template runs isolated like any subroutine, with the wish in its metadata as ``request``. Called by the
        program it runs in a session of its own: ``tool("What is wanted.", runner=runner)``, within another tool with
        ``runner=session.runner``.

        Args:
            name: What the model calls it.
            description: What the model is told of it.
            template: What to run: a template, or a ``SubroutineTemplate`` with strategies and a model of its own.
        """

        def run(request: str, *, runner: Any = None) -> str:
            if runner is None:
                raise InvalidValue(
                    f"the tool {name!r} runs a template, which needs a runner: call it with runner=Runner(model), or "
                    "within a run with runner=session.runner"
                )
            return str(template.answer(request, runner))

        tool: Tool[..., Any] = Tool(run, name=name, description=description)
        tool._arguments = Arguments(_request, name)  # the runner is no argument of the model
        tool.template = template
        return tool

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return deepcopy(self._arguments.schema)

    def checked(self, arguments: dict[str, Any], session: object = None) -> dict[str, Any]:
        """The arguments as the function takes them.

        Args:
            arguments: The arguments that a model gave.
            session: What the parameters that are annotated ``Session`` are given.

        Raises:
            ValidationError: They do not fit the schema.
        """
        return self._arguments.checked(arguments) | dict.fromkeys(self._arguments.given, session)

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


def _checked_name(name: str, function: object) -> str:
    if not name:
        raise InvalidValue(f"a tool made of {function!r} needs a name: give it one by name=")
    if not _NAME.fullmatch(name):
        raise InvalidValue(
            f"a tool cannot be called {name!r}: providers take ASCII letters, digits, '_', '-', '.' and ':'"
        )
    return name


_NAME = re.compile(r"[A-Za-z0-9_.:-]+")


def _request(request: str) -> None:
    """What a model gives to a tool that is made of a template."""
