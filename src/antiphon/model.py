"""Models: what answers a session with one message."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing, closing
from inspect import Parameter, Signature, isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias, final

from pydantic import BaseModel, ConfigDict, Field

from antiphon.call_recorder import CallRecorder
from antiphon.copies import Copier, isolated
from antiphon.deferring import built_when_used
from antiphon.errors import InvalidType, shown
from antiphon.events import TextDelta
from antiphon.listeners import registered
from antiphon.messages import Message, Reply
from antiphon.session import Session
from antiphon.threads import in_thread
from antiphon.trace import Caller, ChosenBy, ModelCall


@built_when_used
class ModelSettings(BaseModel):
    """The settings of a model; one that is ``None`` is left to the provider.

    Settings not named here are kept as they are given and passed on.

    Attributes:
        temperature: Randomness, 0 or more.
        max_tokens: The longest answer, in tokens, 1 or more.
        top_p: Nucleus sampling, above 0 and up to 1.
        seed: For answers that repeat, where the provider can do that.
        stop: Texts at which the answer ends.
    """

    model_config = ConfigDict(extra="allow", validate_assignment=True, defer_build=True)

    temperature: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: list[str] | None = None

    if TYPE_CHECKING:  # type checkers would allow the named settings only

        def __init__(
            self,
            *,
            temperature: float | None = None,
            max_tokens: int | None = None,
            top_p: float | None = None,
            seed: int | None = None,
            stop: list[str] | None = None,
            **others: Any,
        ) -> None: ...


Piece: TypeAlias = str | TextDelta | Reply | Message


def as_said(piece: Piece) -> str | Reply | Message:
    """A piece of a stream as the model itself says it, also where it passes on what another one's stream gave."""
    return piece.text if isinstance(piece, TextDelta) else piece


class Answering(Protocol):
    """What answers sessions: a model, or what stands in for one. The methods are those of ``Model``."""

    def _send(self, session: Session) -> Reply | Message | str: ...

    async def _asend(self, session: Session) -> Reply | Message | str: ...

    def _stream(self, session: Session) -> Generator[Piece]: ...

    def _astream(self, session: Session) -> AsyncGenerator[Piece]: ...


class Model(ABC):
    """What answers a session with one message. A subclass needs only ``_send``.

    Example:
        >>> class Echo(Model):
        ...     def _send(self, session):
        ...         return session.last.content
        >>> Echo().send(Session(messages=[Message(role="user", content="Hello")])).content
        'Hello'

    Attributes:
        name: What the model is called in traces; the class's name unless the class or the object says otherwise.
        settings: How the model is to answer. Every object has settings of its own, also where its class defines them.
        shared: Names of attributes that forks share with the model they were copied from.
        recordable: Whether tests record calls of the model as a whole, its question and its answer, in place of the
            HTTP requests that it makes: for models whose requests cannot be caught, since they speak another protocol
            or run in the process. Real models of providers that speak no HTTP say so themselves.
    """

    shared: ClassVar[frozenset[str]] = frozenset()
    recordable: ClassVar[bool] = False
    name: str
    settings: ModelSettings
    _origin: Model | None = None

    if not TYPE_CHECKING:  # type checkers are to look at the subclass's __init__

        def __new__(cls, *_arguments: Any, **_options: Any) -> Self:
            """Give the object a name and settings of its own, even where ``super().__init__`` is not called."""
            model = super().__new__(cls)
            if not hasattr(cls, "name"):
                object.__setattr__(model, "name", cls.__name__)
            settings = getattr(cls, "settings", None)
            if settings is None or isinstance(settings, ModelSettings):
                object.__setattr__(model, "settings", isolated(settings) or ModelSettings())
            return model

        __new__.__signature__ = Signature([Parameter("cls", Parameter.POSITIONAL_ONLY)])  # it uses no argument itself

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("send", "asend", "stream", "astream"):
            if name in cls.__dict__:
                raise InvalidType(
                    f"{cls.__name__} overrides {name}(), which records the call; override _{name}() instead"
                )
        if isinstance(cls.recordable, bool) or hasattr(cls.recordable, "__get__"):  # a property says it of an object
            return
        raise InvalidType(f"{cls.__name__}.recordable is True or False, not {shown(cls.recordable)}")

    @property
    def origin(self) -> Model:
        """The model that this one was first copied from, or the model itself when it is no copy."""
        return self._origin or self

    @final
    def send(self, session: Session) -> Message:
        """Ask the model; the call is recorded in ``session.trace``, also when it fails. Nothing is appended.

        Args:
            session: The conversation to answer; it must have messages.

        Returns:
            The answer, with ``model`` and ``template_path`` set.

        Raises:
            InvalidValue: The session has no messages.
            InvalidType: The model answered with something that is no ``Reply``, ``Message`` or text.
        """
        recorder, model = self._begun(session)
        if (kept := recorder.kept()) is not None:
            return kept
        with recorder, recorder.asking:
            return recorder.answered(answering(model)._send(session))

    @final
    async def asend(self, session: Session) -> Message:
        """Ask the model without blocking the event loop; the rest is as with ``send``."""
        recorder, model = self._begun(session)
        if (kept := recorder.kept()) is not None:
            return kept
        with recorder, recorder.asking:
            return recorder.answered(await answer_of(answering(model), session))

    @final
    def stream(self, session: Session) -> Generator[TextDelta | Message]:
        """Ask the model, and listen while it speaks; the rest is as with ``send``.

        Closing the generator early closes the connection; what came until then is recorded.

        Yields:
            A ``TextDelta`` for every piece of text, and at last the whole answer as a message.
        """
        recorder, model = self._begun(session, is_streamed=True)
        if (kept := recorder.kept()) is not None:
            yield kept
            return
        with recorder:
            with recorder.asking:
                pieces = stream_of(answering(model), session)
            with closing(pieces):
                while (piece := recorder.next_of(pieces)) is not None:
                    yield piece
                message = recorder.spoken()
        yield message

    @final
    async def astream(self, session: Session) -> AsyncGenerator[TextDelta | Message]:
        """Ask the model without blocking the event loop, and listen while it speaks; see ``stream``."""
        recorder, model = self._begun(session, is_streamed=True)
        if (kept := recorder.kept()) is not None:
            yield kept
            return
        with recorder:
            with recorder.asking:
                pieces = astream_of(answering(model), session)
            async with aclosing(pieces):
                while (piece := await recorder.anext_of(pieces)) is not None:
                    yield piece
            message = recorder.spoken()
        yield message

    @abstractmethod
    def _send(self, session: Session) -> Reply | Message | str:
        """Answer the session."""

    async def _asend(self, session: Session) -> Reply | Message | str:
        """Answer the session without blocking the event loop; by default ``_send`` in a thread."""
        return await in_thread(self._send, session)

    def _stream(self, session: Session) -> Generator[Piece]:
        """Answer the session piece by piece: texts, and at last a ``Reply`` where there is more to say than text.

        A model that asks another one may pass on what that one's ``stream`` yields.

        Without this method the whole answer of ``_send`` is one piece.
        """
        yield self._send(session)

    async def _astream(self, session: Session) -> AsyncGenerator[Piece]:
        """Answer the session piece by piece without blocking the event loop; by default ``_asend``'s answer in one."""
        yield await answer_of(self, session)

    def _begun(self, session: Session, *, is_streamed: bool = False) -> tuple[CallRecorder, Model]:
        """The record of a call that begins, and the model that is asked in the end."""
        recorder = CallRecorder(self, session, is_streamed=is_streamed)
        if not (_choosing or _altering):
            return recorder, self
        choice = Choice(self, recorder.chosen_by, recorder.caller, session, self, recorder.is_in_place)
        for replacement in (*_choosing, *_altering):
            choice = replacement(choice)
        if choice.model is not self:
            recorder.let_answer(choice.model, choice.chosen_by)
        return recorder, choice.model

    def with_all_within(self) -> list[Model]:
        """The model and those that it keeps to ask them, those that they keep, and so on: the first of forks, once."""
        found: dict[int, Model] = {id(self.origin): self.origin}
        waiting: list[Model] = [self]
        while waiting:
            for one in models_within(waiting.pop(0)):
                if id(one.origin) not in found:
                    found[id(one.origin)] = one.origin
                    waiting.append(one)
        return list(found.values())

    def _recorded(self, call: ModelCall) -> None:  # noqa: B027  # optional to override
        """Take note of a call of this model, after it was made; by default nothing is done."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """An isolated copy: see ``antiphon.copies``."""
        return isolated(self)

    def __isolate__(self, copier: Copier) -> Self:
        """A fork: attributes are copied, those named in ``shared`` and those that cannot be copied are shared."""
        fork = copier.copy_attributes(self, {*self.shared, "_origin"})
        object.__setattr__(fork, "_origin", self.origin)
        return fork


class Choice(NamedTuple):
    """Which model is about to be asked.

    Attributes:
        model: The model.
        chosen_by: Whose choice it is, as in ``ModelCall``.
        caller: Who asks.
        session: What the model is to answer.
        asked: The model that the program asks, whatever was put in its place.
        is_in_place: Whether it is asked by a model that was put in place of another.
    """

    model: Model
    chosen_by: ChosenBy
    caller: Caller
    session: Session
    asked: Model
    is_in_place: bool = False


Replacement: TypeAlias = Callable[[Choice], Choice]

_choosing: list[Replacement] = []
_altering: list[Replacement] = []


def replacing(replacement: Replacement, *, altering: bool = False) -> AbstractContextManager[None]:
    """Let a function say which model is asked, for the length of a block, in every thread and task.

    It is told of every call: of templates, of code beside them, and of models that ask others while they answer.

    Args:
        replacement: Given the choice as it stands, returns it or another; later ones see what earlier ones chose.
        altering: Whether it alters what the chosen model says: then it comes after all that choose one.
    """
    return registered(_altering if altering else _choosing, replacement)


def models_within(model: Model) -> list[Model]:
    """The models that a model keeps to ask them while it answers: in its attributes, or in lists or mappings there."""
    return [found for value in vars(model).values() for found in _models_in(value) if found.origin is not model.origin]


def _models_in(value: object) -> Iterator[Model]:
    if isinstance(value, Model):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (one for one in value if isinstance(one, Model))
    elif isinstance(value, Mapping):
        yield from (one for one in value.values() if isinstance(one, Model))


StandIn: TypeAlias = Callable[[Model], Answering | None]

_stand_ins: list[StandIn] = []


def standing_in(stand_in: StandIn) -> AbstractContextManager[None]:
    """Let something else answer for models, for the length of a block, in every thread and task.

    In traces it is the model that was asked and has answered.

    Args:
        stand_in: Given a model that is about to answer, returns what answers for it; ``None`` for the model itself.
    """
    return registered(_stand_ins, stand_in)


def answering(model: Model) -> Answering:
    """What answers for a model; a model that hands its questions on to another one asks this in its place."""
    for stand_in in tuple(_stand_ins):
        found = stand_in(model)
        if found is not None:
            return found
    return model


def answer_of(model: Answering, session: Session) -> Awaitable[Reply | Message | str]:
    """The answer to wait for, as ``_asend`` gives it; every call of ``_asend`` is made here.

    Raises:
        InvalidType: It gives nothing to await.
    """
    answer = model._asend(session)
    if isawaitable(answer):
        return answer
    raise _misread(model, "_asend", answer, "something to await (async def)")


def stream_of(model: Answering, session: Session) -> Generator[Piece]:
    """The pieces of an answer, as ``_stream`` gives them; every call of ``_stream`` is made here.

    Raises:
        InvalidType: It gives no generator.
    """
    pieces = model._stream(session)
    if hasattr(pieces, "__next__") and hasattr(pieces, "close"):
        return pieces
    raise _misread(model, "_stream", pieces, "a generator (def, with yield in it)")


def astream_of(model: Answering, session: Session) -> AsyncGenerator[Piece]:
    """The pieces of an answer, as ``_astream`` gives them; every call of ``_astream`` is made here.

    Raises:
        InvalidType: It gives no async generator.
    """
    pieces = model._astream(session)
    if hasattr(pieces, "__anext__") and hasattr(pieces, "aclose"):
        return pieces
    raise _misread(model, "_astream", pieces, "an async generator (async def, with yield in it)")


def _misread(model: Answering, method: str, given: object, expected: str) -> InvalidType:
    if iscoroutine(given):
        given.close()  # nobody awaits it
    return InvalidType(f"{type(model).__name__}.{method} must give {expected}, not {shown(given)}")
