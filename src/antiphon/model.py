"""Models: whatever answers a session with one message."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextvars import Token
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

from pydantic import BaseModel, ConfigDict, Field

from antiphon.calls import CURRENT_CALLER, Caller, ChosenBy, ModelCall
from antiphon.copies import Copier, isolated
from antiphon.errors import InvalidType, InvalidValue
from antiphon.messages import Message, Reply
from antiphon.observers import LISTENERS, tell
from antiphon.session import Session
from antiphon.threads import in_thread


class ModelSettings(BaseModel):
    """How a model is to answer; what a setting is left out is left to the provider.

    Settings not named here are kept as they are given and passed on.

    Attributes:
        temperature: Randomness, 0 or more.
        max_tokens: The longest answer, in tokens, 1 or more.
        top_p: Nucleus sampling, above 0 and up to 1.
        seed: For answers that repeat, where the provider can do that.
        stop: Texts at which the answer ends.
    """

    model_config = ConfigDict(extra="allow", validate_assignment=True)

    temperature: float | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: list[str] | None = None


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
    """

    shared: ClassVar[frozenset[str]] = frozenset()
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

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("send", "asend"):
            if name in cls.__dict__:
                raise InvalidType(
                    f"{cls.__name__} overrides {name}(), which records the call; override _{name}() instead"
                )

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
        with _Calling(self, session) as calling:
            return calling.answered(self._send(session))

    @final
    async def asend(self, session: Session) -> Message:
        """Ask the model without blocking the event loop; the rest is as with ``send``."""
        with _Calling(self, session) as calling:
            return calling.answered(await self._asend(session))

    @abstractmethod
    def _send(self, session: Session) -> Reply | Message | str:
        """Answer the session."""

    async def _asend(self, session: Session) -> Reply | Message | str:
        """Answer the session without blocking the event loop; by default ``_send`` in a thread."""
        return await in_thread(self._send, session)

    def _recorded(self, call: ModelCall) -> None:  # noqa: B027  # subclasses may care, and need not
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


class _Calling:
    """One call of a model, from just before it is asked until it is recorded."""

    _chosen_by: ChosenBy
    __slots__ = ("_caller", "_chosen_by", "_model", "_picture", "_reply", "_session", "_started", "_token")

    def __init__(self, model: Model, session: Session) -> None:
        if not isinstance(session, Session):
            raise InvalidType(f"model {model.name!r} answers a Session, not {type(session).__name__}: {session!r}")
        if not session.messages:
            raise InvalidValue(f"model {model.name!r} was given an empty session: there is nothing to answer")
        self._model = model
        self._session = session
        self._reply: Reply | None = None

    def __enter__(self) -> Self:
        run = self._session.run
        self._chosen_by = run.chooser_of(self._model)
        template_id = "" if self._chosen_by == "direct" else run.template_key
        self._caller = Caller(run.path, template_id, self._model.name)
        self._picture = self._session.picture()
        self._token: Token[Caller | None] = CURRENT_CALLER.set(self._caller)
        self._started = perf_counter()
        return self

    def answered(self, answer: Reply | Message | str) -> Message:
        """Take the model's answer; returns it as a message."""
        if isinstance(answer, str):
            answer = Reply(answer)
        if isinstance(answer, Reply):
            self._reply = answer
            return Message(
                role="assistant",
                content=answer.content,
                tool_calls=answer.tool_calls,
                template_path=self._caller.template_path,
                model=self._caller.model,
            )
        if isinstance(answer, Message):
            self._reply = Reply(answer.content, tool_calls=answer.tool_calls)
            return answer.model_copy(update={"template_path": self._caller.template_path, "model": self._caller.model})
        raise InvalidType(
            f"model {self._model.name!r} answered with {type(answer).__name__}: {answer!r}; "
            f"{type(self._model).__name__}._send must return a Reply, a Message or text"
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        seconds = perf_counter() - self._started
        CURRENT_CALLER.reset(self._token)
        reply = self._reply
        call = ModelCall(
            template_id=self._caller.template_id,
            template_path=self._caller.template_path,
            model=self._caller.model,
            served_by=None if reply is None else reply.served_by,
            chosen_by=self._chosen_by,
            messages=self._picture,
            reply=reply,
            error=error,
            usage=None if reply is None else reply.usage,
            seconds=seconds,
            depth=self._session.run.depth,
            origin=self._model.origin,
        )
        self._session.trace.calls.append(call)
        self._model._recorded(call)  # of its own kind
        if LISTENERS.model_call:
            tell(LISTENERS.model_call, call)
