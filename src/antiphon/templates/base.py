"""The base class of templates, and the events of rendering."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import aclosing, suppress
from types import GeneratorType
from typing import Any, ClassVar, NamedTuple, TypedDict

from antiphon.attachments import Attachment
from antiphon.copies import Shared
from antiphon.drivers import Script, adrive, drive
from antiphon.effects import AskModel, ask
from antiphon.errors import AntiphonError, InvalidType, InvalidValue, naming_template
from antiphon.events import Event
from antiphon.facts import Branch, Fact, Visit
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message, Role, text_message
from antiphon.model import Model
from antiphon.parameters import check_text
from antiphon.rendering import Text
from antiphon.request import ANY_TEXT, Request
from antiphon.session import Session, ended, joined
from antiphon.signals import Leaving
from antiphon.source_locations import SourceLocation, location_that_makes
from antiphon.texts import file_of
from antiphon.transforms import Transforms, as_transforms, transformed
from antiphon.waiting import UserNeeded

logger = logging.getLogger("antiphon")


class TemplateOptions(TypedDict, total=False):
    """The parameters that every template takes.

    Attributes:
        template_id: The template's name, unique among its siblings; without ``/``, ``@`` and white space.
        before_transform: What is done to the session before the template is rendered.
        after_transform: What is done to it afterwards; also when a break or an end passes through.
        enable_logging: Whether the template's messages are logged, at level DEBUG to the logger ``antiphon``.
    """

    template_id: str | None
    before_transform: Transforms
    after_transform: Transforms
    enable_logging: bool


class Template(Shared, ABC):
    """A node of the conversation tree.

    A template of your own overrides ``_render``, a generator that is given the session and returns it: it may yield
    messages, ask a model by ``message = yield from self.ask(session)``, and render others by
    ``session = yield from self.include(child, session)``.

    It says what it holds by ``children``, what drawings and the prompt lock are to tell by ``facts``, and which ways
    through it tests are to take by ``branches``.

    Templates do not change while they are rendered: one tree may serve many threads and tasks at once.

    Attributes:
        kind: What the template is called in paths when it has no id; the class's name without ``Template``.
        template_id: The template's id, or ``None``.
        built_at: The line of the program that built it; ``None`` where that is not known.
    """

    kind: ClassVar[str] = "template"
    built_at: SourceLocation | None = None
    _text: Any = None  # a Text where the template has one; a subclass may use the name for something else

    def __init__(
        self,
        template_id: str | None = None,
        before_transform: Transforms = None,
        after_transform: Transforms = None,
        enable_logging: bool = True,
    ) -> None:
        _check_id(template_id)
        self.template_id = template_id
        self.before_transform = as_transforms(before_transform, parameter_of(self, "before_transform"))
        self.after_transform = as_transforms(after_transform, parameter_of(self, "after_transform"))
        self.enable_logging = enable_logging
        self.built_at = location_that_makes(self)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.kind = cls.__name__.removesuffix("Template").lower() or "template"

    @property
    def children(self) -> tuple[Template, ...]:
        """The templates directly below this one, in order; one that stands in two places is there twice."""
        return ()

    def walk(self) -> Iterator[Template]:
        """This template and all below it, parents first; each once."""
        seen: set[int] = set()
        waiting: list[Template] = [self]
        while waiting:
            template = waiting.pop()
            if id(template) not in seen:
                seen.add(id(template))
                yield template
                waiting.extend(reversed(template.children))

    @property
    def variables(self) -> frozenset[str]:
        """The names that the texts of this template and of those below take from the metadata, defaults or not."""
        texts = (template._text for template in self.walk())
        return frozenset(name for text in texts if isinstance(text, Text) for name in text.variables)

    def facts(self) -> Iterator[Fact]:
        """What is known of this template before it is rendered, without those below it.

        By default that is what it says by a text of its own, and what attributes called ``content``, ``model`` and
        ``output_type`` tell.
        """
        file = file_of(getattr(self, "content", None))
        if file is not None:
            yield Fact("text", f"says {file.name}")
        if not self.children and self.variables:
            yield Fact("text", f"needs {', '.join(sorted(self.variables))}")
        if isinstance(self._text, Text):
            yield from self._text.facts(str(getattr(self, "role", "assistant")))
        model = getattr(self, "model", None)
        if isinstance(model, Model):
            yield Fact("model", f"model: {model.name}")
        output_type = getattr(self, "output_type", None)
        if output_type is not None:
            name = output_type.__name__ if isinstance(output_type, type) else None
            details = (Request(output_type=output_type).output_schema,)
            yield Fact("output", f"answers as {name or output_type}", name or "type", details=details)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The ways through this template that tests are to take; none where it has one way only."""
        return ()

    def branches_taken(self, visit: Visit) -> Iterable[str]:
        """The names of the branches that were taken in a visit.

        By default those whose child was rendered or, where none was by the end, those without a child; none in a visit
        that failed.
        """
        if visit.error is not None:
            return ()
        places = self.places
        ways = [(branch.name, None if branch.child is None else places[branch.child]) for branch in self.branches]
        rendered = [name for name, place in ways if place in visit.children]
        return rendered or [name for name, place in ways if place is None and not visit.is_open]

    @property
    def model_within(self) -> Model | None:
        """The model that serves the templates below this one; ``None`` for the one that serves this one, too."""
        return None

    def render(self, session: Session) -> Generator[Message | Event, None, Session]:
        """Render the template; yields what is said as it is said.

        Returns:
            The session to go on with: the one given, unless a transform returned another.
        """
        run = joined(session)
        try:
            return (yield from drive(self.script(session), run))
        finally:
            ended(run)

    async def arender(self, session: Session) -> AsyncGenerator[Message | Event]:
        """Render the template without blocking the event loop; yields what is said as it is said."""
        run = joined(session)
        try:
            async with aclosing(adrive(self.script(session), run)) as steps:
                async for step in steps:
                    yield step
        finally:
            ended(run)

    def answer(self, request: str, runner: Any) -> str:
        """Run the template alone, as a tool that is made of it does when the program calls it.

        Args:
            request: What is wanted; the template finds it in its metadata, under this name.
            runner: The runner that serves it.

        Returns:
            The text of the last message; ``""`` where none was said.
        """
        session = runner.run(Session(metadata={"request": request}), template=self)
        return session.last.content if session.messages else ""

    def script(self, session: Session) -> Script:
        """The whole conversation of the template, as the loops in ``antiphon.drivers`` play it."""
        within_another = session.run.path is not None
        if not within_another:
            session.run.tree = self
        try:
            return (yield from self.include(self, session))
        except Leaving as leaving:
            if within_another:
                raise
            return leaving.session

    @abstractmethod
    def _render(self, session: Session) -> Script:
        """Say what this template says."""

    def ask(
        self, session: Session, model: Model | str | None = None, request: Request = ANY_TEXT
    ) -> Generator[AskModel, Message, Message]:
        """Ask a model to answer the session; for use in ``_render``, with ``yield from``.

        Args:
            session: The conversation so far.
            model: The model, or the name of one; without one the runner's.
            request: What is asked for beside the messages: tools, a type for the answer.

        Returns:
            The answer. It is not appended.

        Raises:
            RunnerNotSet: The session has no runner.
        """
        return ask(session, model, request)

    def include(self, child: Template, session: Session, place: str | None = None) -> Script:
        """Render another template at this place; for use in ``_render``, with ``yield from``.

        Args:
            child: The template.
            session: The conversation so far.
            place: What the child is called in paths; by default its id, or its kind and place among the children.

        Returns:
            The session to go on with.
        """
        run = session.run
        outer_path, outer_template = run.path, run.template
        segment = place or self._place_of(child)
        run.path = path = segment if outer_path is None else f"{outer_path}/{segment}"
        run.template = child
        error: BaseException | None = None
        audience = LISTENERS.now
        try:
            if audience.template_enter:
                tell(audience.template_enter, TemplateEntered(child, path, run.depth, session))
            result = yield from _checked(child._script(session), child)
            if result is not run.session:
                run.moved_to(_returned(result, child, path))
        except BaseException as raised:
            error = raised
            note_place(raised, path)
            raise
        else:
            return result
        finally:
            run.path = path
            try:
                if audience.template_exit:
                    exited = TemplateExited(child, path, run.depth, run.session, error)
                    tell(LISTENERS.now.since(audience).template_exit, exited)
            finally:
                run.path, run.template = outer_path, outer_template

    def _script(self, session: Session) -> Script:
        if self.before_transform or self.after_transform:
            return self._transformed_render(session)
        return self._render(session)

    def _transformed_render(self, session: Session) -> Script:
        run = session.run
        session = transformed(session, self.before_transform, "before_transform")
        try:
            session = yield from self._render(session)
        except Leaving as leaving:
            leaving.session = self._after(leaving.session)
            raise
        except (Exception, UserNeeded):
            raise
        except BaseException as leaving:  # the run is closed or cancelled, whatever a transform raises
            try:
                self._after(run.session)
            except Exception as error:  # noqa: BLE001
                leaving.add_note(f"an after-transform of the template at {run.path!r} raised {error!r}")
            raise
        return self._after(session)

    def _after(self, session: Session) -> Session:
        return transformed(session, self.after_transform, "after_transform")

    @property
    def places(self) -> tuple[str, ...]:
        """What the children are called in paths: the id, or the kind and the place among the children, from 1."""
        return tuple(child.template_id or f"{child.kind}-{place}" for place, child in enumerate(self.children, 1))

    def _place_of(self, child: Template) -> str:
        if child is self:
            return self.template_id or self.kind
        for other, place in zip(self.children, self.places, strict=True):
            if other is child:
                return place
        return child.template_id or child.kind

    def _say(self, session: Session, content: str, role: Role, attachments: tuple[Attachment, ...] = ()) -> Message:
        path = session.run.path
        if not attachments:
            return self._add(session, text_message(role, content, path))
        return self._add(session, Message(role=role, content=content, template_path=path, attachments=attachments))

    def _add(self, session: Session, message: Message) -> Message:
        session.messages.append(message)
        if self.enable_logging and logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s %s: %s", message.template_path, message.role, message.content)
        return message


class TemplateEntered(NamedTuple):
    """A template is about to be rendered.

    Attributes:
        template: The template.
        path: Its path, iterations included.
        depth: How many subroutines deep; 0 outside of any.
        session: The session it is rendered in, before its before-transforms.
    """

    template: Template
    path: str
    depth: int
    session: Session


class TemplateExited(NamedTuple):
    """A template was rendered, or failed.

    Attributes:
        template: The template.
        path: Its path, iterations included.
        depth: How many subroutines deep; 0 outside of any.
        session: The session as it is after the after-transforms.
        error: What ended it early; ``None`` when it ran to its end. Beside errors these are signals, which are no
            failures: those of a break or an end, that of a conversation that waits for its user (``Runner.advance``),
            and ``GeneratorExit`` where the program has closed the run.
    """

    template: Template
    path: str
    depth: int
    session: Session
    error: BaseException | None


def parameter_of(template: Template, parameter: str) -> str:
    """What a template's parameter is called in errors, before there is a path: ``templates of support``."""
    return f"{parameter} of {template.template_id or type(template).__name__}"


def _checked(script: Script, template: Template) -> Script:
    if isinstance(script, GeneratorType):
        return script
    raise InvalidType(
        f"{type(template).__name__}._render is no generator: it yields messages, or `yield from` self.ask() and "
        "self.include(), and ends with `return session`"
    )


def _returned(result: object, template: Template, path: str) -> Session:
    if isinstance(result, Session):
        return result
    raise naming_template(
        InvalidType(
            f"{type(template).__name__}._render at {path!r} returned {type(result).__name__}; "
            "it ends with `return session`"
        )
    )


def note_place(error: BaseException, path: str) -> None:
    """Say in which template an error came up: the innermost, and only once; some errors of ours say it themselves."""
    if not isinstance(error, Exception) or (isinstance(error, AntiphonError) and error.names_template):
        return
    if not any(isinstance(note, _PlaceNote) for note in getattr(error, "__notes__", ())):
        with suppress(Exception):  # an immutable error, such as a frozen dataclass, takes no note
            error.add_note(_PlaceNote(f"in the template at {path!r}"))


class _PlaceNote(str):
    """The note that says in which template an error came up."""

    __slots__ = ()


_ID = re.compile(r"[^/@\s]+")


def _check_id(template_id: object) -> None:
    if template_id is not None and not _ID.fullmatch(check_text(template_id, "template_id")):
        raise InvalidValue(f"a template_id is not empty and has no '/', '@' or white space: {template_id!r}")
