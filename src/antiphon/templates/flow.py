"""Templates that control the flow: which others are rendered, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, Self, Unpack, cast

from antiphon.drivers import Script
from antiphon.effects import Pause
from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.facts import Branch, Fact, Visit
from antiphon.parameters import check_count
from antiphon.rendering import Text
from antiphon.session import Session
from antiphon.signals import EndConversation, LeaveLoop
from antiphon.templates.base import Template, TemplateOptions, parameter_of
from antiphon.templates.checks import check_child, check_children, check_ids
from antiphon.texts import Content, check_content
from antiphon.threads import is_async, is_plain_function

_TURNS: Final = ("0 turns", "1 turn", "many turns")
_MANY: Final = 2


class ControlTemplate(Template):
    """A template that asks no model itself, and therefore takes none.

    By a decision of the design models are named where they are asked.

    Raises:
        InvalidType: A model was given; the text says where to set it instead.
    """

    def __init__(self, **options: Unpack[TemplateOptions]) -> None:
        if "model" in options:
            raise InvalidType(
                f"{type(self).__name__} takes no model: set model= on the generating templates in it, "
                "or wrap the group in SubroutineTemplate(group, model=...)"
            )
        super().__init__(**options)


class _ListTemplate(ControlTemplate):
    """A template that renders others in their order."""

    def __init__(self, templates: Sequence[Template], **options: Unpack[TemplateOptions]) -> None:
        super().__init__(**options)
        self.templates = check_children(self, templates, "templates")
        self._steps = tuple(zip(self.places, self.templates, strict=True))
        check_ids(self)

    @property
    def children(self) -> tuple[Template, ...]:
        """The templates, in order."""
        return self.templates


class LinearTemplate(_ListTemplate):
    """Renders its templates one after another; an empty one says nothing.

    Args:
        templates: The templates, in order.
        **options: See ``TemplateOptions``.
    """

    if not TYPE_CHECKING:  # type checkers look at __init__ alone

        def __new__(cls, *arguments: Any, **_options: Any) -> Self:
            """Say what is wrong with ``LinearTemplate(one, another)``: Python would speak of one argument too many."""
            if len(arguments) > 1 and cls.__init__ is _ListTemplate.__init__:
                raise InvalidType(f"templates takes a list of templates: write {cls.__name__}([one, another])")
            return super().__new__(cls)

        __new__.__signature__ = signature(_ListTemplate.__init__)  # for inspect.signature

    def _render(self, session: Session) -> Script:
        try:
            for place, template in self._steps:
                session = yield from self.include(template, session, place)
        except LeaveLoop as leaving:
            if session.run.loops:
                raise
            return leaving.session
        return session


class LoopTemplate(_ListTemplate):
    """Renders its templates again and again.

    After a turn in which nothing was said, ``arun`` lets the event loop go on. In a run with ``max_messages`` 100,000
    such turns in a row are a ``MessageLimitExceeded``.

    Args:
        templates: The templates of one turn, in order; at least one.
        exit_condition: A plain function, asked with the session after every template; the loop ends as soon as it is
            true.
        exit_loop_count: How many turns at the most, 0 or more; without it and without a condition only a
            ``BreakTemplate`` or an ``EndTemplate`` leaves the loop.
        **options: See ``TemplateOptions``.

    Raises:
        InvalidValue: There are no templates, or the count is negative.
    """

    def __init__(
        self,
        templates: Sequence[Template],
        exit_condition: Callable[[Session], bool] | None = None,
        exit_loop_count: int | None = None,
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(templates, **options)
        if not self.templates:
            raise InvalidValue("a loop without templates would turn for ever and say nothing: give it at least one")
        self.exit_condition = None if exit_condition is None else _condition(self, exit_condition, "exit_condition")
        self.exit_loop_count = None if exit_loop_count is None else check_count(exit_loop_count, "exit_loop_count")

    def facts(self) -> Iterator[Fact]:
        """How often it turns."""
        yield from super().facts()
        if self.exit_loop_count is not None:
            yield Fact("turns", f"at most {self.exit_loop_count} times")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """``"1 turn"`` and ``"many turns"``, or the one of the two, or ``"0 turns"``, that the count allows."""
        most = self.exit_loop_count
        return tuple(map(Branch, _TURNS[1:] if most is None or most > 1 else (_TURNS[most],)))

    def branches_taken(self, visit: Visit) -> Iterable[str]:
        """The one for the number of turns; none in a visit that failed, or that may go on to another number."""
        if visit.error is not None or (visit.is_open and visit.turns < _MANY):
            return ()
        return (_TURNS[min(visit.turns, _MANY)],)

    def _render(self, session: Session) -> Script:
        run = session.run
        path, loops = run.path, run.loops
        turn = 0
        run.loops += 1
        try:
            while self.exit_loop_count is None or turn < self.exit_loop_count:
                turn += 1
                run.path = f"{path}@{turn}"
                added = run.added
                for place, template in self._steps:
                    session = yield from self.include(template, session, place)
                    if self.exit_condition is not None and self.exit_condition(session):
                        return session
                if run.added == added:
                    run.turned_silently()
                    yield Pause()
        except LeaveLoop as leaving:
            return leaving.session
        finally:
            run.path, run.loops = path, loops
        return session


class IfTemplate(ControlTemplate):
    """Renders one template or another.

    Args:
        condition: A plain function, asked once, with the session.
        true_template: Rendered when the condition is true.
        false_template: Rendered when it is not; ``None`` says nothing then.
        **options: See ``TemplateOptions``.
    """

    def __init__(
        self,
        condition: Callable[[Session], bool],
        true_template: Template,
        false_template: Template | None = None,
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(**options)
        self.condition = _condition(self, condition, "condition")
        self.true_template = check_child(self, true_template, "true_template")
        self.false_template = None if false_template is None else check_child(self, false_template, "false_template")
        self._steps = {True: (self.places[0], self.true_template)}
        if self.false_template is not None:
            self._steps[False] = (self.places[1], self.false_template)
        check_ids(self)

    @property
    def children(self) -> tuple[Template, ...]:
        """The template for true and, where there is one, the template for false."""
        return (self.true_template,) if self.false_template is None else (self.true_template, self.false_template)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """``"true"`` and ``"false"``."""
        return Branch("true", 0), Branch("false", None if self.false_template is None else 1)

    def _render(self, session: Session) -> Script:
        step = self._steps.get(bool(self.condition(session)))
        if step is None:
            return session
        place, template = step
        return (yield from self.include(template, session, place))


class BreakTemplate(ControlTemplate):
    """Leaves the nearest enclosing loop, or the nearest linear template where there is no loop.

    Args:
        **options: See ``TemplateOptions``.
    """

    def _render(self, session: Session) -> Script:
        raise LeaveLoop(session)
        yield  # what makes this a generator


class EndTemplate(ControlTemplate):
    """Ends the whole conversation.

    Args:
        farewell_message: What the assistant says before that, as with ``MessageTemplate``; ``None`` for nothing.
        disable_jinja: Whether the farewell is said as it stands.
        **options: See ``TemplateOptions``.
    """

    def __init__(
        self,
        farewell_message: Content | None = None,
        *,
        disable_jinja: bool = False,
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(**options)
        if farewell_message is not None:
            check_content(farewell_message, "farewell_message")
        self.farewell_message = farewell_message
        self._text = (
            None
            if farewell_message is None
            else Text(farewell_message, disable_jinja=disable_jinja, template_id=self.template_id)
        )

    def _render(self, session: Session) -> Script:
        if self._text is not None:
            yield self._say(session, self._text.render(session), "assistant")
        raise EndConversation(session)


def _condition(template: Template, given: Any, parameter: str) -> Callable[[Session], bool]:
    where = parameter_of(template, parameter)
    if is_async(given):
        raise InvalidType(
            f"{where} takes a plain function of the session, which answers at once, and not an async one: {given!r}"
        )
    if not is_plain_function(given) or isinstance(given, Template):
        raise InvalidType(f"{where} takes a function of the session, not {shown(given)}")
    return cast("Callable[[Session], bool]", given)
