"""The trace of model calls and tool runs: which template called which model, what was sent, what came back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias
from weakref import ref

from antiphon.copies import Shared
from antiphon.messages import Message, Reply, Usage

ChosenBy: TypeAlias = Literal["template", "subroutine", "subroutine-runner", "runner", "direct", "override", "model"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking a model at this moment.

    Attributes:
        template_path: The path of the asking template; ``None`` for a call from outside of templates.
        template_id: Its id, or for a template without one its path without iterations; ``""`` outside of templates.
        model: The name of the model that is asked.
    """

    template_path: str | None
    template_id: str
    model: str


@dataclass(slots=True, eq=False)
class CallUnderWay:
    """A call of a model; what has copied the context of one, such as an open connection, may keep this for long.

    Attributes:
        template_path: As with ``Caller``.
        template_id: As with ``Caller``.
        model: As with ``Caller``.
        recorder: What records the call, referred to weakly: nothing of a call is kept by this. ``None`` when it has
            ended.
        notes: See ``ModelCall``; code notes here what it does to the call, in any thread or task of its own.
        answered_by: The name of the model whose answer it is, where that was asked when the answer was kept, not now.
        waited: See ``ModelCall``; what makes several attempts adds the seconds in between, without those of calls
            within.
    """

    template_path: str | None
    template_id: str
    model: str
    recorder: ref[Any] | None = None
    notes: dict[str, str] = field(default_factory=dict)
    answered_by: str | None = None
    waited: float = 0.0

    @property
    def caller(self) -> Caller:
        """Who is asking."""
        return Caller(self.template_path, self.template_id, self.model)


NOTHING_NOTED: Final[Mapping[str, str]] = {}
"""The notes of most calls."""

CURRENT_CALL: ContextVar[CallUnderWay | None] = ContextVar("antiphon_call", default=None)


def current_caller() -> Caller | None:
    """Who is asking a model in this thread or task, or ``None`` when nobody is."""
    call = CURRENT_CALL.get()
    return None if call is None else call.caller


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a model, also one that failed.

    A model that asks others while it answers, as one that tries again or falls back does, makes one call, with theirs
    in ``inner``. Its ``model`` and ``origin`` are then those of the one that answered: the one whose message it passed
    on or, where it says something else, the only one that answered it. Where that is none, it is the model itself, and
    so it is for a model that is recorded as a whole.

    Attributes:
        template_id: The id of the template that asked; for a template without one its path without iterations; ``""``
            for a call from outside of templates.
        template_path: Where in the tree that was, iterations included; ``None`` for a call from outside of templates.
        model: The name of the model that answered.
        served_by: The name that the provider reported, where it did.
        chosen_by: Whose choice the model was: the template's own, a subroutine's ``model=`` (``"subroutine"``) or
            ``runner=`` (``"subroutine-runner"``), the runner's, a test's (``"override"``), for a call in ``inner`` the
            model's around it (``"model"``), or else that of code which called a model of its own (``"direct"``).
        messages: What was sent.
        reply: What came back; ``None`` when the call failed.
        error: What the call raised; ``None`` when it did not.
        usage: Tokens and cost, where the provider said them; those of ``inner`` added up, where the answer has none.
        seconds: How long the call took.
        seconds_to_text: How long it took until the first text came; ``None`` where the answer was not streamed.
        depth: How many subroutines deep it was made; 0 outside of any.
        origin: The model object that answered, for a forked one the model it was first copied from.
        asked: The model object that was asked, likewise: ``origin``, or the model around it.
        inner: The calls that the model made while it answered, in the order in which they ended.
        notes: What was noted about it while it was under way, by what noted it, such as the fault that a test put in.
        waited: How many seconds were waited between attempts, those of ``inner`` included; also seconds that passed in
            the virtual time of a test, and are not in ``seconds``.
    """

    template_id: str
    template_path: str | None
    model: str
    served_by: str | None
    chosen_by: ChosenBy
    messages: Sequence[Message] = field(repr=False)
    reply: Reply | None
    error: BaseException | None
    usage: Usage | None
    seconds: float
    seconds_to_text: float | None
    depth: int
    origin: object = field(repr=False, compare=False)
    asked: object = field(default=None, repr=False, compare=False)
    inner: tuple[ModelCall, ...] = field(default=(), repr=False)
    notes: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    waited: float = 0.0


class _Answer:
    """The attribute ``reply``: of an answer that is no more than a text it is made when somebody asks for it.

    Most calls of a long conversation are never asked.

    Args:
        slot: The attribute as it is kept.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, call: ModelCall | None, owner: type[ModelCall]) -> Any:
        if call is None:
            return self
        answer: Reply | str | None = self._slot.__get__(call)
        if isinstance(answer, str):
            answer = Reply(answer)
            self._slot.__set__(call, answer)
        return answer

    def __set__(self, call: ModelCall, answer: Reply | str | None) -> None:
        self._slot.__set__(call, answer)


setattr(ModelCall, "reply", _Answer(vars(ModelCall)["reply"]))  # noqa: B010  # type checkers know the dataclass's


class CallDraft(ModelCall):
    """A call that is being written down: its attributes are set, and then it is a ``ModelCall``, which does not change.

    A frozen dataclass would set so many attributes in seven times the time, a seventh of what a turn takes.
    """

    __slots__ = ()

    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # overriding both keeps Python's own fast way

    def __init__(self) -> None:
        """Nothing is set yet."""

    def ended(self) -> ModelCall:
        """The call, which does not change any more."""
        self.__class__ = ModelCall  # type: ignore[assignment]
        return self


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One run of a tool that a model asked for, also one that failed or was stopped.

    Attributes:
        template_id: As with ``ModelCall``.
        template_path: As with ``ModelCall``.
        tool: The name that the model asked for.
        arguments: The arguments as the model gave them.
        result: What the model was told.
        error: What went wrong, also what stopped it; ``None`` when nothing did.
        seconds: How long it took.
    """

    template_id: str
    template_path: str | None
    tool: str
    arguments: Mapping[str, Any]
    result: str
    error: BaseException | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of what was run several times, because a model does not always answer the same.

    Attributes:
        number: Which it is, from 1.
        error: What it failed with; ``None`` where it passed.
        trace: Its model calls and runs of tools.
    """

    number: int
    error: BaseException | None
    trace: Trace

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.error is None


class Trace(Shared):
    """The model calls of a session or of a test, in the order in which they ended.

    Attributes:
        calls: The calls; calls made in subroutines are among them.
        tools: The runs of tools that models asked for.
        samples: What was run before this of the same, where it is run several times.
    """

    __slots__ = ("calls", "samples", "tools")

    def __init__(self, calls: Sequence[ModelCall] = (), tools: Sequence[ToolRun] = ()) -> None:
        self.calls: list[ModelCall] = list(calls)
        self.tools: list[ToolRun] = list(tools)
        self.samples: list[Sample] = []

    @property
    def models(self) -> dict[str, list[str]]:
        """The names of the models that each template called, in call order, by template id.

        A template without an id stands under its path without iterations, calls from outside of templates under ``""``.
        """
        models: dict[str, list[str]] = {}
        for call in self.calls:
            models.setdefault(call.template_id, []).append(call.model)
        return models

    def at(self, path: str) -> list[ModelCall]:
        """The calls made at a path.

        Args:
            path: A glob: ``*`` stays within one segment, ``**`` crosses ``/``, ``?`` is one character. For example
                ``support/turns@*/answer``.
        """
        matches = path_pattern(path).fullmatch
        return [call for call in self.calls if call.template_path is not None and matches(call.template_path)]

    def of(self, template_id: str) -> list[ModelCall]:
        """The calls made by the template with this id."""
        return [call for call in self.calls if call.template_id == template_id]

    def __len__(self) -> int:
        return len(self.calls)

    def __bool__(self) -> bool:
        return True  # a trace without calls is a trace all the same

    def __repr__(self) -> str:
        return f"<Trace of {len(self.calls)} calls: {self.models}>"


_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@lru_cache(maxsize=512)
def path_pattern(glob: str) -> re.Pattern[str]:
    """The regular expression of a path glob: ``*`` stays within a segment, ``**`` crosses ``/``."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return re.compile("".join(_WILDCARDS.get(part) or re.escape(part) for part in parts), re.DOTALL)
