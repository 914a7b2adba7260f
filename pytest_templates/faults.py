"""What can go wrong with a model's answer: errors of the engine, and useless answers.

Use one as a step of a script, ``Fail(faults.rate_limited())``, or inject it at templates by the fixture ``llm_faults``,
where scripted models or recorded calls answer. Script files take every fault, with the parameters and ranges that its
function has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from antiphon import Reply, Session, ToolCall
from antiphon.errors import (
    AuthenticationError,
    BadAnswer,
    ContextLengthExceeded,
    InvalidType,
    InvalidValue,
    ModelError,
    ModelTimeout,
    RateLimitError,
    ServerError,
)
from antiphon.trace import current_caller

NO_SUCH_ARGUMENT = "no_such_argument"

_Seconds: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Characters: TypeAlias = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong; made by the functions of this module.

    Attributes:
        name: The call that made it, for messages.
        error: The class of the error that is raised; ``None`` if the fault changes the answer.
        text: The text of the error.
        details: Further arguments of the error.
        after: How many characters of the answer arrive before the error; with 0 the model is not asked.
        seconds: How long that takes, in virtual time.
        change: Makes the faulty answer of the right one; ``None`` if an error is raised.
    """

    name: str
    error: type[ModelError] | None = None
    text: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    after: int = 0
    seconds: float = 0.0
    change: Callable[[Reply, Session], Reply] | None = None

    def raised(self) -> ModelError:
        """A new instance of the error; it names the model and the template that are at work."""
        if self.error is None:
            raise TypeError(f"{self.name} changes an answer and raises nothing")
        caller = current_caller()
        model, path = (None, None) if caller is None else (caller.model, caller.template_path)
        where = f" (model {model!r}, asked by the template at {path!r})" if path else ""
        text = f"{self.text}{where}\n  this is the fault {self.name} of the test"
        return self.error(text, model=model, template_path=path, **self.details)

    def alone(self, session: Session) -> Reply:
        """The answer of a model that has no other answer.

        Raises:
            ModelError: The fault's own, if it has one.
        """
        if self.change is None:
            raise self.raised()
        return self.change(Reply(), session)

    def __repr__(self) -> str:
        return f"faults.{self.name}"


def rate_limited(
    retry_after: Annotated[_Seconds | None, Field(description="The seconds to wait that the provider names.")] = 1.0,
) -> Fault:
    """Too many requests: ``RateLimitError``.

    Args:
        retry_after: The seconds to wait that the provider names, 0 or more; ``None`` where it names none.
    """
    if retry_after is not None:
        _check_number("retry_after", retry_after)
    name = f"rate_limited(retry_after={retry_after})"
    return Fault(name, RateLimitError, "too many requests (status 429)", {"retry_after": retry_after})


def timeout() -> Fault:
    """No answer in time: ``ModelTimeout``."""
    return Fault("timeout()", ModelTimeout, "no answer came in time")


def authentication() -> Fault:
    """The key is refused: ``AuthenticationError``."""
    return Fault("authentication()", AuthenticationError, "the key is not accepted (status 401)")


def server_error(status: Annotated[int, Field(ge=500, le=599, description="The HTTP status.")] = 500) -> Fault:
    """The provider fails: ``ServerError``.

    Args:
        status: The HTTP status, 500 to 599.
    """
    if status not in range(500, 600):
        raise InvalidValue(f"status is an HTTP status from 500 to 599, not {status!r}")
    return Fault(
        f"server_error(status={status})", ServerError, f"the provider failed (status {status})", {"status": status}
    )


def context_length() -> Fault:
    """The conversation is too long: ``ContextLengthExceeded``."""
    return Fault("context_length()", ContextLengthExceeded, "the conversation is longer than the model takes")


def dropped(after: Annotated[_Characters, Field(description="How many characters arrive before.")] = 0) -> Fault:
    """The connection breaks while the answer arrives: ``ServerError`` without a status.

    Args:
        after: How many characters of the answer arrive before, where the program streams; with 0 the model is not even
            asked, with more it is, and its answer is used up.
    """
    _check_count("after", after)
    return Fault(f"dropped(after={after})", ServerError, "the connection broke off", {"status": None}, after=after)


def stalled(
    seconds: Annotated[_Seconds, Field(description="How long nothing comes until the client gives up.")],
) -> Fault:
    """The answer begins, nothing more comes for so long, and the client gives up: ``ModelTimeout``.

    Args:
        seconds: How long that takes, above 0, in virtual time: nobody waits.
    """
    _check_number("seconds", seconds)
    return Fault(
        f"stalled({seconds})", ModelTimeout, f"the answer stalled for {seconds:g} seconds", after=1, seconds=seconds
    )


def truncated(after: Annotated[_Characters, Field(description="How many characters arrive.")] = 20) -> Fault:
    """The answer ends too early, as at a limit of tokens.

    Args:
        after: How many characters of it arrive, 0 or more: first of its text, then of the arguments of the tools that
            it asks for.
    """
    _check_count("after", after)

    def cut(reply: Reply, _: Session) -> Reply:
        calls = tuple(_cut_calls(reply.tool_calls, after - len(reply.content)))
        return reply.model_copy(
            update={"content": reply.content[:after], "tool_calls": calls, "finish_reason": "length"}
        )

    return Fault(f"truncated(after={after})", change=cut)


def _cut_calls(calls: Sequence[ToolCall], left: int) -> Iterator[ToolCall]:
    """The calls that arrive within so many characters, the last one as real models tell one that is not complete."""
    for call in calls:
        if left < 0:
            return
        arguments = json.dumps(call.arguments)
        left -= len(arguments)
        if left >= 0:
            yield call
        else:
            begun = arguments[:left]
            yield call.model_copy(update={"arguments": {"INVALID_JSON": begun} if begun else {}})


def malformed() -> Fault:
    """The provider's answer cannot be read: ``BadAnswer``."""
    return Fault("malformed()", BadAnswer, "the provider's answer is no JSON: '{\"choices\": [{\"mess'")


def empty() -> Fault:
    """The model's answer is empty."""

    def nothing(reply: Reply, _: Session) -> Reply:
        return reply.model_copy(update={"content": "", "tool_calls": ()})

    return Fault("empty()", change=nothing)


def wrong_tool(name: Annotated[str, Field(description="What it asks for.")]) -> Fault:
    """The model calls a tool that does not exist.

    Args:
        name: The name of that tool; the arguments are those of the right call.

    Raises:
        InvalidType: The name is no text.
        InvalidValue: The template has a tool of that name; raised when it asks its model.
    """
    if not isinstance(name, str):
        raise InvalidType(f"wrong_tool takes the name of a tool, not {type(name).__name__}: {name!r}")

    def renamed(reply: Reply, session: Session) -> Reply:
        if name in {tool.name for tool in session.request.tools}:
            raise InvalidValue(
                f"wrong_tool({name!r}): the template at {session.template_path!r} has a tool of that name"
            )
        calls = reply.tool_calls or (ToolCall(id="call_wrong", name=name),)
        return reply.model_copy(update={"tool_calls": tuple(call.model_copy(update={"name": name}) for call in calls)})

    return Fault(f"wrong_tool({name!r})", change=renamed)


def bad_arguments() -> Fault:
    """The model calls a tool with arguments that it does not take."""

    def misused(reply: Reply, session: Session) -> Reply:
        calls = reply.tool_calls or tuple(ToolCall(id="call_bad", name=tool.name) for tool in session.request.tools[:1])
        bad = tuple(call.model_copy(update={"arguments": {NO_SUCH_ARGUMENT: True}}) for call in calls)
        return reply.model_copy(update={"tool_calls": bad})

    return Fault("bad_arguments()", change=misused)


def _check_number(parameter: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InvalidType(f"{parameter} is a number of seconds, not {type(given).__name__}: {given!r}")
    if not 0 <= given < float("inf"):
        raise InvalidValue(f"{parameter} is 0 or more seconds, not {given!r}")


def _check_count(parameter: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidType(f"{parameter} is a number of characters, not {type(given).__name__}: {given!r}")
    if given < 0:
        raise InvalidValue(f"{parameter} is 0 or more characters, not {given}")
