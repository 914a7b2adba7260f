"""A model that says what a script tells it to."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import indent
from typing import ClassVar

from antiphon import Model, ModelCall, Session
from antiphon.calls import current_caller
from pytest_templates.errors import UnscriptedCall, UnusedSteps
from pytest_templates.steps import Answer, ModelStep, Steps, checked_model_steps, played


class ScriptedModel(Model):
    """A model that plays a script: each call takes the next step.

    The script is shared by every copy of the model, so that a subroutine's fork plays on from where its parent is.
    Tests make one by the fixture ``scripted_model``, which settles it at teardown.

    Args:
        *steps: Texts, ``Reply`` and ``Message`` objects, pydantic objects (said as JSON), exceptions (raised), and
            functions of the session that return one of these.
        name: What the model is called in traces.
        complain: Told of every call that the script has nothing for, besides the error that is raised.

    Attributes:
        calls: The calls so far, those of copies included.

    Raises:
        InvalidType: A step is nothing that a model could say; the text names its place.

    Example:
        >>> model = ScriptedModel("Hello!", lambda session: session.last.content.upper())
        >>> model.remaining
        2
    """

    shared: ClassVar[frozenset[str]] = frozenset({"_steps", "_complain", "calls"})

    def __init__(
        self, *steps: ModelStep, name: str = "scripted", complain: Callable[[Exception], None] | None = None
    ) -> None:
        self.name = name
        self.calls: list[ModelCall] = []
        self._steps = Steps(checked_model_steps(steps, self._title))
        self._complain = complain

    @property
    def remaining(self) -> int:
        """How many steps are left."""
        return len(self._steps)

    def assert_complete(self) -> None:
        """Make sure that every step was played.

        Raises:
            UnusedSteps: Some are left; the text shows them.
        """
        if self.remaining:
            raise UnusedSteps(self.unused)

    @property
    def unused(self) -> str:
        """What is left of the script, in words."""
        return (
            f"{self._title} was asked {self._steps.taken} times and still holds {self.remaining} of its steps:\n"
            f"{self._steps.listed()}\n"
            "  take out the steps that are too many, find out why the program asked less often, or allow it by "
            "allow_unused=True"
        )

    @property
    def _title(self) -> str:
        return f"scripted_model {self.name!r}"

    def _send(self, session: Session) -> Answer:
        taken = self._steps.take()
        if taken is None:
            raise self._unscripted(session)
        step, number = taken
        return played(step, session, self._title, number)

    async def _asend(self, session: Session) -> Answer:
        return self._send(session)

    def _recorded(self, call: ModelCall) -> None:
        self.calls.append(call)

    def _unscripted(self, session: Session) -> UnscriptedCall:
        caller = current_caller()
        path = None if caller is None else caller.template_path
        by = "by code outside of templates" if path is None else f"by the template at {path!r}"
        error = UnscriptedCall(
            f"{self._title} was asked {by} and its script is over: all {self._steps.taken} steps were played\n"
            f"  it was asked:\n{indent(f'{session.last.role}: {session.last.content}', '    ')}\n"
            f"  add a step, or find out why the program asks once more"
        )
        if self._complain is not None:
            self._complain(error)
        return error
