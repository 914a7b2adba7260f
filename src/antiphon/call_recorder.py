"""Records a call of a model: which template asked, what was sent, what came back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextvars import Token
from dataclasses import dataclass
from inspect import iscoroutine, iscoroutinefunction
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol, Self
from weakref import ref

from antiphon.errors import InvalidType, InvalidValue, shown
from antiphon.events import TextDelta
from antiphon.listeners import LISTENERS, Audience, tell
from antiphon.messages import Message, Reply, ToolCall, Usage, text_message, total_usage
from antiphon.session import Run, Session, run_at_work
from antiphon.trace import CURRENT_CALL, NOTHING_NOTED, CallDraft, Caller, CallUnderWay, ChosenBy, ModelCall

if TYPE_CHECKING:
    from antiphon.playback import PartPlayback


class Asked(Protocol):
    """What a call needs to know of its model.

    Attributes:
        recordable: Whether its calls are recorded as a whole.
    """

    recordable: ClassVar[bool]

    @property
    def name(self) -> str:
        """The name of the model."""
        ...

    @property
    def origin(self) -> object:
        """The model that it was first copied from."""
        ...

    def _recorded(self, call: ModelCall) -> None: ...

    def with_all_within(self) -> Sequence[object]:
        """The model, and those that it keeps."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ModelEntered:
    """A model is about to be asked: by a template, by other code, or by a model that asks it while it answers.

    The same object stands for the call until its ``ModelExited``.

    Attributes:
        model: The model that is to answer.
        caller: Who asks.
        session: What it is to answer.
        is_streamed: Whether it is listened to while it speaks.
        depth: How many subroutines deep; 0 outside of any.
    """

    model: Any
    caller: Caller
    session: Session
    is_streamed: bool
    depth: int


class ModelExited(NamedTuple):
    """A model has answered, or failed.

    Attributes:
        entered: What was told when it was asked.
        call: The call.
    """

    entered: ModelEntered
    call: ModelCall


class CallRecorder:
    """Records one call of a model; used in a ``with``, at whose end the call is recorded, whatever happened.

    The call is that of a template where one asks by an effect, where its code calls the model by itself, or where code
    does so that runs for it, such as a tool or a transform. What a model asks another one while it answers is a part
    of its call.

    Args:
        model: The model.
        session: What it is to answer.
        is_streamed: Whether it is listened to while it speaks.

    Attributes:
        chosen_by: Whose choice the model is.
        is_in_place: Whether the model, or one around it, was put in place of another.
        asking: Lets ``current_caller`` tell who is asking, in a ``with``, while the model is at work; who listens is
            told of that. Set where the call has begun.
        session: What it is to answer.

    Raises:
        InvalidType: That is no session, or the model's name is no text.
        InvalidValue: The session has no messages.
    """

    asking: Asking
    chosen_by: ChosenBy
    is_in_place = False
    _final: Reply | Message | None = None
    _reply: Reply | str | None = None  # a text where there is no more to it
    _message: Message | None = None
    _by: ModelCall | None = None
    _text_after: float | None = None
    _outer: CallRecorder | None = None
    _entered: ModelEntered | None = None
    _part: PartPlayback | None = None  # what keeps the call by itself
    _is_over = False

    def __init__(self, model: Asked, session: Session, *, is_streamed: bool = False) -> None:
        if not isinstance(session, Session):
            raise InvalidType(f"model {model.name!r} answers a Session, not {type(session).__name__}: {session!r}")
        if not session.messages:
            raise InvalidValue(f"model {model.name!r} was given an empty session: there is nothing to answer")
        self.session = session
        self._is_streamed = is_streamed
        self._asked = self._model = model
        self._heard: list[str] = []
        self._inner: list[tuple[ModelCall, Message | None]] = []
        self._run = session.run
        self._under_way = self._credited(model)

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self._under_way.caller

    def _credited(self, model: Asked) -> CallUnderWay:
        """Find out who asks, and whose choice the model is."""
        run = self._run
        chosen_by = run.chooser_of_asked(model)
        if chosen_by is None:
            outer = _recorder_of(CURRENT_CALL.get()) or _keeping(run.calls, model)
            if outer is not None:
                self._outer, self._run, self.chosen_by, self.is_in_place = outer, outer._run, "model", outer.is_in_place
                asking = outer._under_way
                return CallUnderWay(asking.template_path, asking.template_id, _name_of(model), ref(self))
            run = self._run = _rendering(run)
            chosen_by = run.chooser_of(model)
        self.chosen_by = chosen_by
        self._part = run.part_playback
        return CallUnderWay(run.path, run.template_key, _name_of(model), ref(self))

    def _keeps(self, model: Asked) -> bool:
        """Whether the model that is asked keeps another one, which it may ask in a thread of its own."""
        _, *kept = self._asked.with_all_within()
        return any(one is model.origin for one in kept)

    def let_answer(self, model: Asked, chosen_by: ChosenBy) -> None:
        """Let another model answer: one that was put in place of the one that was asked, or stands in for it."""
        self._model = model
        if chosen_by == "override":
            self._asked, self.is_in_place = model, True
        self.chosen_by = chosen_by
        self._under_way.model = _name_of(model)

    def kept(self) -> Message | None:
        """What the model has answered in an earlier turn of the conversation; ``None`` where it is to be asked.

        That is a call of its own: what is asked for by an effect is kept with that.

        Raises:
            Exception: What it failed with.
        """
        part, run = self._part, self._run
        if part is None or not part.is_keeping:
            return None
        sent = self.session.history
        found = part.asked_of_model(run.path or "", sent)
        return part.answer_again(found, run, self._asked.with_all_within, sent, is_root=self.session is run.root)

    def __enter__(self) -> Self:
        self._picture = self.session.history.picture()
        self._beside = beside = self.session.run.calls
        beside.append(self._under_way)
        self._audience = audience = LISTENERS.now
        self._started = perf_counter()
        if audience.follows_models:
            entered = ModelEntered(self._model, self.caller, self.session, self._is_streamed, self._run.depth)
            self._entered = entered
            try:
                tell(audience.model_enter, entered)
            except BaseException as error:
                self.__exit__(type(error), error, error.__traceback__)  # the others hear pairs
                raise
        self.asking = Asking(self._under_way, self._entered, audience)
        return self

    def answered(self, answer: object) -> Message:
        """Take the model's answer; returns it as a message.

        Raises:
            InvalidType: The answer is no ``Reply``, ``Message`` or text.
        """
        if not isinstance(answer, str | Reply | Message):
            raise self._refused(answer)
        by = self._answered_by(answer) if self._inner else None
        path, model = self._under_way.template_path, self._name_of(by)
        if isinstance(answer, str):
            self._reply = answer
            self._message = text_message("assistant", answer, path, model)
        elif isinstance(answer, Reply):
            self._reply = answer
            beside = {name: getattr(answer, name) for name in answer.model_fields_set & _BESIDE_TEXT}
            content = answer.content or answer.refusal or ""
            self._message = Message(role="assistant", content=content, template_path=path, model=model, **beside)
        else:
            self._reply = Reply(
                answer.content,
                tool_calls=answer.tool_calls,
                finish_reason=answer.finish_reason,
                thinking=answer.thinking,
                refusal=answer.refusal,
                provider_data=answer.provider_data,
                attachments=answer.attachments,
            )
            self._message = answer.model_copy(update={"template_path": path, "model": model})
        self._by = by
        return self._message

    def _answered_by(self, answer: Reply | Message | str) -> ModelCall | None:
        """The inner call that gave the answer; ``None`` where the model gave it itself."""
        if self._model.recordable:
            return None
        answered = [(call, message) for call, message in self._inner if message is not None]
        passed_on = [call for call, message in answered if message is answer]
        passed_on = passed_on or [call for call, message in answered if _said(message) == _said(answer)]
        if passed_on:
            return passed_on[-1]
        models = {id(call.origin) for call, _ in answered}
        return answered[-1][0] if len(models) == 1 else None

    def _name_of(self, by: ModelCall | None) -> str:
        """The name of the model that answered, by the call that gave the answer; ``None`` where none within it did."""
        return by.model if by is not None else self._under_way.answered_by or self._under_way.model

    def _refused(self, answer: object) -> InvalidType:
        kind = type(self._model).__name__
        expected = f"{kind} must answer with a Reply, a Message or text"
        if iscoroutine(answer):
            answer.close()  # nobody awaits it
            if iscoroutinefunction(getattr(self._model, "_send", None)):
                expected = f"call async def _send of {kind} _asend; _send answers where there is no event loop"
            else:
                expected += ": await the coroutine"
        return InvalidType(f"model {self._model.name!r} answered with {type(answer).__name__}: {answer!r}; {expected}")

    def next_of(self, pieces: Iterator[object]) -> TextDelta | None:
        """The next piece of text; ``None`` when the model has spoken."""
        with self.asking:
            for piece in pieces:
                delta = self._delta(piece)
                if delta is not None:
                    return delta
        return None

    async def anext_of(self, pieces: AsyncIterator[object]) -> TextDelta | None:
        """The next piece of text; ``None`` when the model has spoken."""
        with self.asking:
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
        if isinstance(piece, TextDelta):  # of another model's stream, passed on as it comes
            piece = piece.text
        if isinstance(piece, str):
            text = piece
        elif isinstance(piece, Reply | Message):
            self._final = piece
            text = "" if self._heard else piece.content
        else:
            raise self._refused(piece)
        if not text:
            return None
        if self._text_after is None:
            self._text_after = perf_counter() - self._started
        self._heard.append(text)
        return TextDelta(text, self._under_way.template_path)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._is_over = True
        self._under_way.recorder = None
        self._beside.remove(self._under_way)
        call = self._made(error, perf_counter() - self._started)
        outer = None if self._outer is None or self._outer._is_over else self._outer  # who went on without it
        if outer is None:
            self._run.trace.calls.append(call)
        else:
            outer._inner.append((call, self._message))
        own = self.session.run
        if own is not self._run and own.trace is not self._run.trace:
            own.trace.calls.append(call)
        self._model._recorded(call)
        now = LISTENERS.now
        try:
            if self._entered is not None:
                tell(now.since(self._audience).model_exit, ModelExited(self._entered, call))
        finally:
            try:
                if now.model_call and outer is None:
                    tell(now.model_call, call)
            finally:  # what cannot be kept was asked all the same
                if self._part is not None and self._part.is_keeping:
                    self._keep(self._part, call, error)

    def _keep(self, part: PartPlayback, call: ModelCall, error: BaseException | None) -> None:
        """Keep a call of its own for when the conversation goes on."""
        found = part.asked_of_model(self._run.path or "", self.session.history)
        part.keep_answer(found, self._message, error, [call], self._picture, self._asked.with_all_within())

    def _made(self, error: BaseException | None, seconds: float) -> ModelCall:
        """The call, as it was."""
        reply, by = self._reply, self._by
        if reply is None and self._heard:
            reply = "".join(self._heard)
        inner: tuple[ModelCall, ...] = ()
        under_way = self._under_way
        waited = under_way.waited
        usage, served_by = (reply.usage, reply.served_by) if isinstance(reply, Reply) else (None, None)
        if self._inner:
            inner = tuple([call for call, _ in self._inner])
            waited += sum([call.waited for call in inner])
            usage = usage or total_usage(call.usage for call in inner if call.usage is not None)
            if error is not None and not self._model.recordable:
                by = next((call for call in inner if call.error is error), None)
        call: Any = CallDraft()
        call.template_id, call.template_path = under_way.template_id, under_way.template_path
        call.model = self._name_of(by)
        call.served_by = by.served_by if by is not None and served_by is None else served_by
        call.chosen_by = "override" if by is not None and by.chosen_by == "override" else self.chosen_by
        call.messages, call.reply = self._picture, reply
        call.error, call.usage = error, usage
        call.seconds, call.seconds_to_text, call.waited = seconds, self._text_after, waited
        call.depth = self._run.depth
        call.origin, call.asked = self._model.origin if by is None else by.origin, self._asked.origin
        call.inner, call.notes = inner, under_way.notes or NOTHING_NOTED
        made: ModelCall = call.ended()
        return made


class Asking:
    """Lets ``current_caller`` tell who is asking, for the length of a ``with``."""

    __slots__ = ("_audience", "_call", "_entered", "_token")

    def __init__(self, call: CallUnderWay, entered: ModelEntered | None, audience: Audience) -> None:
        self._call = call
        self._entered = entered
        self._audience = audience

    def __enter__(self) -> None:
        self._token: Token[CallUnderWay | None] = CURRENT_CALL.set(self._call)
        if self._audience.model_resume:
            try:
                tell(LISTENERS.now.since(self._audience).model_resume, self._entered)
            except BaseException:
                self.__exit__(None, None, None)
                raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if self._audience.model_suspend:
                tell(LISTENERS.now.since(self._audience).model_suspend, self._entered)
        finally:
            CURRENT_CALL.reset(self._token)


_BESIDE_TEXT: Final = frozenset({"tool_calls", "thinking", "refusal", "finish_reason", "provider_data", "attachments"})
"""What a message takes from a reply, beside its text: most replies have none of it."""


def _name_of(model: Asked) -> str:
    name: object = model.name
    if isinstance(name, str):
        return name
    raise InvalidType(f"the name of a model is a text, and {type(model).__name__}.name is {shown(name)}")


def _recorder_of(call: CallUnderWay | None) -> CallRecorder | None:
    """What records a call; ``None`` where there is none, or where it has ended."""
    recorder = None if call is None or call.recorder is None else call.recorder()
    return recorder if isinstance(recorder, CallRecorder) else None


def _keeping(calls: list[CallUnderWay], model: Asked) -> CallRecorder | None:
    """What records the call that began last of those whose models keep another one: of nested ones the innermost."""
    recorders = map(_recorder_of, reversed(calls))
    return next((one for one in recorders if one is not None and one._keeps(model)), None)


def calls_within() -> tuple[ModelCall, ...]:
    """The calls that have ended so far within the one under way in this thread or task, without those around it."""
    call = _recorder_of(CURRENT_CALL.get())
    return () if call is None else tuple([inner for inner, _ in call._inner])


def used_within() -> Usage | None:
    """What the calls have used that have ended within those under way in this thread or task.

    They are told of with the call that they are a part of, when that ends.
    """
    call, usages = _recorder_of(CURRENT_CALL.get()), []
    while call is not None:
        usages += [inner.usage for inner, _ in call._inner if inner.usage is not None]
        call = call._outer
    return total_usage(usages)


def _rendering(run: Run) -> Run:
    """The run that code works for which asks in a session of another run: its own, or that of the template around."""
    around = run_at_work() if run.path is None else None
    return run if around is None else around


def _said(answer: Reply | Message | str) -> tuple[str, tuple[ToolCall, ...]]:
    return (answer, ()) if isinstance(answer, str) else (answer.content, answer.tool_calls)
