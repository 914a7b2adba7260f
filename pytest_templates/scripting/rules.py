"""The script of a model: rules for chosen calls, and a queue of steps for all others; shared by every copy of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeAlias

from antiphon import Session
from antiphon.errors import InvalidType
from antiphon.trace import Caller, path_pattern
from pytest_templates.scripting.steps import ModelStep, Place, shown
from pytest_templates.support.targets import is_meant, which_template
from pytest_templates.support.text import counted

_TOO_MANY: Final = "take out the steps that are too many, or find out why the program asked less often"
_ALLOWED: Final = "or allow it by allow_unused: true beside its replies, or by llm_script(..., allow_unused=True)"
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
        return self.is_for(caller) and (self.prompt is None or _is_in(self.prompt, session.last.content))

    def is_for(self, caller: Caller | None) -> bool:
        """Whether it is for the calls of a template and a model, whatever they ask."""
        path, key, model = (
            (None, "", "") if caller is None else (caller.template_path, caller.template_id, caller.model)
        )
        return (self.template is None or _is_template(self.template, path, key)) and (
            self.model is None or _is_name(self.model, model)
        )

    def distance(self, caller: Caller | None) -> int:
        """How far it is from naming the caller: 0 with its path, 1 with its id, 2 else."""
        names = () if caller is None else (caller.template_path, caller.template_id)
        return names.index(self.template) if self.template in names else 2

    @property
    def given(self) -> str:
        """What is given, as arguments are written."""
        given = {"template": self.template, "prompt": self.prompt, "model": self.model}
        return ", ".join(f"{name}={_shown(value)}" for name, value in given.items() if value is not None)

    def __str__(self) -> str:
        return f"on({self.given})"


def check_pattern(given: object, parameter: str) -> None:
    """Make sure that a pattern was given, or nothing.

    Raises:
        InvalidType: It is neither text nor a compiled regular expression.
    """
    if given is not None and not isinstance(given, str | re.Pattern):
        raise InvalidType(f"{parameter} takes a text or re.compile(...), not {type(given).__name__}: {given!r}")


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


def _as_asked(caller: Caller | None) -> list[tuple[str | None, str]]:
    return [] if caller is None else [(caller.template_path, caller.template_id)]


_FIRST: Final = -1
_LAST: Final = 3  # behind entries of files, whose distances are 0 to 2


class _Part:
    """Steps that are played in order, all of them a number of times: those of a rule, or the queue."""

    def __init__(
        self,
        steps: Sequence[ModelStep],
        times: int | None,
        condition: Condition | None = None,
        *,
        allow_unused: bool = False,
        lines: Sequence[int] = (),
    ) -> None:
        self.condition = condition
        self._lines = lines
        self._allow_unused = allow_unused
        self._steps = tuple(steps)
        self._total = None if times is None else len(self._steps) * times
        self._played = 0

    def take(self) -> tuple[ModelStep, str] | None:
        """The next step and its name; ``None`` when all were played."""
        if self.is_over:
            return None
        index = self._played % len(self._steps)
        self._played += 1
        name = f"step {self._played}" if self.condition is None else f"reply {index + 1} of {self.condition}"
        return self._steps[index], name

    def rank(self, caller: Caller | None) -> int:
        """Of parts that are for one call that with the lowest is tried first; else they are in the order of writing."""
        if self.condition is None:
            return _LAST
        return self.condition.distance(caller) if self._lines else _FIRST  # a rule of the test itself

    @property
    def is_over(self) -> bool:
        """Whether all steps were played."""
        return self._total is not None and self._played >= self._total

    @property
    def remaining(self) -> int:
        """How many steps are left; 0 for steps without an end, and for those that may be left."""
        return 0 if self._total is None or self._allow_unused else self._total - self._played

    def listed(self) -> Iterator[str]:
        """A line for each step that is left."""
        for number in range(self._played, self._total or 0):
            index = number % len(self._steps)
            line = f"line {self._lines[index]}: " if self._lines else ""
            step = shown(self._steps[index])
            yield f"{number + 1}. {step}" if self.condition is None else f"{line}{self.condition}: {step}"


class Script:
    """The steps that are left of a script; every step is taken once, by any copy of its models, in any thread.

    Args:
        owner: The owner of the script, for messages.
        steps: The queue, for calls without a rule.
        is_file: Whether it stands in a file.

    Attributes:
        is_played: Whether any model plays the script.
    """

    def __init__(self, owner: str, steps: Sequence[ModelStep], *, is_file: bool = False) -> None:
        self.owner = owner
        self.is_file = is_file
        self.is_played = False
        self._parts = [_Part(steps, 1)]  # the queue stands last
        self._unfinished: list[Condition] = []
        self._taken = 0
        self._callers: set[tuple[str | None, str]] = set()
        self._lock = Lock()

    def begin(self, condition: Condition) -> None:
        """Note that a rule was begun, and has no steps yet."""
        with self._lock:
            self._unfinished.append(condition)

    def add(
        self,
        condition: Condition,
        steps: Sequence[ModelStep],
        times: int | None,
        *,
        allow_unused: bool = False,
        lines: Sequence[int] = (),
    ) -> None:
        """Add a rule after the others.

        Args:
            condition: The calls that it is for.
            steps: What is said to them.
            times: How often; ``None`` for always.
            allow_unused: Whether steps may be left.
            lines: The lines of the steps in a file. Rules that have them are tried before those that have none, and
                among them those that name the path of the caller first, then those that name its id.
        """
        with self._lock:
            if condition in self._unfinished:
                self._unfinished.remove(condition)
            self._parts.insert(-1, _Part(steps, times, condition, allow_unused=allow_unused, lines=lines))

    def take(self, caller: Caller | None, session: Session) -> tuple[ModelStep, Place] | None:
        """The next step for a call: from the first rule that has one for it, else from the queue."""
        with self._lock:
            self._callers.update(_as_asked(caller))
            for part in sorted(self._parts, key=lambda part: part.rank(caller)):
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
            f"{self.listed()}\n{self._not_met()}  {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        if not self.is_played:
            return _NOT_PLAYED
        return f"{_TOO_MANY}, {_ALLOWED}" if self.is_file else _TOO_MANY

    def _not_met(self) -> str:
        """A line for each template that has steps left, and that no call came from."""
        if not self._callers:
            return ""
        hints = self._hints(self._callers)
        return "".join(f"  no call came from {target!r}{hint}\n" for target, hint in hints.items())

    def _hints(self, asked: Collection[tuple[str | None, str]]) -> dict[str, str]:
        """The targets of rules with steps left that mean none of the templates that asked, with a suggestion."""
        with self._lock:
            targets = {part.condition.template for part in self._parts if part.condition and part.remaining}
        missed = {one for one in targets if isinstance(one, str) and not any(is_meant(one, *place) for place in asked)}
        return {target: which_template(target, asked) for target in sorted(missed)}

    def passed_over(self, caller: Caller | None, session: Session) -> str:
        """Hints, in words, at rules with steps left that are for other prompts, or have a target that is misspelt."""
        hints = self._hints(_as_asked(caller))
        misspelt = [f"  {target!r} names other templates{hint}\n" for target, hint in hints.items() if hint]
        with self._lock:
            left = [part.condition for part in self._parts if part.condition and not part.is_over]
        prompts = {
            _shown(one.prompt): None
            for one in left
            if one.prompt is not None and one.is_for(caller) and not one.holds(caller, session)
        }
        if prompts:
            misspelt.append(
                f"  no reply that is left for it has a prompt found in what was asked: {', '.join(prompts)}\n"
            )
        return "".join(misspelt)

    def listed(self) -> str:
        """A line for each step that is left."""
        with self._lock:
            lines = [line for part in self._parts if part.remaining for line in part.listed()]
            lines += [f"{condition}: nothing, it lacks its .reply(...)" for condition in self._unfinished]
            return "\n".join(f"    {line}" for line in lines)
