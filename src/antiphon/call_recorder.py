"""Records a call of a model: which template asked, what was sent, what came back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextvars import Token
from time import perf_counter
from types import TracebackType
from typing import Protocol, Self

from antiphon.errors import InvalidType, InvalidValue
from antiphon.events import TextDelta
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message, Reply
from antiphon.session import Session
from antiphon.trace import CURRENT_CALLER, Caller, ChosenBy, ModelCall


class Asked(Protocol):
    """What a call needs to know of its model."""

    @property
    def name(self) -> str:
        """The name of the model."""
        ...

    @property
    def origin(self) -> object:
        """The model that it was first copied from."""
        ...

    def _recorded(self, call: ModelCall) -> None: ...


class CallRecorder:
    """Records one call of a model; used in a ``with``, at whose end the call is recorded, whatever happened.

    Args:
        model: The model.
        session: What it is to answer.

    Raises:
        InvalidType: That is no session.
        InvalidValue: The session has no messages.
    """

    __slots__ = (
        *("_caller", "_chosen_by", "_heard", "_model", "_picture", "_reply", "_session", "_started"),
        *("_final", "_text_after"),
    )

    _chosen_by: ChosenBy

    def __init__(self, model: Asked, session: Session) -> None:
        if not isinstance(session, Session):
            raise InvalidType(f"model {model.name!r} answers a Session, not {type(session).__name__}: {session!r}")
        if not session.messages:
            raise InvalidValue(f"model {model.name!r} was given an empty session: there is nothing to answer")
        self._model = model
        self._session = session
        self._reply: Reply | None = None
        self._final: Reply | Message | None = None
        self._heard: list[str] = []
        self._text_after: float | None = None

    def __enter__(self) -> Self:
        run = self._session.run
        self._chosen_by = run.chooser_of(self._model)
        template_id = "" if self._chosen_by == "direct" else run.template_key
        self._caller = Caller(run.path, template_id, self._model.name)
        self._picture = self._session.picture()
        self._started = perf_counter()
        return self

    def asking(self) -> _Asking:
        """Let ``current_caller`` tell who is asking, while the model is at work."""
        return _Asking(self._caller)

    def answered(self, answer: object) -> Message:
        """Take the model's answer; returns it as a message.

        Raises:
            InvalidType: The answer is no ``Reply``, ``Message`` or text.
        """
        if isinstance(answer, str):
            answer = Reply(answer)
        if isinstance(answer, Reply):
            self._reply = answer
            return Message(
                role="assistant",
                content=answer.content or answer.refusal or "",
                tool_calls=answer.tool_calls,
                template_path=self._caller.template_path,
                model=self._caller.model,
                thinking=answer.thinking,
                refusal=answer.refusal,
                finish_reason=answer.finish_reason,
                provider_data=answer.provider_data,
                attachments=answer.attachments,
            )
        if isinstance(answer, Message):
            self._reply = Reply(
                answer.content,
                tool_calls=answer.tool_calls,
                finish_reason=answer.finish_reason,
                thinking=answer.thinking,
                refusal=answer.refusal,
                provider_data=answer.provider_data,
                attachments=answer.attachments,
            )
            return answer.model_copy(update={"template_path": self._caller.template_path, "model": self._caller.model})
        raise self._refused(answer)

    def _refused(self, answer: object) -> InvalidType:
        return InvalidType(
            f"model {self._model.name!r} answered with {type(answer).__name__}: {answer!r}; "
            f"{type(self._model).__name__} must answer with a Reply, a Message or text"
        )

    def next_of(self, pieces: Iterator[object]) -> TextDelta | None:
        """The next piece of text; ``None`` when the model has spoken."""
        with self.asking():
            for piece in pieces:
                delta = self._delta(piece)
                if delta is not None:
                    return delta
        return None

    async def anext_of(self, pieces: AsyncIterator[object]) -> TextDelta | None:
        """The next piece of text; ``None`` when the model has spoken."""
        with self.asking():
            async for piece in pieces:
                delta = self._delta(piece)
                if delta is not None:
                    return delta
        return None

    def spoken(self) -> Message:
        """The whole answer, when the model has spoken."""
        text = "".join(self._heard)
        final = self._final
        if final is None or isinstance(final, Message) or final.content:
            return self.answered(text if final is None else final)
        return self.answered(final.model_copy(update={"content": text}))

    def _delta(self, piece: object) -> TextDelta | None:
        if isinstance(piece, Reply | Message):
            self._final = piece
            text = "" if self._heard else piece.content
        elif isinstance(piece, str):
            text = piece
        else:
            raise self._refused(piece)
        if not text:
            return None
        if self._text_after is None:
            self._text_after = perf_counter() - self._started
        self._heard.append(text)
        return TextDelta(text, self._caller.template_path)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        seconds = perf_counter() - self._started
        reply = self._reply
        if reply is None and self._heard:
            reply = Reply("".join(self._heard))
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
            seconds_to_text=self._text_after,
            depth=self._session.run.depth,
            origin=self._model.origin,
        )
        self._session.trace.calls.append(call)
        self._model._recorded(call)
        listening = LISTENERS.now.model_call
        if listening:
            tell(listening, call)


class _Asking:
    """Lets ``current_caller`` tell who is asking, for the length of a ``with``."""

    __slots__ = ("_caller", "_token")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __enter__(self) -> None:
        self._token: Token[Caller | None] = CURRENT_CALLER.set(self._caller)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        CURRENT_CALLER.reset(self._token)
