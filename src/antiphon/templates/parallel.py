"""Templates whose children run at the same time."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from antiphon.connect import ModelSlot
from antiphon.copies import isolated
from antiphon.drivers import Script, Step
from antiphon.facts import Fact
from antiphon.history import History
from antiphon.init_strategies import CleanSessionStrategy, SessionInitStrategy
from antiphon.model import Model
from antiphon.parameters import check_kind
from antiphon.parts import Parts, Played
from antiphon.session import Part, Run, Session
from antiphon.signals import EndConversation, LeaveLoop
from antiphon.squash_strategies import LastMessageStrategy, SquashStrategy
from antiphon.templates.base import Template, note_place
from antiphon.templates.checks import check_children, check_ids
from antiphon.templates.subroutine import (
    SubroutineTemplate,
    added_since,
    facts_of_strategies,
    overridden_model,
    runner_for,
)
from antiphon.transforms import Transforms, transformed
from antiphon.waiting import UserNeeded


class ParallelTemplate(Template):
    """Runs its children as subroutines: at the same time where an event loop runs, and else one after another.

    Each has a session and a runner of its own, and begins with the parent's session as it is then. When all have ended,
    what they give back is appended in their order, whichever ended first: the conversation is the same by ``run`` and
    by ``arun``.

    A ``SubroutineTemplate`` among the children keeps its own settings; those given here are for all others. Its
    before-transforms act on a copy of the parent's session that it alone sees; its after-transforms on the parent's
    session, behind what it gave back.

    A break leaves only the child that it stands in. An end lets the other children come to theirs, and ends the
    conversation behind what all gave back. Where a child fails, those that have not ended are cancelled, the error is
    raised, and nothing is given back. The user is asked by one child after another, in their order.

    Args:
        templates: The children.
        template_id: As with every template; so are the transforms and ``enable_logging``.
        session_init_strategy: Makes the session of a child; by default a clean one with a copy of the metadata.
        squash_strategy: Chooses what a child gives back; by default its last message.
        before_transform: See ``TemplateOptions``.
        after_transform: See ``TemplateOptions``.
        model: The model of the children's runners, or the name of one; a subroutine among them may have its own.
        enable_logging: See ``TemplateOptions``.

    Attributes:
        model: The model, or ``None``; it may be set later.
        session_init_strategy: Makes the session of a child; it may be set later.
        squash_strategy: Chooses what a child gives back; it may be set later.
    """

    model: ModelSlot = ModelSlot()

    def __init__(
        self,
        templates: Sequence[Template],
        template_id: str | None = None,
        session_init_strategy: SessionInitStrategy | None = None,
        squash_strategy: SquashStrategy | None = None,
        before_transform: Transforms = None,
        after_transform: Transforms = None,
        model: Model | str | None = None,
        enable_logging: bool = True,
    ) -> None:
        super().__init__(template_id, before_transform, after_transform, enable_logging)
        self.templates = check_children(self, templates, "templates")
        begins_with = CleanSessionStrategy() if session_init_strategy is None else session_init_strategy
        self.session_init_strategy = check_kind(begins_with, SessionInitStrategy, "session_init_strategy")
        gives_back = LastMessageStrategy() if squash_strategy is None else squash_strategy
        self.squash_strategy = check_kind(gives_back, SquashStrategy, "squash_strategy")
        self.model = model
        check_ids(self)
        self._steps = tuple(
            (place, child, child if isinstance(child, SubroutineTemplate) else _Isolated(self, child, place))
            for place, child in zip(self.places, self.templates, strict=True)
        )

    @property
    def children(self) -> tuple[Template, ...]:
        """The templates, in order."""
        return self.templates

    def facts(self) -> Iterator[Fact]:
        """Which model serves the children; what those begin with and give back that are no subroutines themselves."""
        if self.model is not None:
            yield overridden_model(self.model)
        if any(subroutine is not child for _, child, subroutine in self._steps):
            yield from facts_of_strategies(self.session_init_strategy, self.squash_strategy)

    @property
    def model_within(self) -> Model | None:
        """The children's model."""
        return self.model

    def _render(self, session: Session) -> Script:
        run = session.run
        played = tuple(self._parts(session))
        try:
            run.has_parts = True
            yield Parts(played)
            run.has_parts = False
            for one, child in zip(played, self.templates, strict=True):
                session = _taken_back(session, one, child)
        except BaseException as leaving:
            if not isinstance(leaving, Exception | UserNeeded):  # the run is closed or cancelled
                self._clean_up(run, played, leaving)
            raise
        finally:
            run.has_parts = False
            for one in played:
                one.part.end()
        if any(one.part.has_ended_all for one in played):
            raise EndConversation(session)
        return session

    def _parts(self, session: Session) -> Iterator[Played]:
        """The parts to be played, each with what it sees as its parent's session: the same messages and metadata."""
        run = session.run
        runner, chosen_by = (session.runner, run.chosen_by) if self.model is None else runner_for(session, self.model)
        for place, child, subroutine in self._steps:
            metadata = isolated(session.metadata) if subroutine.before_transform else session.metadata
            parent = Session.model_construct(messages=History(session.messages), metadata=metadata, runner=runner)
            part = run.parted(parent, child)
            if run.part_playback is not None:
                part.run.part_playback = run.part_playback.beside(f"{run.path}/{place}")
            part.run.chosen_by = chosen_by
            yield Played(part, f"{run.path}/{place}", self._script_of(part, place, subroutine))

    def _script_of(self, part: Part, place: str, subroutine: SubroutineTemplate) -> Script:
        parent = part.run.session
        part.has_begun = True
        try:
            if isinstance(subroutine, _Isolated):
                subroutine.session_init_strategy = self.session_init_strategy  # which may have been set since
                subroutine.squash_strategy = self.squash_strategy
                return (yield from subroutine.rendered(parent))
            return (yield from self.include(subroutine, parent, place))
        except LeaveLoop as leaving:
            return leaving.session
        except EndConversation as leaving:
            part.has_ended_all = True
            return leaving.session

    def _clean_up(self, run: Run, played: Sequence[Played], leaving: BaseException) -> None:
        """Run the after-transforms of subroutines that are left before their end, as those of every template are."""
        for one, child in zip(played, self.templates, strict=True):
            if isinstance(child, SubroutineTemplate) and one.part.has_begun:
                try:
                    _transformed(run.session, one, child)
                except Exception as error:  # noqa: BLE001
                    leaving.add_note(f"an after-transform of the template at {one.place!r} raised {error!r}")


def _taken_back(session: Session, one: Played, child: Template) -> Session:
    """The session with what a child has given back."""
    session.messages.extend(added_since(one.part.inherited, one.part.run.session.messages))
    return _transformed(session, one, child) if isinstance(child, SubroutineTemplate) else session


def _transformed(session: Session, one: Played, child: SubroutineTemplate) -> Session:
    """The session after the after-transforms of a child, which are at work at its place in the tree."""
    run = session.run
    path, template = run.path, run.template
    run.path, run.template = one.place, child
    try:
        return transformed(session, child.after_transform, "after_transform")
    except Exception as error:
        note_place(error, one.place)
        raise
    finally:
        run.path, run.template = path, template


class _Isolated(SubroutineTemplate):
    """Runs a child that is no subroutine as one, which has the place of the child in the tree.

    Its strategies are those that its parent has when it is rendered.

    Args:
        parent: The template whose child it is.
        child: The child.
        place: What it is called in paths.
    """

    def __init__(self, parent: ParallelTemplate, child: Template, place: str) -> None:
        super().__init__(child)
        self.built_at = parent.built_at
        self._place = place

    def rendered(self, parent: Session) -> Script:
        """Render the child in a session of its own."""
        run = parent.run
        run.path, run.template = f"{run.path}/{self._place}", self.template
        try:
            return (yield from self._render(parent))
        except Exception as error:
            note_place(error, run.path)  # one of a strategy: the child's own say where they came up
            raise

    def _played(self, child: Session) -> Generator[Step, Any, tuple[Session, bool]]:
        run, path = child.run, child.run.path
        run.path = (path or "").rpartition("/")[0]  # the child adds its own place
        try:
            return (yield from super()._played(child))
        finally:
            run.path = path
