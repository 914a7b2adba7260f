"""The steps of a script: what a model or a user says, checked when it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from reprlib import Repr
from typing import Any, TypeAlias, cast

from pydantic import BaseModel

from antiphon import Message, Reply, Session, ToolCall
from antiphon.copies import isolated
from antiphon.errors import InvalidType
from pytest_templates.faults import Fault
from pytest_templates.scripting.happened import happens
from pytest_templates.tool_calls import CallTool

Answer: TypeAlias = Reply | Message | str
Calls: TypeAlias = CallTool | list[CallTool] | tuple[CallTool, ...]
UserStep: TypeAlias = str | Callable[[Session], str]


class Stream:
    """A step that arrives in these pieces where the program reads a stream, and as a whole elsewhere.

    Args:
        *pieces: The pieces of the text, in order.

    Raises:
        InvalidType: A piece is no text.
    """

    __slots__ = ("pieces",)

    def __init__(self, *pieces: str) -> None:
        for number, piece in enumerate(pieces, 1):
            if not isinstance(piece, str):
                raise InvalidType(f"piece {number} of a Stream is text, not {type(piece).__name__}: {piece!r}")
        self.pieces = pieces

    def __repr__(self) -> str:
        return f"Stream({', '.join(map(repr, self.pieces))})"


class Fail:
    """A step in which the model fails: ``Fail(faults.rate_limited(retry_after=2))``.

    Args:
        fault: What goes wrong: one of the ``faults``, or an exception.

    Raises:
        InvalidType: The argument is neither.
    """

    __slots__ = ("fault",)

    def __init__(self, fault: Fault | BaseException | type[BaseException]) -> None:
        if not isinstance(fault, Fault) and not _is_exception(fault):
            raise InvalidType(f"Fail takes one of the faults, or an exception, not {type(fault).__name__}: {fault!r}")
        self.fault = fault

    def __repr__(self) -> str:
        return f"Fail({self.fault!r})"


ModelStep: TypeAlias = (
    Answer | Calls | Stream | Fail | BaseModel | BaseException | type[BaseException] | Callable[[Session], Any]
)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a step in a script.

    Attributes:
        owner: The owner of the script, for messages.
        name: The name of the step, such as ``step 2``.
        number: How many steps of the script were played, this one included; it is part of the ids of tool calls.
    """

    owner: str
    name: str
    number: int


def checked_model_steps(steps: Sequence[Any], owner: str) -> tuple[ModelStep, ...]:
    """The steps of a model's script, checked.

    Raises:
        InvalidType: A step is of a wrong type; the text names its place.
    """
    for number, step in enumerate(steps, 1):
        if not _is_model_step(step):
            kind = "type" if isinstance(step, type) else type(step).__name__
            raise InvalidType(
                f"step {number} of {owner} is {kind}: {shown(step)}\n"
                "  a step is a text, a Reply, a CallTool, a list of CallTools that are one answer, a Stream, a Fail, "
                "a pydantic object, an exception, or a function of the session"
            )
    return tuple(tuple(step) if isinstance(step, list) else step for step in steps)


def checked_user_steps(steps: Sequence[Any], owner: str) -> tuple[UserStep, ...]:
    """The answers of a user's script, checked.

    Raises:
        InvalidType: An answer is of a wrong type; the text names its place.
    """
    for number, step in enumerate(steps, 1):
        if not isinstance(step, str) and (isinstance(step, type) or not callable(step)):
            raise InvalidType(
                f"answer {number} of {owner} is {type(step).__name__}: {shown(step)}\n"
                "  an answer is a text, or a function of the session that returns one"
            )
    return tuple(steps)


def played(step: ModelStep, session: Session, place: Place) -> Answer | Stream:
    """The answer of a model at a step; a ``Reply`` or ``Message`` is copied.

    Raises:
        BaseException: The exception of the step.
        InvalidType: A function returned no step.
    """
    match step:
        case str() | Stream():
            return step
        case Reply() | Message():
            said = step.model_copy(deep=True)
            calls = _with_ids(said.tool_calls, place)
            return said.model_copy(update={"tool_calls": calls}) if calls else said
        case CallTool():
            return Reply(tool_calls=_with_ids([step], place))
        case list() | tuple():
            return Reply(tool_calls=_with_ids(step, place))
        case BaseModel():
            return step.model_dump_json()
        case Fail(fault=Fault() as fault):
            happens(fault)
            return fault.alone(session)
        case Fail():
            raise cast("BaseException", step.fault)
        case _ if _is_exception(step):
            raise cast("BaseException", step)
    returned = cast("Callable[[Session], Any]", step)(session)
    if _is_model_step(returned) and (_is_exception(returned) or not callable(returned)):
        return played(returned, session, place)
    what = f"{type(returned).__name__}: {shown(returned)}"
    raise InvalidType(f"{place.name} of {place.owner}, {shown(step)}, returned {what}")


def _with_ids(calls: Sequence[ToolCall], place: Place) -> tuple[ToolCall, ...]:
    """The calls of an answer; those that a script wrote without an id get one that is the same from run to run."""
    of_step = f"call_{place.number}"
    count = sum(isinstance(call, CallTool) for call in calls)
    ids = iter([of_step] if count == 1 else [f"{of_step}_{number}" for number in range(1, count + 1)])
    return tuple(
        # the program may change the arguments that it gets
        ToolCall(id=next(ids), name=call.name, arguments=isolated(call.arguments))
        if isinstance(call, CallTool)
        else call
        for call in calls
    )


def _is_model_step(step: object) -> bool:
    if isinstance(step, list | tuple):
        return bool(step) and all(isinstance(call, CallTool) for call in step)
    if isinstance(step, str | BaseModel | CallTool | Stream | Fail) or _is_exception(step):
        return True
    return callable(step) and not isinstance(step, type)


def _is_exception(step: object) -> bool:
    return isinstance(step, BaseException) or (isinstance(step, type) and issubclass(step, BaseException))


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 120


def shown(step: object) -> str:
    """A step as it is shown in messages, truncated where it is long."""
    if callable(step) and not isinstance(step, type):
        code = getattr(step, "__code__", None)
        name = getattr(step, "__qualname__", type(step).__name__)
        return f"<function {name}{f' at {code.co_filename}:{code.co_firstlineno}' if code else ''}>"
    if isinstance(step, Reply | Message):
        return _shown_answer(step)
    return _REPR.repr(step)


def _shown_answer(answer: Reply | Message) -> str:
    """An answer by its text, and the tools that it calls."""
    calls = f"calls of {', '.join(call.name for call in answer.tool_calls)}" if answer.tool_calls else ""
    text = _REPR.repr(answer.content) if answer.content or not calls else ""
    return " with ".join(part for part in (text, calls) if part)
