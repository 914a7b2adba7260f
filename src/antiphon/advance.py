"""Conversations that are held by turns: a tree is driven again from its beginning, with the answers that it had."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeAlias

from pydantic import BaseModel

from antiphon.copies import isolated
from antiphon.effects import AskModel, AskUser, Effect, Pause, RunTools, ToolJob
from antiphon.errors import InvalidType, InvalidValue, TreeChanged, naming_template, shown
from antiphon.history import History
from antiphon.json_values import as_json, as_text, from_json
from antiphon.messages import Message
from antiphon.playback import PartPlayback, Playback, asked_of_user, begun_with
from antiphon.progress import (
    KeptCall,
    KeptChange,
    KeptError,
    KeptTool,
    Performed,
    Progress,
    Waiting,
    digest_of,
    digest_of_metadata,
    excerpt,
)
from antiphon.session import Run, Session, begun
from antiphon.tools import Farewell
from antiphon.trace import ModelCall, Trace
from antiphon.waiting import UserNeeded

_Steps: TypeAlias = Generator[Any, Any, Session]
_Effects: TypeAlias = Generator[Effect, Any, Any]


def played(script: _Steps, run: Run, part: PartPlayback) -> _Steps:
    """A script whose effects are answered by what they were answered before; yields what is new."""
    is_outermost = part.begin()
    resume: Callable[[Any], Any] = script.send
    value: Any = None
    try:
        while True:
            try:
                step = resume(value)
            except StopIteration as stop:
                session: Session = stop.value
                return session
            resume, value = script.send, None
            try:
                if isinstance(step, Effect):
                    value = yield from _performed(step, run, part)
                elif is_outermost and isinstance(step, Message) and part.whole.is_repeated(step):
                    _take_back(step, run)
                elif not is_outermost or part.says(step):
                    yield step
                elif isinstance(step, Message):
                    run.said(step)
                    part.whole.heard(run.root.run.added)
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001  # the script decides what becomes of it
                resume, value = script.throw, error
    finally:
        script.close()


def _take_back(message: Message, run: Run) -> None:
    """Take out of the conversation what was said before it."""
    run.said(message)
    if run.root.messages[-1] is message:
        run.root.messages.pop()


def _performed(effect: Effect, run: Run, part: PartPlayback) -> _Effects:
    """The answer of an effect: the one that it had, or that of its being performed, which is kept."""
    path = run.path or ""
    if isinstance(effect, AskUser):
        if not part.is_performing:
            return (yield from _said_by_user(effect, path, run, part))
        if not part.whole.asks:
            raise _cannot_wait(effect, path)
    if isinstance(effect, Pause) or not part.is_keeping:
        return (yield effect)
    if isinstance(effect, AskModel):
        return (yield from _answered_by_model(effect, path, run, part))
    if isinstance(effect, RunTools):
        return (yield from _tools_run(effect, path, run, part))
    return (yield from _answered(effect, path, run, part))


def _cannot_wait(effect: AskUser, path: str) -> InvalidValue:
    return naming_template(
        InvalidValue(
            f"the template at {path!r} asks the user for {effect.description or 'You'!r} within a tool, a model or an "
            "effect of the program's own, which cannot wait: it would run again in each turn. Make a tool of the "
            "template by Tool.from_template, or ask by advance() in a template that is no part of one"
        )
    )


def _said_by_user(effect: AskUser, path: str, run: Run, part: PartPlayback) -> Generator[Effect, Any, str]:
    found = asked_of_user(path, effect.description)
    answer: Any = part.said_by_user(found, effect.default, run)
    if answer is not None:
        return str(answer)
    waiting = Waiting(path=path, description=effect.description or None, default=effect.default)
    try:
        with part.performing():
            answer = yield effect
    except BaseException as error:
        part.whole.leave(waiting, run, error)
        if isinstance(error, Exception):
            part.whole.keep(found.model_copy(update={"error": KeptError.of(error)}), error)
        raise
    if isinstance(answer, str):
        part.whole.keep(found.model_copy(update={"answer": answer}))
    return answer  # type: ignore[no-any-return]  # what is no text is refused by who asked


def _answered_by_model(effect: AskModel, path: str, run: Run, part: PartPlayback) -> Generator[Effect, Any, Message]:
    model, session = effect.model, effect.session
    sent = session.history
    found = part.asked_of_model(path, sent)
    again = part.answer_again(found, run, model.with_all_within, sent, is_root=session is run.root)
    if again is not None:
        return again
    before, picture = len(run.trace.calls), sent.picture()
    try:
        with part.performing():
            message: Message = yield effect
    except Exception as error:
        part.keep_answer(found, None, error, _calls_since(before, run), picture, model.with_all_within())
        raise
    part.keep_answer(found, message, None, _calls_since(before, run), picture, model.with_all_within())
    return message


def _calls_since(before: int, run: Run) -> list[ModelCall]:
    """The calls of a template, and of those within it, since there were so many; others may run at the same time."""
    path, inside = run.path or "", f"{run.path}/" if run.path else ""
    since = run.trace.calls[before:]
    return [
        call for call in since if (call.template_path or "") == path or (call.template_path or "").startswith(inside)
    ]


def _answered(effect: Effect, path: str, run: Run, part: PartPlayback) -> _Effects:
    """The answer of an effect of the program's own."""
    asked = effect.asked()
    found = Performed(kind=type(effect).__qualname__, path=path, asked=excerpt(asked), digest=digest_of(asked))
    done = part.next_of(found)
    if done is not None:
        part.whole.call_again(done, run)
        _change_again(done, run.session, run)
        if done.error is not None:
            raise done.error.made()
        return from_json(done.answer)
    before, unchanged = len(run.trace.calls), _Unchanged(run.session, run)
    try:
        with part.performing():
            answer = yield effect
    except Exception as error:
        change = unchanged.change(effect, path)
        failed = {"error": KeptError.of(error), "calls": _kept_calls(before, run), "change": change}
        part.whole.keep(found.model_copy(update=failed), error)
        raise
    kept: dict[str, Any] = {"answer": _as_json(effect, answer, path), "calls": _kept_calls(before, run)}
    kept["change"] = unchanged.change(effect, path)
    part.whole.keep(found.model_copy(update=kept))
    return answer


def _kept_calls(before: int, run: Run) -> tuple[KeptCall, ...]:
    return tuple(_kept_call(call, run) for call in _calls_since(before, run))


def _kept_call(call: ModelCall, run: Run) -> KeptCall:
    kept = KeptCall.of(call, None, None)
    if call.template_path == run.path:
        return kept
    within = {"at": call.template_path, "template_id": call.template_id, "depth": call.depth}
    return kept.model_copy(update=within)


def _as_json(effect: Effect, value: object, path: str, what: str = "answer", *keys: object) -> Any:
    try:
        return as_json(value, f"the {what}", *keys)
    except InvalidValue as error:
        raise naming_template(
            InvalidValue(
                f"the effect {type(effect).__name__} at {path!r} was performed, and its {what} cannot be kept for when "
                f"the conversation goes on: {error}"
            )
        ) from error


class _Unchanged:
    """A session before an effect, which may change it: a tool may be given it.

    Args:
        session: The session.
        run: The run of the template that asks for the effect.
    """

    def __init__(self, session: Session, run: Run) -> None:
        self._session, self._run = session, run
        self._messages, self._added = len(session.messages), run.added
        self._metadata = {name: as_text(value) for name, value in session.metadata.items()}

    def change(self, effect: Effect, path: str) -> KeptChange | None:
        """What has changed since.

        Raises:
            InvalidValue: It holds what would not come back equal.
        """
        was, now = self._metadata, self._session.metadata
        set_to = {name: value for name, value in now.items() if name not in was or as_text(value) != was[name]}
        messages = self._session.messages[self._messages :]
        for message in messages:
            _as_json(effect, message.metadata, path, "messages' metadata")
        change = KeptChange(
            messages=_again(messages),
            added=self._run.added - self._added,
            metadata={
                name: _as_json(effect, value, path, "session's metadata", name) for name, value in set_to.items()
            },
            removed=tuple(name for name in was if name not in now),
        )
        return None if change == KeptChange() else change


def _change_again(done: Performed, session: Session, run: Run) -> None:
    """Change a session as an effect did that is not performed again."""
    change = done.change
    if change is None:
        return
    session.messages.extend(_again(change.messages))
    session.metadata.update(from_json(change.metadata))
    for name in change.removed:
        session.metadata.pop(name, None)
    for _ in range(change.added):
        run.count_message()


def _tools_run(effect: RunTools, path: str, run: Run, part: PartPlayback) -> Generator[Effect, Any, None]:
    """Run tools that were not run before; of those that were, take what came of it."""
    first = effect.tools[0].job
    found = Performed(kind="tool", path=path, asked=first.call.name)
    waiting = [one.job for one in effect.tools]
    while not first.is_done and (done := part.next_of(found)) is not None:
        for kept in done.tools:
            job = next((one for one in waiting if _identity(one) == kept.call), None)
            if job is None:
                raise part.whole.changed(done, found)
            waiting.remove(job)
            _restore(job, kept)
        part.whole.call_again(done, run)
        _change_again(done, effect.session, run)
    if first.is_done:
        return
    left = tuple(one for one in effect.tools if not one.job.is_done)
    before, unchanged = len(run.trace.calls), _Unchanged(effect.session, run)
    try:
        with part.performing():
            yield RunTools(effect.session, left)
    finally:
        jobs = [one.job for one in left if one.job.is_done]
        if jobs:
            names, kept_jobs = ", ".join(job.call.name for job in jobs), tuple(map(_kept, jobs))
            update: dict[str, Any] = {"asked": names, "tools": kept_jobs, "calls": _kept_calls(before, run)}
            errors = [job.error for job in jobs if job.error is not None]
            update["change"] = unchanged.change(effect, path)
            part.whole.keep(found.model_copy(update=update), *errors)


def _identity(job: ToolJob) -> str:
    return digest_of([job.call.id, job.call.name, job.call.arguments])


def _kept(job: ToolJob) -> KeptTool:
    return KeptTool(
        call=_identity(job),
        text=job.told(),
        seconds=job.seconds,
        attachments=job.attachments,
        error=None if job.error is None else KeptError.of(job.error),
        is_farewell=isinstance(job.result, Farewell),
    )


def _restore(job: ToolJob, kept: KeptTool) -> None:
    job.is_begun = job.is_done = job.is_told = job.is_kept = True
    job.text, job.seconds, job.attachments = kept.text, kept.seconds, kept.attachments
    if kept.error is not None:
        job.error = kept.error.made()
    elif kept.is_farewell:
        job.result = Farewell(job.text)


class Turn:
    """A turn of a conversation: to where the user is needed next, or to its end; used in a ``with``.

    Args:
        session: The session; it is in a run meanwhile, and holds afterwards what came of it.
        answer: What the user says to what the session waits for.
        asks: Whether the user interface is asked where there is no answer, so that the turn goes on to the end; where
            that is broken off, the session is left as it is then.

    Attributes:
        session: The session.
        is_due: Whether there is something to do: what waits for an answer, and has none, stays as it is.

    Raises:
        InvalidType: The answer is no text.
        InvalidValue: The session waits for no answer, was changed while it waited, or holds what cannot be saved. When
            entered: it is in a run, or has changed since.
    """

    def __init__(self, session: Session, answer: str | None = None, *, asks: bool = False) -> None:
        if answer is not None and not isinstance(answer, str):
            raise InvalidType(f"answer takes what the user says, as text, not {shown(answer)}")
        self.session = session
        self._was = session.progress
        self._looks = _looks(session)
        was, answer = begun_with(session.progress, session.history, session.metadata, answer, is_over=session.is_over)
        self.is_due = asks or was is None or was.waiting is None or was.is_broken_off or answer is not None
        self._playback = Playback(
            _beginning(session, takes_back=asks) if was is None else was, answer, session.messages, asks=asks
        )
        self._part_playback = PartPlayback(self._playback)
        self._run: Run | None = None

    def __enter__(self) -> Self:
        begun(self.session)
        if self.session.progress is not self._was or _looks(self.session) != self._looks:
            self.session.join(Run(self.session.trace))
            raise InvalidValue(
                "the session has changed since this turn was asked for, by another turn or by the program, and a turn "
                "begins with its first step: go through one turn to its end before the next one is asked for"
            )
        if self.session.progress is None:
            object.__setattr__(self.session, "_earlier", _copied(self.session.trace))
        return self

    def session_again(self) -> Session:
        """The session as it was in the beginning, for a runner to begin a run of."""
        again = self.session.model_copy()
        progress = self._playback.was
        values = {
            "messages": History(_again(progress.messages)),
            "metadata": from_json(progress.metadata),
            "progress": None,
            "is_over": False,
        }
        own = {name: vars(again)[name] for name in _own_fields(again)}
        vars(again).update({**isolated(own), **values})
        again.join(Run(_copied(getattr(self.session, "_earlier", Trace()))))
        return again

    def drive(self, run: Run) -> None:
        """Let a run of that session be answered by what was answered before."""
        run.part_playback = self._part_playback
        self._run = run

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        needed = error if isinstance(error, UserNeeded) else self._part_playback.needed
        is_waiting = needed is not None and (error is None or error is needed)
        if error is None or is_waiting:
            try:
                if not is_waiting:
                    self._playback.check_end()
                self._check_own_fields()
            except Exception as changed:
                self._break_off(changed)
                raise
        if needed is not None and is_waiting:
            self._wait(needed)
        elif error is None:
            self._end()
        else:
            self._break_off(error)
        return is_waiting

    def _check_own_fields(self) -> None:
        """Refuse what would be lost: a conversation goes on with its messages and metadata.

        Raises:
            InvalidValue: The turn has changed a field that a subclass of ``Session`` adds.
        """
        was, now = self.session, None if self._run is None else self._run.session
        if not isinstance(now, type(was)):
            return  # a transform has gone on in a session of another class
        before, after = _own_fields(was), _own_fields(now)
        changed = [
            name for name in before if before[name] != after.get(name) and vars(was)[name] != vars(now)[name]
        ]  # sets may be written in another order
        if changed:
            raise InvalidValue(
                f"the conversation has changed {', '.join(changed)} of {type(was).__name__}, which would be lost: "
                "advance() and hold() keep messages and metadata alone. Put it into session.metadata, which "
                "session.metadata_as() reads as a type"
            ) from None  # that the user is needed is no error

    def _wait(self, needed: UserNeeded) -> None:
        progress, left = self._playback.progress(needed.waiting), self._playback.left
        if left is not None:
            self._leave(left.messages, left.metadata, progress)

    def _end(self) -> None:
        if self._run is not None:
            self._leave(self._run.session.history, self._run.session.metadata, None)

    def _leave(self, messages: History, metadata: dict[str, Any], progress: Progress | None) -> None:
        session = self.session
        vars(session).update(messages=messages, metadata=metadata)
        session.__pydantic_fields_set__.update({"messages", "metadata"})
        session.progress = progress
        session.is_over = progress is None
        session.join(Run(session.trace if self._run is None else self._run.trace))

    def _break_off(self, error: BaseException) -> None:
        """Leave the session as it was, with what was performed."""
        playback, adopted = self._playback, self._adopted(error)
        playback.forget(error)
        if playback.asks and self._run is not None and not isinstance(error, TreeChanged):
            self._leave_as_it_is(self._run, error)
            return
        if playback.has_performed:
            self.session.progress = _left_as(playback.progress(None), self.session.history, self.session.metadata)
            self.session.is_over = False
        self.session.join(Run(adopted))

    def _leave_as_it_is(self, run: Run, error: BaseException) -> None:
        """Leave the session as it was when the user interface was asked, or else as it is now."""
        playback = self._playback
        is_at_user = playback.is_left_by(error)
        messages, metadata = run.root.history, run.root.metadata
        if is_at_user and playback.left is not None:
            messages, metadata = playback.left.messages, playback.left.metadata
        progress = playback.progress(playback.waiting if is_at_user else None, run.added)
        self._leave(messages, metadata, _left_as(progress, messages, metadata))

    def _adopted(self, error: BaseException) -> Trace:
        """The trace of the session where the turn is broken off: with what was called in it."""
        before = self.session.trace
        if self._run is None:
            return before
        now, playback = self._run.trace, self._playback
        if playback.is_live:
            return now
        if isinstance(error, TreeChanged) or not playback.has_performed:
            return before
        known = {id(one) for one in [*before.calls, *before.tools, *playback.repeated]}  # not all of it was repeated
        calls = [one for one in now.calls if id(one) not in known]
        return Trace([*before.calls, *calls], [*before.tools, *[one for one in now.tools if id(one) not in known]])


def _own_fields(session: Session) -> dict[str, str]:
    """The fields that a subclass of ``Session`` adds, as they are saved; those that are not saved are left out."""
    written: dict[str, str] = {}
    for name, field in type(session).model_fields.items():
        if name not in Session.model_fields and not field.exclude and name in vars(session):
            with suppress(ValueError):  # what cannot be saved is the program's own affair, as what is excluded
                written[name] = BaseModel.model_dump_json(session, include={name})
    return written


def _looks(session: Session) -> tuple[str, str]:
    """By what it is told whether a session has changed."""
    return session.history.digest(), digest_of_metadata(session.metadata)


def _left_as(progress: Progress, messages: History, metadata: dict[str, Any]) -> Progress:
    """The progress of a session that is left so; where it waits for its user, it says that already."""
    if progress.waiting is not None:
        return progress
    return progress.model_copy(update={"said": messages.digest(), "known": digest_of_metadata(metadata)})


def _beginning(session: Session, *, takes_back: bool) -> Progress:
    """The progress of a conversation that begins now.

    Raises:
        InvalidValue: Metadata hold what would not come back equal.
    """
    metadata = as_json(session.metadata, "session.metadata")
    for place, message in enumerate(session.messages):
        as_json(message.metadata, f"session.messages[{place}].metadata")
    return Progress(messages=_again(session.messages), metadata=metadata, takes_back=takes_back)


def _again(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages, sharing nothing that templates may change."""
    return tuple([message.model_copy(deep=True) for message in messages])


def _copied(trace: Trace) -> Trace:
    return Trace(trace.calls, trace.tools)
