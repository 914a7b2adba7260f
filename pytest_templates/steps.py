"""The steps of a script: checked when they are written, played one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from reprlib import Repr
from threading import Lock
from typing import Any, Generic, TypeAlias, TypeVar, cast

from pydantic import BaseModel

from antiphon import Message, Reply, Session
from antiphon.errors import InvalidType

Answer: TypeAlias = Reply | Message | str
ModelStep: TypeAlias = Answer | BaseModel | BaseException | type[BaseException] | Callable[[Session], Any]
UserStep: TypeAlias = str | Callable[[Session], str]

Step = TypeVar("Step")


class Steps(Generic[Step]):
    """The steps that are left, in order; taken by any thread, each once."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._left = deque(steps)
        self._taken = 0
        self._lock = Lock()

    def take(self) -> tuple[Step, int] | None:
        """The next step and its number, from 1; ``None`` when none is left."""
        with self._lock:
            if not self._left:
                return None
            self._taken += 1
            return self._left.popleft(), self._taken

    @property
    def taken(self) -> int:
        """How many steps were taken."""
        return self._taken

    def __len__(self) -> int:
        return len(self._left)

    def listed(self) -> str:
        """The steps that are left, a line each."""
        return "\n".join(f"    {number}. {shown(step)}" for number, step in enumerate(self._left, self._taken + 1))


def checked_model_steps(steps: Sequence[Any], owner: str) -> Sequence[ModelStep]:
    """The steps of a model's script.

    Raises:
        InvalidType: One is nothing that a model could say; the text names its place.
    """
    kinds = (str, BaseModel, BaseException)
    for number, step in enumerate(steps, 1):
        if not isinstance(step, kinds) and not _is_error(step) and (isinstance(step, type) or not callable(step)):
            raise InvalidType(
                f"step {number} of {owner} is {type(step).__name__}: {shown(step)}\n"
                "  a step is a text, a Reply, a pydantic object, an exception, or a function of the session"
            )
    return steps


def checked_user_steps(steps: Sequence[Any], owner: str) -> Sequence[UserStep]:
    """The answers of a user's script.

    Raises:
        InvalidType: One is no answer; the text names its place.
    """
    for number, step in enumerate(steps, 1):
        if not isinstance(step, str) and (isinstance(step, type) or not callable(step)):
            raise InvalidType(
                f"answer {number} of {owner} is {type(step).__name__}: {shown(step)}\n"
                "  an answer is a text, or a function of the session that returns one"
            )
    return steps


def played(step: ModelStep, session: Session, owner: str, number: int) -> Answer:
    """What a model says at this step.

    Raises:
        BaseException: The one that the step holds.
        InvalidType: A function returned nothing that a model could say.
    """
    if isinstance(step, BaseException) or _is_error(step):
        raise cast("BaseException", step)
    if isinstance(step, str | Reply | Message):
        return step
    if isinstance(step, BaseModel):
        return step.model_dump_json()
    said = cast("Callable[[Session], Any]", step)(session)
    if isinstance(said, str | BaseModel | BaseException) or _is_error(said):
        return played(said, session, owner, number)
    raise InvalidType(f"step {number} of {owner}, {shown(step)}, returned {type(said).__name__}: {shown(said)}")


def _is_error(step: object) -> bool:
    return isinstance(step, type) and issubclass(step, BaseException)


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 120


def shown(step: object) -> str:
    """A step as it is shown in messages, cut where it is long."""
    if callable(step) and not isinstance(step, type):
        code = getattr(step, "__code__", None)
        name = getattr(step, "__qualname__", type(step).__name__)
        return f"<function {name}{f' at {code.co_filename}:{code.co_firstlineno}' if code else ''}>"
    return _REPR.repr(step)
