"""The runner: holds the default model and the user interface, and runs templates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Self, cast

from antiphon.connect import as_model
from antiphon.copies import Copier
from antiphon.drivers import InContext, adrive, drive
from antiphon.errors import InvalidValue
from antiphon.events import Event
from antiphon.interface import UserInterface
from antiphon.messages import Message
from antiphon.model import Model
from antiphon.parameters import check_count, check_kind
from antiphon.session import Rendering, Run, Session, begun, ended
from antiphon.templates.base import Template
from antiphon.threads import Owned

if TYPE_CHECKING:
    from antiphon.advance import Turn


class Runner:
    """Runs templates, with a model for those without one of their own and an interface to the user.

    Args:
        model: The model, or the name of one such as ``"openai:gpt-4o-mini"``.
        user_interface: Who is asked where a template asks the user.
        template: What ``run`` renders where it is given no other.

    Raises:
        InvalidType: One of them is of the wrong kind.
    """

    def __init__(
        self,
        model: Model | str,
        user_interface: UserInterface | None = None,
        template: Template | None = None,
    ) -> None:
        self.model = model
        self.user_interface = (
            None if user_interface is None else check_kind(user_interface, UserInterface, "user_interface")
        )
        self.template = None if template is None else check_kind(template, Template, "template")

    @property
    def model(self) -> Model:
        """The model for templates without one of their own; a name is taken as well."""
        return self._model

    @model.setter
    def model(self, given: Model | str) -> None:
        self._model = as_model(given)

    def run(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> Session:
        """Render the template from beginning to end.

        Args:
            session: The session to work on; a new one where none is given.
            template: What to render instead of the runner's template.
            max_messages: How many messages the run may add, those of subroutines included, 0 or more; ``None`` for any
                number.

        Returns:
            The session: the one given, unless a transform returned another.

        Raises:
            InvalidValue: The session is in a run already: it is in one at a time.
            MessageLimitExceeded: The run adds more messages than it may, or a loop turns 100,000 times in a row without
                adding any; the error carries the session.
        """
        run, chosen = self._begun(session, template, max_messages)
        run.is_handed_out = False
        self._play_out(run, chosen)
        return run.session

    async def arun(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> Session:
        """Render the template without blocking the event loop; the rest is as with ``run``."""
        run, chosen = self._begun(session, template, max_messages)
        run.is_handed_out = False
        await self._aplay_out(run, chosen)
        return run.session

    def iter(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> Generator[Message, None, Session]:
        """Render the template step by step: yields every message when it was said, those of subroutines included.

        Closing the iterator ends the run, with every clean-up on the way. The arguments are those of ``run``, and the
        session is the generator's return value. Events that templates of your own yield come as well, although the type
        does not say so; that of ``stream`` does. The run has context variables of its own, copied where this is called,
        so that runs that are gone through in turn do not see each other's.
        """
        steps = self._handed_out(copy_context(), session, template, max_messages)
        return cast("Generator[Message, None, Session]", steps)

    def aiter(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> AsyncGenerator[Message]:
        """Render the template step by step without blocking the event loop; the rest is as with ``iter``."""
        steps = self._ahanded_out(session, template, max_messages)
        return InContext(copy_context(), cast("AsyncGenerator[Message]", steps))

    def stream(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> Generator[Message | Event, None, Session]:
        """Render the template step by step, as ``iter`` does, with ``TextDelta`` events while models speak."""
        return self._handed_out(copy_context(), session, template, max_messages, streaming=True)

    def astream(
        self, session: Session | None = None, *, template: Template | None = None, max_messages: int | None = None
    ) -> AsyncGenerator[Message | Event]:
        """Render the template step by step, as ``aiter`` does, with ``TextDelta`` events while models speak."""
        return InContext(copy_context(), self._ahanded_out(session, template, max_messages, streaming=True))

    def advance(
        self,
        session: Session,
        answer: str | None = None,
        *,
        template: Template | None = None,
        max_messages: int | None = None,
    ) -> Session:
        """Hold a conversation by turns: go on until the user is needed, or to the end.

        ``advance(Session())`` begins one. What the user says comes by ``answer``; the user interface is not asked. In
        between the session says by ``waiting_for`` what is wanted, and can be saved, and loaded in another process: the
        answers of models, of users and of tools are saved with it. The template is driven again from its beginning with
        these answers, which tells observers of templates, but not of calls of models and of tools once more.

        Where the turn fails, the session stays as it was, with the answers that came until then: ``advance(session)``
        tries again and asks only for what is missing.

        Args:
            session: The session. What its messages and metadata are at the beginning has to be in it then.
            answer: What the user says to what the session waits for; nothing, or white space, is the template's
                default, if it has one. Without an answer a session that waits for one stays as it is.
            template: What to render instead of the runner's template; the same in every turn.
            max_messages: How many messages the whole conversation may add, 0 or more; ``None`` for any number.

        Returns:
            The session.

        Raises:
            InvalidType: The answer is no text.
            InvalidValue: The session waits for no answer, is in a run already, was changed while it waited, or holds
                what would not come back equal from JSON.
            TreeChanged: The template asks for something else than it did with the same answers.
            MessageLimitExceeded: As with ``run``.
        """
        turn = _turn(session, answer)
        if turn.is_due:
            with turn:
                run, chosen = self._begun_again(turn, template, max_messages)
                self._play_out(run, chosen)
        return session

    async def aadvance(
        self,
        session: Session,
        answer: str | None = None,
        *,
        template: Template | None = None,
        max_messages: int | None = None,
    ) -> Session:
        """Hold a conversation by turns without blocking the event loop; the rest is as with ``advance``."""
        turn = _turn(session, answer)
        if turn.is_due:
            with turn:
                run, chosen = self._begun_again(turn, template, max_messages)
                await self._aplay_out(run, chosen)
        return session

    def stream_advance(
        self,
        session: Session,
        answer: str | None = None,
        *,
        template: Template | None = None,
        max_messages: int | None = None,
    ) -> Generator[Message | Event, None, Session]:
        """Hold a conversation by turns, as ``advance`` does, and yield what comes meanwhile, as ``stream`` does.

        Nothing is yielded that an earlier turn has yielded. A generator that is closed early breaks the turn off.
        """
        turn = _turn(session, answer)
        return self._turned(copy_context(), turn, template, max_messages)

    def astream_advance(
        self,
        session: Session,
        answer: str | None = None,
        *,
        template: Template | None = None,
        max_messages: int | None = None,
    ) -> AsyncGenerator[Message | Event]:
        """Hold a conversation by turns without blocking the event loop; the rest is as with ``stream_advance``."""
        turn = _turn(session, answer)
        return InContext(copy_context(), self._aturned(turn, template, max_messages))

    def hold(
        self, session: Session, *, template: Template | None = None, max_messages: int | None = None
    ) -> Generator[Message | Event, None, Session]:
        """Hold a conversation to its end, as ``stream`` does, so that it can go on when it is broken off before that.

        The user interface is asked. Whatever breaks it off, an error, Ctrl+C or closing the generator, the session then
        holds what was said until then and where that was: ``hold(session)`` goes on there, as does ``advance``. What
        was said before is not yielded again. Where a conversation begins after another one, a system message that it
        repeats word for word is not said twice.
        """
        turn = _turn(session, asks=True)
        return self._turned(copy_context(), turn, template, max_messages)

    def _turned(
        self, context: Context, turn: Turn, template: Template | None, max_messages: int | None
    ) -> Generator[Message | Event, None, Session]:
        if turn.is_due:
            with turn:
                run, chosen = self._begun_again(turn, template, max_messages)
                run.is_handed_out, run.context = True, context
                try:
                    yield from self._played(run, chosen, streaming=True)
                finally:
                    ended(run)
        return turn.session

    async def _aturned(
        self, turn: Turn, template: Template | None, max_messages: int | None
    ) -> AsyncGenerator[Message | Event]:
        if turn.is_due:
            with turn:
                run, chosen = self._begun_again(turn, template, max_messages)
                run.is_handed_out = True
                try:
                    async with aclosing(Owned(self._aplayed(run, chosen, streaming=True))) as steps:
                        async for step in steps:
                            yield step
                finally:
                    ended(run)

    def _begun_again(self, turn: Turn, template: Template | None, max_messages: int | None) -> tuple[Run, Template]:
        run, chosen = self._begun(turn.session_again(), template, max_messages)
        run.is_handed_out = False
        turn.drive(run)
        return run, chosen

    def _handed_out(
        self,
        context: Context,
        session: Session | None,
        template: Template | None,
        max_messages: int | None,
        *,
        streaming: bool = False,
    ) -> Generator[Message | Event, None, Session]:
        run, chosen = self._begun(session, template, max_messages)
        run.context = context
        try:
            return (yield from self._played(run, chosen, streaming=streaming))
        finally:
            ended(run)

    async def _ahanded_out(
        self, session: Session | None, template: Template | None, max_messages: int | None, *, streaming: bool = False
    ) -> AsyncGenerator[Message | Event]:
        run, chosen = self._begun(session, template, max_messages)
        try:
            async with aclosing(Owned(self._aplayed(run, chosen, streaming=streaming))) as steps:
                async for step in steps:
                    yield step
        finally:
            ended(run)

    def _play_out(self, run: Run, template: Template) -> None:
        """Play a template in a run to its end, where nobody wants what is said one by one."""
        with Rendering(run):
            for _ in self._played(run, template):
                pass

    async def _aplay_out(self, run: Run, template: Template) -> None:
        """The same without blocking the event loop."""
        with Rendering(run):
            async with aclosing(self._aplayed(run, template)) as steps:
                async for _ in steps:
                    pass

    def _played(
        self, run: Run, template: Template, *, streaming: bool = False
    ) -> Generator[Message | Event, None, Session]:
        """Play a template in a run; what every way to run a template without an event loop comes to."""
        return drive(template.script(run.session), run, streaming=streaming)

    def _aplayed(self, run: Run, template: Template, *, streaming: bool = False) -> AsyncGenerator[Message | Event]:
        """Play a template in a run without blocking the event loop; what every such way comes to."""
        return adrive(template.script(run.session), run, streaming=streaming)

    def fork(self, model: Model | str | None = None) -> Self:
        """A runner of which no change reaches this one.

        Settings and plain attributes of the runner and of its model are copied. The template, the user interface, what
        ``Model.shared`` names and what cannot be copied (clients, locks, open files) are shared. The cost depends on
        what is copied: not on the conversation, nor on the template tree.

        Args:
            model: The fork's model, taken as it is; without one a copy of this runner's. This runner's own model, or
                one that it was copied from, is copied also where it is given.
        """
        copier = Copier()
        chosen = self._model if model is None else as_model(model)
        if chosen.origin is not self._model.origin:
            copier.remember(self._model, chosen)
        return copier(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A fork: a copy of a session, for one, must not copy clients."""
        return self.fork()

    def __isolate__(self, copier: Copier) -> Self:
        """What ``fork`` makes."""
        return copier.copy_attributes(self)

    def _begun(
        self, session: Session | None, template: Template | None, max_messages: int | None
    ) -> tuple[Run, Template]:
        chosen = self.template if template is None else check_kind(template, Template, "template")
        worked_on = Session() if session is None else check_kind(session, Session, "session")
        if worked_on.progress is not None:
            raise InvalidValue(
                f"the session waits for {worked_on.waiting_for or 'another try'!r} in a conversation that advance() "
                "holds, and is no session to run: go on by advance(session, answer), or begin anew with what was said: "
                "Session(messages=session.messages, metadata=session.metadata)"
            )
        if chosen is None:
            raise InvalidValue("nothing to run: give the runner a template, or run() one by template=")
        if max_messages is not None:
            check_count(max_messages, "max_messages")
        return begun(worked_on, max_messages, self), chosen


def _turn(session: Session, answer: str | None = None, *, asks: bool = False) -> Turn:
    """A turn of a conversation; what these take is imported when the first one is held."""
    from antiphon.advance import Turn

    return Turn(check_kind(session, Session, "session"), answer, asks=asks)
