"""``ScriptedModel``: a test double that plays a script instead of calling a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from textwrap import indent
from typing import TYPE_CHECKING, ClassVar, Final

from antiphon import Message, Model, ModelCall, Reply, Session, Template
from antiphon.attachment_rules import check_attachments
from antiphon.errors import InvalidType, InvalidValue
from antiphon.parameters import check_kind, check_text
from antiphon.rules import check_conversation
from antiphon.templates.checks import with_paths
from antiphon.trace import current_caller
from pytest_templates.errors import GenerationError, UnscriptedCall, UnusedSteps
from pytest_templates.run.ordering import in_turn
from pytest_templates.run.under_way import current_attempt
from pytest_templates.scripting.likeness import Like, check_like
from pytest_templates.scripting.rules import Condition, Pattern, Script, check_pattern
from pytest_templates.scripting.steps import Answer, ModelStep, Stream, checked_model_steps, played
from pytest_templates.support.targets import without_iterations
from pytest_templates.support.text import OUTSIDE, counted
from pytest_templates.support.virtual_time import note_double

if TYPE_CHECKING:
    from pytest_templates.run.attempt import Attempt

_NO_TEXTS: Final = "; generate=True makes up tool calls and typed answers, and no text that may be any"


class ScriptedModel(Model):
    """A model that plays a script: rules for chosen calls, and steps for all others, one per call, in order.

    All copies of the model share the script, so that the fork of a subroutine goes on where its parent is. Tests make
    one with the fixture ``scripted_model``, which checks at teardown that every step was played.

    Args:
        *steps: Texts, ``Reply`` and ``Message`` objects, ``CallTool`` and lists of them (one answer that calls several
            tools), ``Stream`` and ``Fail``, pydantic objects (said as JSON), exceptions (raised), and functions of the
            session that return one of these.
        name: The name of the model in traces.
        script: A script that several models play from; it replaces the steps.
        like: Whose rules hold for the conversations that it is asked to answer, beside those that all providers have:
            ``"openai"`` (chat completions), ``"anthropic"`` or ``"google"``, of their newest models. See
            ``antiphon.rules`` and, for what is attached, ``antiphon.attachment_rules``.
        generate: Whether to generate an answer where the script has none, for requests with tools or an output type:
            a call of each tool, then an object of the type, or a closing text. Equal requests get equal answers.
        complain: Called with the error of every call without an answer, which is raised as well; by default that error
            fails the test under way, also where the program swallows it.

    Attributes:
        calls: The model calls so far, those of copies included.
        attempt: The attempt of the test that it was made for; ``None`` where that is not known.

    Raises:
        InvalidType: A step is of a wrong type; the text names its place.
        InvalidValue: ``like`` is no provider whose rules are known.
        InvalidConversation: When asked: a provider would refuse the conversation, or what is attached to it. The test
            fails, also where the program swallows the error.

    Example:
        >>> model = ScriptedModel("Hello!", lambda session: session.last.content.upper())
        >>> model.on(template="classify").reply("billing", times=2).remaining
        4
    """

    is_double: ClassVar[bool] = True
    shared: ClassVar[frozenset[str]] = frozenset({"_script", "_complain", "attempt", "calls"})

    def __init__(
        self,
        *steps: ModelStep,
        name: str = "scripted",
        script: Script | None = None,
        generate: bool = False,
        like: Like | None = None,
        complain: Callable[[Exception], None] | None = None,
    ) -> None:
        self.name = check_text(name, "name")
        self.calls: list[ModelCall] = []
        self.attempt: Attempt | None = None
        self._script = script or Script(self._title, checked_model_steps(steps, self._title))
        self._script.is_played = True
        self._generate: bool = check_kind(generate, bool, "generate")
        try:
            check_like(like)
        except ValueError as error:
            raise InvalidValue(f"{self._title}: {error}") from None
        self._like: Like | None = like
        self._complain = complain

    def on(
        self, *, template: Pattern | None = None, prompt: Pattern | None = None, model: Pattern | None = None
    ) -> Rule:
        """Begin a rule for chosen calls: ``model.on(template="classify").reply("billing")``.

        Rules are tried before the steps, in the order in which they were written. A rule without steps left is skipped.

        Args:
            template: The id of the calling template, or a glob of its path (``*`` stays within a segment, ``**``
                crosses ``/``), or a regular expression to be found in its path.
            prompt: A text, or a regular expression, to be found in the last message that is sent.
            model: A glob of the name of the model that is called, or a regular expression to be found in it.

        Raises:
            InvalidType: An argument is neither text nor a compiled regular expression.
        """
        for parameter, given in (("template", template), ("prompt", prompt), ("model", model)):
            check_pattern(given, parameter)
        condition = Condition(template, prompt, model)
        self._script.begin(condition)
        return Rule(self, condition)

    @property
    def remaining(self) -> int:
        """How many steps are left, except those without an end."""
        return self._script.remaining

    def assert_complete(self) -> None:
        """Check that every step was played.

        Raises:
            UnusedSteps: Some are left; the text lists them.
        """
        if self.remaining:
            raise UnusedSteps(self.unused)

    @property
    def unused(self) -> str:
        """What is left of the script, in words."""
        allowed = "" if self._script.is_file else ", or allow it by allow_unused=True"
        return f"{self._script.unused}{allowed}"

    @property
    def _title(self) -> str:
        return f"scripted_model {self.name!r}"

    def _send(self, session: Session) -> Answer:
        said = self._next(session)
        return "".join(said.pieces) if isinstance(said, Stream) else said

    async def _asend(self, session: Session) -> Answer:
        said = self._send(session)
        await in_turn()
        return said

    def _stream(self, session: Session) -> Generator[Answer]:
        said = self._next(session)
        yield from said.pieces if isinstance(said, Stream) else (said,)

    async def _astream(self, session: Session) -> AsyncGenerator[Answer]:
        said = self._next(session)
        await in_turn()
        for piece in said.pieces if isinstance(said, Stream) else (said,):
            yield piece

    def _next(self, session: Session) -> Answer | Stream:
        note_double()
        taken = self._script.take(current_caller(), session)
        self._check_conversation(session)
        if taken is not None:
            step, place = taken
            return played(step, session, place)
        made = self._generated(session) if self._generate else None
        if made is None:
            raise self._unscripted(session)
        return made

    def _check_conversation(self, session: Session) -> None:
        try:
            self._hold_to_rules(session)
        except InvalidValue as error:
            self._note(error)
            raise

    def _hold_to_rules(self, session: Session) -> None:
        check_conversation(session, self.name, self._like)
        check_attachments(session, self.name, self._like)

    def _generated(self, session: Session) -> Reply | None:
        from pytest_templates.scripting.generation import generated

        try:
            return generated(session)
        except GenerationError as error:
            self._note(error)
            raise

    def _recorded(self, call: ModelCall) -> None:
        self.calls.append(call)

    def _unscripted(self, session: Session) -> UnscriptedCall:
        caller = current_caller()
        path = None if caller is None else caller.template_path
        by = f"by {OUTSIDE}" if path is None else f"by the template at {path!r}"
        taken = counted(self._script.taken, "step")
        script, remedy = "its script", "add a step"
        if self._script.is_file:
            script, remedy = self._script.owner, "add a reply to that file"
        over = f"{script} is over, with {taken} played"
        if self.remaining:
            over = f"{script} has nothing for that: it played {taken}, and still holds\n{self._script.listed()}"
        error = UnscriptedCall(
            f"{self._title} was asked {by} and {over}\n"
            f"  it was asked:\n{indent(_asked(session.last), '    ')}\n"
            f"{self._script.passed_over(caller, session)}"
            f"  {remedy}, or find out why the program asks once more{_built(session, path)}"
            f"{_NO_TEXTS if self._generate else ''}"
        )
        self._note(error)
        return error

    def _note(self, error: Exception) -> None:
        """Pass an error on, so that the test fails also where the program swallows it."""
        attempt = self.attempt or current_attempt()
        if self._complain is not None:
            self._complain(error)
        elif attempt is not None:
            attempt.failures.append(error)


def _asked(message: Message) -> str:
    """A message in words: what it says, and what is attached to it."""
    return "\n".join([f"{message.role}: {message.content}", *(f"+ {one!r}" for one in message.attachments)])


def _built(session: Session, path: str | None) -> str:
    """Where the calling template was built, in words."""
    root = session.run.tree
    if path is None or not isinstance(root, Template):
        return ""
    place = without_iterations(path)
    found = (one for at, one in with_paths(root, root.template_id or root.kind) if at == place)
    template = next(found, None)
    return (
        "" if template is None or template.built_at is None else f":\n  the template was built at {template.built_at}"
    )


class Rule:
    """A rule of a scripted model for chosen calls; made by ``ScriptedModel.on``."""

    def __init__(self, model: ScriptedModel, condition: Condition) -> None:
        self._model = model
        self._condition = condition

    def reply(self, *steps: ModelStep, times: int | None = 1) -> ScriptedModel:
        """Play these steps, one per call, in order.

        Args:
            *steps: As with ``ScriptedModel``.
            times: How often all of them are played, 1 or more; ``None`` for always: then none is ever left over.

        Returns:
            The model.

        Raises:
            InvalidType: A step is of a wrong type; the text names its place.
            InvalidValue: There is no step, or ``times`` is less than 1.
        """
        if times is not None and (isinstance(times, bool) or not isinstance(times, int)):
            raise InvalidType(f"times is a number, or None for ever, not {type(times).__name__}: {times!r}")
        owner = f"{self._condition} of {self._model._title}"
        if not steps or (times is not None and times < 1):
            wrong = "without a step" if not steps else f"with times={times}"
            raise InvalidValue(f"{owner}: reply() {wrong} says nothing: give it a step, and times=1 or more")
        self._model._script.add(self._condition, checked_model_steps(steps, owner), times)
        return self._model

    def __repr__(self) -> str:
        return f"<Rule {self._condition} of {self._model._title}>"
