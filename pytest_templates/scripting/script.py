"""Scripts: their steps, the rules for chosen calls, and the queue for all others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from reprlib import Repr
from threading import Lock
from typing import Any, Final, TypeAlias, cast

from pydantic import BaseModel

from antiphon import Message, Reply, Session, ToolCall
from antiphon.errors import InvalidType
from antiphon.trace import Caller, path_pattern
from pytest_templates.faults import Fault
from pytest_templates.support.targets import is_meant, which_template
from pytest_templates.support.text import counted

Answer: TypeAlias = Reply | Message | str
ModelStep: TypeAlias = (
    "Answer | CallTool | Stream | Fail | BaseModel | BaseException | type[BaseException] | Callable[[Session], Any]"
)
UserStep: TypeAlias = str | Callable[[Session], str]


class CallTool:
    """A step in which the model calls a tool: ``CallTool("get_weather", city="Oslo")``.

    Args:
        name: The name of the tool.
        **arguments: The arguments of the call; they may be wrong ones.

    Raises:
        InvalidType: The name is no text.
    """

    __slots__ = ("arguments", "name")

    def __init__(self, name: str, /, **arguments: Any) -> None:
        if not isinstance(name, str):
            raise InvalidType(f"CallTool takes the name of a tool, not {type(name).__name__}: {name!r}")
        self.name = name
        self.arguments = arguments

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.arguments.items())
        return f"CallTool({self.name!r}{given})"


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
            raise InvalidType(
                f"step {number} of {owner} is {type(step).__name__}: {shown(step)}\n"
                "  a step is a text, a Reply, a CallTool, a Stream, a Fail, a pydantic object, an exception, "
                "or a function of the session"
            )
    return tuple(steps)


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
            return step.model_copy(deep=True)
        case CallTool():
            return Reply(tool_calls=(ToolCall(id=f"call_{place.number}", name=step.name, arguments=step.arguments),))
        case BaseModel():
            return step.model_dump_json()
        case Fail(fault=Fault() as fault):
            return fault.alone(session)
        case Fail():
            raise cast("BaseException", step.fault)
        case _ if _is_exception(step):
            raise cast("BaseException", step)
    said = cast("Callable[[Session], Any]", step)(session)
    if _is_model_step(said) and (_is_exception(said) or not callable(said)):
        return played(said, session, place)
    raise InvalidType(f"{place.name} of {place.owner}, {shown(step)}, returned {type(said).__name__}: {shown(said)}")


def _is_model_step(step: object) -> bool:
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
    return _REPR.repr(step)


_TOO_MANY: Final = "take out the steps that are too many, or find out why the program asked less often"
_NOT_PLAYED: Final = "no model plays it: scripted_model() does where it is given no steps of its own"

Pattern: TypeAlias = str | re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Condition:
    """The calls that a rule is for: those that fit everything given here.

    Attributes:
        template: The id of the calling template, or a glob of its path, or a regular expression found in its path.
        prompt: A text or a regular expression found in the last message that is sent.
        model: A glob of the name of the model that is called, or a regular expression found in it.
    """

    template: Pattern | None = None
    prompt: Pattern | None = None
    model: Pattern | None = None

    def holds(self, caller: Caller | None, session: Session) -> bool:
        """Whether the rule is for a call."""
        path, key, model = (
            (None, "", "") if caller is None else (caller.template_path, caller.template_id, caller.model)
        )
        return (
            (self.template is None or _is_template(self.template, path, key))
            and (self.prompt is None or _is_in(self.prompt, session.last.content))
            and (self.model is None or _is_name(self.model, model))
        )

    def __str__(self) -> str:
        given = {"template": self.template, "prompt": self.prompt, "model": self.model}
        return f"on({', '.join(f'{name}={_shown(value)}' for name, value in given.items() if value is not None)})"


def _is_template(pattern: Pattern, path: str | None, template_id: str) -> bool:
    if isinstance(pattern, re.Pattern):
        return pattern.search(path or "") is not None
    return is_meant(pattern, path, template_id)


def _is_in(pattern: Pattern, text: str) -> bool:
    return pattern in text if isinstance(pattern, str) else pattern.search(text) is not None


def _is_name(pattern: Pattern, name: str) -> bool:
    return (path_pattern(pattern).fullmatch(name) if isinstance(pattern, str) else pattern.search(name)) is not None


def _shown(pattern: Pattern) -> str:
    return repr(pattern) if isinstance(pattern, str) else f"re.compile({pattern.pattern!r})"


class _Part:
    """Steps that are played in order, all of them a number of times: those of a rule, or the queue."""

    def __init__(self, steps: Sequence[ModelStep], times: int | None, condition: Condition | None = None) -> None:
        self.condition = condition
        self._steps = tuple(steps)
        self._total = None if times is None else len(self._steps) * times
        self._played = 0

    def take(self) -> tuple[ModelStep, str] | None:
        """The next step and its name; ``None`` when all were played."""
        if self._total is not None and self._played >= self._total:
            return None
        index = self._played % len(self._steps)
        self._played += 1
        name = f"step {self._played}" if self.condition is None else f"reply {index + 1} of {self.condition}"
        return self._steps[index], name

    @property
    def remaining(self) -> int:
        """How many steps are left; 0 for steps without an end."""
        return 0 if self._total is None else self._total - self._played

    def listed(self) -> Iterator[str]:
        """A line for each step that is left."""
        for number in range(self._played, self._total or 0):
            step = shown(self._steps[number % len(self._steps)])
            yield f"{number + 1}. {step}" if self.condition is None else f"{self.condition}: {step}"


class Script:
    """The steps that are left of a script; every step is taken once, by any copy of its models, in any thread.

    Args:
        owner: The owner of the script, for messages.
        steps: The queue, for calls without a rule.

    Attributes:
        is_played: Whether any model plays the script.
    """

    def __init__(self, owner: str, steps: Sequence[ModelStep]) -> None:
        self.owner = owner
        self.is_played = False
        self._parts = [_Part(steps, 1)]  # the queue stands last
        self._unfinished: list[Condition] = []
        self._taken = 0
        self._lock = Lock()

    def begin(self, condition: Condition) -> None:
        """Note that a rule was begun, and has no steps yet."""
        with self._lock:
            self._unfinished.append(condition)

    def add(self, condition: Condition, steps: Sequence[ModelStep], times: int | None) -> None:
        """Add a rule after the others."""
        with self._lock:
            if condition in self._unfinished:
                self._unfinished.remove(condition)
            self._parts.insert(-1, _Part(steps, times, condition))

    def take(self, caller: Caller | None, session: Session) -> tuple[ModelStep, Place] | None:
        """The next step for a call: from the first rule that has one for it, else from the queue."""
        with self._lock:
            for part in self._parts:
                if part.condition is None or part.condition.holds(caller, session):
                    taken = part.take()
                    if taken is not None:
                        self._taken += 1
                        return taken[0], Place(self.owner, taken[1], self._taken)
            return None

    @property
    def taken(self) -> int:
        """How many steps were played."""
        return self._taken

    @property
    def remaining(self) -> int:
        """How many steps are left, except those without an end."""
        return sum(part.remaining for part in self._parts) + len(self._unfinished)

    @property
    def unused(self) -> str:
        """The steps that are left, in words."""
        return (
            f"{self.owner} was asked {counted(self._taken, 'time')} and still holds {self.remaining} of its steps:\n"
            f"{self.listed()}\n  {_TOO_MANY if self.is_played else _NOT_PLAYED}"
        )

    def passed_over(self, caller: Caller | None) -> str:
        """Hints, in words, at rules with steps left whose target is probably misspelt for this caller."""
        asked = [] if caller is None else [(caller.template_path, caller.template_id)]
        with self._lock:
            targets = {part.condition.template for part in self._parts if part.condition and part.remaining}
        hints = {target: which_template(target, asked) for target in targets if isinstance(target, str)}
        return "".join(f"  {target!r} names other templates{hint}\n" for target, hint in sorted(hints.items()) if hint)

    def listed(self) -> str:
        """A line for each step that is left."""
        with self._lock:
            lines = [line for part in self._parts for line in part.listed()]
            lines += [f"{condition}: nothing, it lacks its .reply(...)" for condition in self._unfinished]
            return "\n".join(f"    {line}" for line in lines)
