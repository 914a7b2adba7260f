"""Subroutines: parts of a conversation with a session and a runner of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from inspect import isgenerator
from typing import Any, NamedTuple, cast

from antiphon.connect import ModelSlot
from antiphon.copies import isolated
from antiphon.drivers import Script, Step
from antiphon.errors import InvalidType, InvalidValue
from antiphon.facts import Fact
from antiphon.init_strategies import COPYING, CleanSessionStrategy, SessionInitStrategy, detached
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message
from antiphon.model import Model
from antiphon.parameters import check_kind
from antiphon.runner import Runner
from antiphon.session import Session
from antiphon.signals import EndConversation, LeaveLoop
from antiphon.squash_strategies import LastMessageStrategy, Squashing, SquashStrategy
from antiphon.templates.base import Template
from antiphon.templates.checks import check_child, check_ids
from antiphon.trace import ChosenBy
from antiphon.transforms import Transforms, transformed


class SubroutineTemplate(Template):
    """Runs a template in a session and with a runner of its own; only squashed messages return to the parent.

    The runner is the one given, or a fork of the parent's: with the model given, or else with a copy of its model.
    Nothing that the subroutine does to its session or its runner reaches the parent. The template's own transforms act
    on the parent's session, as any template's do.

    Args:
        template: What to run.
        template_id: As with every template; so are the transforms and ``enable_logging``.
        session_init_strategy: Makes the subroutine's session; by default a clean one with a copy of the metadata.
        squash_strategy: Chooses what returns to the parent; by default the last message.
        before_transform: See ``TemplateOptions``.
        after_transform: See ``TemplateOptions``.
        runner: The subroutine's runner, used as it is.
        model: The model of the subroutine's runner, or the name of one.
        enable_logging: See ``TemplateOptions``.

    Attributes:
        model: The model, or ``None``; it may be set later.

    Raises:
        InvalidValue: Both a runner and a model are given.
    """

    model: ModelSlot = ModelSlot()

    def __init__(
        self,
        template: Template,
        template_id: str | None = None,
        session_init_strategy: SessionInitStrategy | None = None,
        squash_strategy: SquashStrategy | None = None,
        before_transform: Transforms = None,
        after_transform: Transforms = None,
        runner: Runner | None = None,
        model: Model | str | None = None,
        enable_logging: bool = True,
    ) -> None:
        super().__init__(template_id, before_transform, after_transform, enable_logging)
        if runner is not None and model is not None:
            raise InvalidValue("Cannot set both runner and model - use one or the other")
        self.template = check_child(self, template, "template")
        begins_with = CleanSessionStrategy() if session_init_strategy is None else session_init_strategy
        self.session_init_strategy = check_kind(begins_with, SessionInitStrategy, "session_init_strategy")
        gives_back = LastMessageStrategy() if squash_strategy is None else squash_strategy
        self.squash_strategy = check_kind(gives_back, SquashStrategy, "squash_strategy")
        self.runner = None if runner is None else check_kind(runner, Runner, "runner")
        self.model = model
        (self._place,) = self.places
        check_ids(self)

    @property
    def children(self) -> tuple[Template, ...]:
        """The template that is run."""
        return (self.template,)

    def facts(self) -> Iterator[Fact]:
        """Which model or runner it overrides, and its strategies where they are not the usual ones."""
        if self.model is not None:
            yield overridden_model(self.model)
        if self.runner is not None:
            model = self.runner.model
            yield Fact("model", f"overrides the runner: {type(self.runner).__name__} with {model.name}", model=model)
        yield from facts_of_strategies(self.session_init_strategy, self.squash_strategy)

    @property
    def model_within(self) -> Model | None:
        """The subroutine's own model, or that of its runner."""
        return self.model if self.runner is None else self.runner.model

    def answer(self, request: str, runner: Any) -> str:
        """Run the subroutine alone; returns the texts that it gives back."""
        session = runner.run(Session(metadata={"request": request}), template=self)
        return "\n\n".join(message.content for message in session.messages)

    def _script(self, session: Session) -> Script:
        part = session.run.part
        is_part = part is not None and part.template is self
        return self._rendered_as_part(session) if is_part else super()._script(session)

    def _rendered_as_part(self, session: Session) -> Script:
        """Go on beside others: what is done afterwards to the parent's session is done when all have ended."""
        session = transformed(session, self.before_transform, "before_transform")
        if session.run.part is not None:
            session.run.part.inherited = list(session.messages)
        return (yield from self._render(session))

    def _render(self, session: Session) -> Script:
        run = session.run
        runner, chosen_by = self._runner_for(session)
        outer = run.session, run.loops, run.chosen_by, run.depth
        run.loops, run.chosen_by, run.depth = 0, chosen_by, run.depth + 1
        try:
            squashed, said, has_ended = yield from self._run(session, runner)
        finally:
            run.session, run.loops, run.chosen_by, run.depth = outer
        known = {id(message) for message in said}
        reduced = {likeness for message in said if message.tool_calls for likeness in _likenesses_reduced(message)}
        for message in squashed:
            session.messages.append(message)
            if id(message) not in known and _likeness(message) not in reduced:  # the others were yielded when said
                yield message
        if has_ended:
            raise EndConversation(session)
        return session

    def _run(self, parent: Session, runner: Any) -> Generator[Step, Any, tuple[list[Message], list[Message], bool]]:
        """Run the subroutine; returns what is to go to the parent, all that was said, and whether it ended it all."""
        run = parent.run
        child: Session | None = None
        error: BaseException | None = None
        audience = LISTENERS.now
        try:
            if audience.subroutine_enter:
                tell(audience.subroutine_enter, SubroutineEntered(self, run.path or "", run.depth - 1, parent))
            child = self._child(parent, runner)
            inherited = list(child.messages)
            squash_strategy = isolated(self.squash_strategy, sharing=(Model,))
            squash_strategy.initialize(parent, child)
            child, has_ended = yield from self._played(child)
            said = added_since(inherited, child.messages)
            squashed = yield from self._squashed(squash_strategy, list(said))
        except BaseException as raised:
            error = raised
            raise
        finally:
            if audience.subroutine_exit:
                exited = SubroutineExited(self, run.path or "", run.depth - 1, parent, child, error)
                tell(LISTENERS.now.since(audience).subroutine_exit, exited)
        return squashed, said, has_ended

    def _played(self, child: Session) -> Generator[Step, Any, tuple[Session, bool]]:
        try:
            return (yield from self.include(self.template, child, self._place)), False
        except LeaveLoop as leaving:
            return leaving.session, False
        except EndConversation as leaving:
            return leaving.session, True

    def _squashed(self, strategy: SquashStrategy, said: list[Message]) -> Generator[Step, Any, list[Message]]:
        squashed: Any = strategy.squash(said)
        if isgenerator(squashed):
            squashed = yield from cast("Squashing", squashed)
        if isinstance(squashed, list | tuple) and all(isinstance(message, Message) for message in squashed):
            return list(squashed)
        raise InvalidType(f"{type(strategy).__name__}.squash returned no list of messages: {squashed!r}")

    def _child(self, parent: Session, runner: Any) -> Session:
        strategy = isolated(self.session_init_strategy, sharing=(Model,))
        child: object = strategy.initialize(parent)
        if not isinstance(child, Session) or child is parent:
            raise InvalidType(
                f"{type(self.session_init_strategy).__name__}.initialize must return a session of its own, "
                f"not {'the parent session' if child is parent else repr(child)}"
            )
        if type(strategy) not in COPYING:
            parent.run.adopt_calls(child.trace)
            child = Session(messages=detached(child.messages), metadata=isolated(child.metadata))
        child.take_runner(runner)
        child.join(parent.run)
        parent.run.session = child
        return child

    def _runner_for(self, parent: Session) -> tuple[Any, ChosenBy]:
        if self.runner is not None:
            return self.runner, "subroutine-runner"
        return runner_for(parent, self.model)


def runner_for(parent: Session, model: Model | None) -> tuple[Any, ChosenBy]:
    """A runner for a subroutine that has none of its own, and whose choice its model is."""
    runner: Runner | None = parent.runner
    if model is not None:
        return (Runner(model) if runner is None else runner.fork(model)), "subroutine"
    return (None if runner is None else runner.fork()), parent.run.chosen_by


def added_since(inherited: list[Message], messages: list[Message]) -> list[Message]:
    """What was added to inherited messages; a transform may have put copies in their place."""
    if not inherited:
        return list(messages)
    here = {id(message) for message in messages}
    known = {id(message) for message in inherited}
    replaced = Counter(_likeness(message) for message in inherited if id(message) not in here)
    added: list[Message] = []
    for message in messages:
        if id(message) in known:
            continue
        if replaced and replaced[_likeness(message)]:
            replaced[_likeness(message)] -= 1
        else:
            added.append(message)
    return added


class SubroutineEntered(NamedTuple):
    """A subroutine begins; its before-transforms have run, its session does not exist yet.

    Attributes:
        template: The subroutine's template.
        path: Its path, iterations included.
        depth: How many subroutines deep its parent is; 0 outside of any.
        parent: The parent's session.
    """

    template: Template
    path: str
    depth: int
    parent: Session


class SubroutineExited(NamedTuple):
    """A subroutine has ended, and what returns to its parent is chosen; nothing was appended there yet.

    Attributes:
        template: The subroutine's template.
        path: Its path, iterations included.
        depth: How many subroutines deep its parent is; 0 outside of any.
        parent: The parent's session.
        child: The subroutine's session; ``None`` when it failed before there was one.
        error: What ended it early; ``None`` when it ran to its end.
    """

    template: Template
    path: str
    depth: int
    parent: Session
    child: Session | None
    error: BaseException | None


def overridden_model(model: Model) -> Fact:
    """That templates are served by another model than the runner's."""
    return Fact("model", f"overrides the model: {model.name}", model=model)


def facts_of_strategies(init: SessionInitStrategy, squash: SquashStrategy) -> Iterator[Fact]:
    """What subroutines begin with and give back; a drawing tells it where it is not the usual."""
    if type(init) is not CleanSessionStrategy:
        yield Fact("init", f"begins with {_named(init)}")
    label = "" if type(squash) is LastMessageStrategy else f"gives back {_named(squash)}"
    prompt = getattr(squash, "prompt", None)
    yield Fact("squash", label, type(squash).__name__, prompt if isinstance(prompt, str) else None)


def _named(strategy: object) -> str:
    name = type(strategy).__name__
    model = getattr(strategy, "model", None)
    return f"{name}, model: {model.name}" if isinstance(model, Model) else name


def _likeness(message: Message) -> tuple[str | None, ...]:
    """What copies have in common; metadata may hold objects that are not equal to their copies."""
    return message.role, message.content, message.tool_call_id, message.template_path, message.model


def _likenesses_reduced(message: Message) -> tuple[tuple[str | None, ...], ...]:
    """What copies of a message have in common that lack some of its calls, and may lack its text: see ``pairing``."""
    return _likeness(message), _likeness(message.model_copy(update={"content": ""}))
