"""Plays a conversation from its beginning with the answers that it had, and keeps those that come after them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from antiphon.errors import InvalidValue, TreeChanged, naming_template
from antiphon.events import Event
from antiphon.history import History
from antiphon.json_values import as_json
from antiphon.messages import Message
from antiphon.progress import KeptCall, KeptError, Performed, Progress, Waiting, digest_of, digest_of_metadata, excerpt
from antiphon.trace import ModelCall, ToolRun, Trace
from antiphon.waiting import UserNeeded


class Place(Protocol):
    """Where in a run something is asked for: the run."""

    trace: Trace
    path: str | None
    depth: int

    @property
    def template_key(self) -> str:
        """The id of the template that asks, or its path without iterations."""
        ...


class Counting(Protocol):
    """A run: how many messages it has added."""

    added: int


class Root(Protocol):
    """The outermost session of a run."""

    metadata: dict[str, Any]

    @property
    def history(self) -> History:
        """Its messages."""
        ...

    @property
    def run(self) -> Counting:
        """The whole run."""
        ...


class Running(Protocol):
    """A run, or a part of it."""

    @property
    def root(self) -> Root:
        """Its outermost session."""
        ...


class Snapshot(NamedTuple):
    """The outermost session as it was when the user was needed.

    Attributes:
        messages: Its messages.
        metadata: Its metadata.
        added: How many messages its run had added, those of subroutines included.
    """

    messages: History
    metadata: dict[str, Any]
    added: int


class Playback:
    """The answers of a conversation that is held once more: those it had, and then new ones.

    Answers are found by the path of the template that asks, in the order in which it asked: what runs at the same time
    may come in any order.

    Args:
        progress: How far the conversation had come.
        answer: What the user says to what it waits for; ``None`` for nothing.
        before: The messages as they were left.
        asks: Whether the user interface is asked where there is no answer.

    Attributes:
        was: How far the conversation had come.
        asks: Whether the user interface is asked where there is no answer.
        is_new: Whether what is said now was not said in an earlier turn.
        answered: What has answered that for which the conversation waited; ``None`` as long as nothing has.
        waiting: What the user is needed for; ``None`` as long as nobody is.
        said_in: How many messages each part that runs beside others has said, by the path where it begins.
        repeated: The calls of models and runs of tools that are in the trace once more.
        left: The outermost session as it was then.
    """

    def __init__(
        self, progress: Progress, answer: str | None, before: Sequence[Message], *, asks: bool = False
    ) -> None:
        self.was = progress
        self._answer = answer
        self._before = before
        self._pending: dict[str, deque[Performed]] = {}
        for done in progress.performed:
            self._pending.setdefault(done.path, deque()).append(done)
        self._performed: list[Performed] = []
        self._failed: dict[int, list[BaseException]] = {}
        self.answered = None if progress.answered is None else progress.performed[progress.answered]
        self._left_by: BaseException | None = None
        self._instructions = {_key(message) for message in progress.messages if message.role == "system"}
        self.asks = asks
        self.is_new = not progress.added if asks else progress.waiting is None
        self.waiting: Waiting | None = None
        self.said_in: Counter[str] = Counter()
        self.repeated: list[ModelCall | ToolRun] = []
        self.left: Snapshot | None = None

    @property
    def is_live(self) -> bool:
        """Whether what happens now has not happened before."""
        return self.is_new and not self._pending

    @property
    def has_performed(self) -> bool:
        """Whether something was performed that is to be kept."""
        return bool(self._performed)

    def has_pending(self, branch: str) -> bool:
        """Whether answers are left of templates below a path; ``""`` for all of them."""
        inside = f"{branch}/" if branch else ""
        return any(f"{path}/".startswith(inside) for path in self._pending)

    def waits_in(self, path: str) -> bool:
        """Whether what begins now at a path goes on with the question for which the conversation waited."""
        waiting = self.was.waiting
        if self.is_new or waiting is None or not waiting.path.startswith(f"{path}/"):
            return False
        pending = self._pending.get(waiting.path)
        return pending is None or pending[0] is self.answered

    def next_of(self, path: str, branch: str, found: Performed, sent: History | None = None) -> Performed | None:
        """The answer that an effect had; ``None`` where it is to be performed.

        Args:
            path: The path of the template that asks.
            branch: Where what runs beside other things begins; ``""`` where nothing does.
            found: The effect, without an answer.
            sent: The messages that a model is sent, where they are those of the outermost session.

        Raises:
            TreeChanged: Something else was asked for.
        """
        pending = self._pending.get(path)
        if pending is None:
            self._check_played(branch, found)
            if found.kind != "user":
                self._check_answered(branch, found)
            return None
        done = pending[0]
        is_same = done.kind == found.kind and (found.kind == "tool" or done.digest == found.digest)
        if not is_same:
            raise self.changed(done, found, sent)
        pending.popleft()
        if not pending:
            del self._pending[path]
        if done is self.answered:
            self.is_new = True
        return done

    def check_end(self) -> None:
        """Make sure that all answers were played, when the tree has come to its end.

        Raises:
            TreeChanged: The tree did not ask for one of them, or not for what it waited for.
        """
        self._check_played("", None)
        self._check_answered("", None)

    def _check_answered(self, branch: str, found: Performed | None) -> None:
        """Make sure that what the conversation waits for was asked before anything else is done, or it ends."""
        waiting = self.was.waiting
        if self.is_new or self.asks or waiting is None:
            return
        if not branch or f"{waiting.path}/".startswith(f"{branch}/"):
            raise self.changed(asked_of_user(waiting.path, waiting.description), found)

    def _check_played(self, branch: str, found: Performed | None) -> None:
        if not self._pending:
            return
        inside = f"{branch}/" if branch else ""
        pending = {
            id(done) for path, several in self._pending.items() if f"{path}/".startswith(inside) for done in several
        }
        first = next((done for done in self.was.performed if id(done) in pending), None)
        if first is not None:
            raise self.changed(first, found)

    def said_by_user(self, path: str, branch: str, found: Performed, default: str | None, root: History) -> str:
        """What the user says now.

        Raises:
            UserNeeded: Nothing was said yet.
            TreeChanged: That is not what the conversation waits for, or something else was said before it.
        """
        if not self.is_new:
            self._check_awaited(path, branch, found, root)
        if self._answer is None or (not self.is_new and not self._awaits(path, found)):
            raise UserNeeded(Waiting(path=path, description=found.asked or None, default=default))
        answer, self._answer = self._answer, None
        if default is not None and not answer.strip():
            answer = default
        self.is_new = True
        self.answered = found.model_copy(update={"answer": answer})
        self.keep(self.answered)
        return answer

    def _awaits(self, path: str, found: Performed) -> bool:
        waiting = self.was.waiting
        return waiting is not None and (waiting.path, waiting.description) == (path, found.asked or None)

    def _check_awaited(self, path: str, branch: str, found: Performed, root: History) -> None:
        if not self._awaits(path, found):
            self._check_answered(branch, found)
        elif root.digest() != self.was.said:
            raise self._said_otherwise(root, path)

    def keep(self, done: Performed, *errors: BaseException) -> None:
        """Keep an effect that was performed, with what it failed with."""
        self._performed.append(done)
        if errors:
            self._failed[id(done)] = list(errors)

    def call_again(
        self, done: Performed, place: Place, sent: Sequence[Message] = (), models: Sequence[Any] = ()
    ) -> None:
        """Put the calls of an effect into the trace once more."""
        for kept in done.calls:
            at = ModelCall(
                template_id=place.template_key,
                template_path=place.path,
                model=kept.model,
                served_by=None,
                chosen_by=kept.chosen_by,
                messages=sent,
                reply=None,
                error=None,
                usage=None,
                seconds=0,
                seconds_to_text=None,
                depth=place.depth,
                origin=None,
            )
            call = kept.made(at, done.message, models)
            place.trace.calls.append(call)
            self.repeated.append(call)

    def heard(self, added: int) -> None:
        """Take note of how many messages were added: where the interface is asked, later ones are new."""
        self.is_new = self.is_new or (self.asks and added >= self.was.added)

    def leave(self, waiting: Waiting, run: Running, error: BaseException) -> None:
        """Take note of what the user is needed for, and how everything is then."""
        messages = run.root.history
        messages.digest()
        self.waiting = waiting
        self.left = Snapshot(messages.copied(), dict(run.root.metadata), run.root.run.added)
        self._left_by = error

    def progress(self, waiting: Waiting | None, added: int = 0) -> Progress:
        """How far the conversation has come: to where it waits, or to where it was broken off.

        Args:
            waiting: What it waits for; ``None`` where it was broken off.
            added: How many messages it had added then, where the interface is asked.
        """
        was = self.was
        performed = (*was.performed, *self._performed)
        if waiting is None or self.left is None:
            answered = next((place for place, done in enumerate(performed) if done is self.answered), None)
            update = {"performed": performed, "is_broken_off": True, "answered": answered}
            asked = {"added": added, "waiting": None, "said_in": self._said_in()}
            return was.model_copy(update=update | asked if self.asks else update)
        return was.model_copy(
            update={
                "performed": performed,
                "waiting": waiting,
                "is_broken_off": False,
                "answered": None,
                "added": self.left.added,
                "said_in": self._said_in(),
                "said": self.left.messages.digest(),
                "known": digest_of_metadata(self.left.metadata),
            }
        )

    def _said_in(self) -> dict[str, int]:
        """How much each part has said, also one that this turn has not driven as far as an earlier one."""
        return dict(self.said_in | Counter(self.was.said_in))

    def forget(self, error: BaseException) -> None:
        """Forget the failures that an error comes from which has ended the run: these are tried again."""
        causes = {id(cause) for cause in _causes(error)}
        while (last := self._last_of(causes)) is not None:
            self._performed = [done for done in self._performed if done is not last]

    def is_left_by(self, error: BaseException) -> bool:
        """Whether the run has ended where the user interface was asked."""
        return any(cause is self._left_by for cause in _causes(error))

    def is_repeated(self, message: Message) -> bool:
        """Whether a system message was said in an earlier conversation, word for word, after which this one began."""
        return self.was.takes_back and message.role == "system" and _key(message) in self._instructions

    def _last_of(self, causes: set[int]) -> Performed | None:
        """The last effect of some template, where it failed with one of these."""
        seen: set[str] = set()
        for done in reversed(self._performed):
            if done.path not in seen and any(id(error) in causes for error in self._failed.get(id(done), ())):
                return done
            seen.add(done.path)
        return None

    def changed(self, expected: Performed, found: Performed | None, sent: History | None = None) -> TreeChanged:
        """The error for a tree that asks for something else than it did."""
        if found is not None and expected.kind == found.kind == "model" and expected.path == found.path:
            place = None if sent is None else _first_difference(self._before, sent)
            if sent is not None and place is not None and place < min(len(sent), len(self._before)):
                return self._said_otherwise(sent, found.path)
        path = expected.path if found is None else found.path
        return _tree_changed(_described(expected), "nothing more" if found is None else _described(found), path)

    def _said_otherwise(self, now: History, path: str) -> TreeChanged:
        place = _first_difference(self._before, now)
        if place is None:
            return _tree_changed("the messages that were said", "others", path)
        was, is_now = (
            _said(messages[place]) if place < len(messages) else "nothing" for messages in (self._before, now)
        )
        where = now[place].template_path if place < len(now) else path
        return _tree_changed(f"message {place}: {was}", is_now, where)


def _key(message: Message) -> tuple[str | None, str]:
    return message.template_path, message.content


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it comes from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _first_difference(before: Sequence[Message], now: History) -> int | None:
    was = History(before)
    for place in range(max(len(before), len(now))):
        if place >= len(now) or place >= len(before) or was[place : place + 1] != now[place : place + 1]:
            return place
    return None


_DEEDS = {"model": "a model is asked", "user": "the user is asked", "tool": "tools are run"}


def _described(effect: Performed) -> str:
    deed = _DEEDS.get(effect.kind, f"{effect.kind} is performed")
    link = ", after" if effect.kind == "model" else ":"
    return f"{deed} at {effect.path!r}{f'{link} {effect.asked!r}' if effect.asked else ''}"


def _said(message: Message) -> str:
    where = "" if message.template_path is None else f" at {message.template_path!r}"
    return f"{message.role} says {excerpt(message.content)!r}{where}"


def _tree_changed(expected: str, found: str, path: str | None) -> TreeChanged:
    return naming_template(
        TreeChanged(
            "the conversation cannot go on where it waited: its tree is driven again from the beginning, with the "
            "answers that it had, and does something else\n"
            f"  expected: {expected}\n"
            f"  found:    {found}\n"
            "  go on with the tree that began it, or begin anew after what was said: "
            "Session(messages=session.messages, metadata=session.metadata)\n"
            "  where the tree is the same, one of its conditions, transforms or texts does not do the same each time: "
            "a clock, random numbers and what is read from outside belong into a tool, or into the metadata",
            expected=expected,
            found=found,
            template_path=path,
        )
    )


class PartPlayback:
    """What runs in order in a conversation that is held once more: all of it, or a part that runs beside others.

    Args:
        whole: The answers of the conversation.
        branch: The path of the template that lets the part run beside others; ``""`` for all of it.

    Attributes:
        whole: The answers of the conversation.
        needed: What the user is needed for; ``None`` as long as nobody is.
        performed: How many effects were performed in it.
    """

    def __init__(self, whole: Playback, branch: str = "") -> None:
        self.whole = whole
        self.needed: UserNeeded | None = None
        self.performed = 0
        self._branch = branch
        self._is_begun = False
        self._is_performing = False
        self._is_leaving = False

    def beside(self, branch: str) -> PartPlayback:
        """That of a part that runs beside others."""
        return PartPlayback(self.whole, branch)

    @property
    def is_new(self) -> bool:
        """Whether what happens has not happened in an earlier turn."""
        whole, branch = self.whole, self._branch
        if whole.asks or not branch:
            return whole.is_new
        return whole.said_in[branch] >= whole.was.said_in.get(branch, 0)

    def says(self, step: object) -> bool:
        """Take note of a step of its script; returns whether it is one that an earlier turn has not yielded."""
        is_new = self.is_new or not isinstance(step, Message | Event)
        if self._branch and isinstance(step, Message):
            self.whole.said_in[self._branch] += 1
        return is_new

    @property
    def is_live(self) -> bool:
        """Whether what happens now has not happened before: it is new, and no answers are left."""
        return self.is_new and not self.whole.has_pending(self._branch)

    def has_run(self, path: str) -> bool:
        """Whether what begins at a path has run in an earlier turn, and does not wait."""
        return not (self.is_live or self.whole.waits_in(path))

    def begin(self) -> bool:
        """Take note that its script begins; returns whether it does for the first time, and not one within it."""
        is_first, self._is_begun = not self._is_begun, True
        return is_first

    @property
    def is_keeping(self) -> bool:
        """Whether what is asked for is kept: the run is not being left, and no effect of which it is a part goes on."""
        return not (self._is_performing or self._is_leaving)

    @property
    def is_performing(self) -> bool:
        """Whether an effect is performed, of which all that is asked for meanwhile is a part."""
        return self._is_performing

    @contextmanager
    def performing(self) -> Iterator[None]:
        """Perform an effect in a ``with``: calls of models are parts of it; what interrupts it leaves the run."""
        is_within, self._is_performing = self._is_performing, True
        self.performed += 1
        try:
            yield
        except Exception:
            raise
        except BaseException:
            self._is_leaving = True
            raise
        finally:
            self._is_performing = is_within

    def said_by_user(self, found: Performed, default: str | None, run: Running) -> str | None:
        """What the user has said, or says now; ``None`` where the user interface is to be asked.

        Raises:
            UserNeeded: Nothing was said yet.
            TreeChanged: That is not what the conversation waits for, or something else was said before it.
        """
        if self.needed is not None:
            raise self.needed
        done = self.next_of(found)
        if done is not None:
            if done.error is not None:
                raise done.error.made()
            return str(done.answer)
        if self.whole.asks:
            return None
        try:
            answer = self.whole.said_by_user(found.path, self._branch, found, default, run.root.history)
        except UserNeeded as needed:
            self.needed, self._is_leaving = needed, True
            if self.whole.left is None:
                self.whole.leave(needed.waiting, run, needed)
            raise
        self.performed += 1
        return answer

    def next_of(self, found: Performed, sent: History | None = None) -> Performed | None:
        """The answer that an effect had; ``None`` where it is to be performed: see ``Playback.next_of``."""
        return self.whole.next_of(found.path, self._branch, found, sent)

    @staticmethod
    def asked_of_model(path: str, messages: History) -> Performed:
        """The effect that asks a model."""
        last = messages[-1].content if messages else ""
        return Performed(kind="model", path=path, asked=excerpt(last), digest=messages.digest())

    def answer_again(
        self,
        found: Performed,
        place: Place,
        models: Callable[[], Sequence[Any]],
        sent: History,
        *,
        is_root: bool,
    ) -> Message | None:
        """What a model has answered, with its call in the trace; ``None`` where it is to be asked.

        Args:
            found: The effect, without an answer.
            place: Where it is asked for.
            models: Returns the model that would be asked, and those within it.
            sent: What it would be sent.
            is_root: Whether these are the messages of the outermost session.

        Raises:
            Exception: What it failed with.
            TreeChanged: Something else was asked for.
        """
        done = self.next_of(found, sent if is_root else None)
        if done is None:
            return None
        self.whole.call_again(done, place, sent.picture(), models())
        if done.error is not None:
            raise done.error.made()
        if done.message is None:
            raise InvalidValue(f"the progress of the session holds no answer of a model at {done.path!r}")
        return done.message.model_copy(deep=True)

    def keep_answer(
        self,
        found: Performed,
        message: Message | None,
        error: BaseException | None,
        calls: Sequence[ModelCall],
        sent: Sequence[Message],
        models: Sequence[Any],
    ) -> None:
        """Keep what a model has answered, or failed with.

        Raises:
            InvalidValue: The metadata of the answer or its calls hold what would not come back equal.
        """
        kept = tuple(KeptCall.of(call, message, sent, models) for call in calls)
        if error is not None:
            if isinstance(error, Exception):
                failed = found.model_copy(update={"error": KeptError.of(error), "calls": kept})
                self.whole.keep(failed, error)
            return
        if message is not None:
            where = f"the answer of {message.model!r} at {found.path!r}"
            as_json(message.metadata, f"the metadata of {where}")
            for call in message.tool_calls:
                as_json(call.arguments, f"the arguments of {call.name!r} in {where}")
            unchanged = message.model_copy(deep=True)  # whatever templates do to it
            self.whole.keep(found.model_copy(update={"message": unchanged, "calls": kept}))


def begun_with(
    progress: Progress | None, messages: History, metadata: dict[str, object], answer: str | None, *, is_over: bool
) -> tuple[Progress | None, str | None]:
    """Check that a conversation may go on with an answer.

    Returns:
        How far it has come, and the answer; ``None`` where it has that already. Where it was broken off after another
        answer, that one and all that was performed since are left out.

    Raises:
        InvalidValue: Nothing waits for an answer, or the session was changed while it waited.
    """
    is_waiting = progress is not None and progress.waiting is not None
    if not is_waiting and answer is not None:
        begins = "a conversation begins, or is tried again,"
        if is_over:
            begins = "its conversation has ended, and another one begins"
        raise InvalidValue(
            f"the session waits for no answer, and was given {excerpt(answer)!r}: {begins} by advance(session), "
            "and session.waiting_for says when it waits"
        )
    if progress is not None and progress.said:
        _check_unchanged(progress, messages, metadata)
    if progress is None or progress.waiting is None:
        return progress, None
    if progress.answered is None:
        return progress, answer
    default = progress.waiting.default
    given = default if answer is not None and default is not None and not answer.strip() else answer
    if given is None or given == progress.performed[progress.answered].answer:
        return progress, None
    before = {"performed": progress.performed[: progress.answered], "answered": None, "is_broken_off": False}
    return progress.model_copy(update=before), answer


def _check_unchanged(progress: Progress, messages: History, metadata: dict[str, object]) -> None:
    is_said, is_known = messages.digest() == progress.said, digest_of_metadata(metadata) == progress.known
    if is_said and is_known:
        return
    when = "since its last turn failed"
    if progress.waiting is not None:
        when = f"while it waited for {progress.waiting.description or 'You'!r}"
    raise InvalidValue(
        f"the {'metadata' if is_said else 'messages'} of the session were changed {when}, which would be lost: the "
        "conversation is driven again from its beginning. Put it into the session before the first advance(), or let a "
        "template or a transform do it"
    )


def asked_of_user(path: str, description: str | None) -> Performed:
    """The effect that asks the user."""
    return Performed(kind="user", path=path, asked=description or "", digest=digest_of(description))
