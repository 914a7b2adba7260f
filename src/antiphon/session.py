"""Sessions and their runs: messages and metadata, and the state of what runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, Self, TypeVar
from weakref import ref

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from antiphon.deferring import built_when_used
from antiphon.errors import InvalidValue, MessageLimitExceeded, SavedByNewerVersion, naming_template
from antiphon.history import History, Picture, as_history
from antiphon.json_values import Kept, as_json, is_json
from antiphon.messages import Message
from antiphon.parameters import check_kind
from antiphon.request import ANY_TEXT, Request
from antiphon.threads import Signal, end_if_cancelled, signal
from antiphon.tool_signatures import GivenToTools
from antiphon.trace import CallUnderWay, ChosenBy, Trace
from antiphon.waiting import SavedProgress

if TYPE_CHECKING:
    from antiphon.playback import PartPlayback


class Identified(Protocol):
    """Something that may have an id: a template."""

    @property
    def template_id(self) -> str | None:
        """The id, or ``None``."""
        ...


T = TypeVar("T")

VERSION: Final = "1.0"  # of what is saved: the first number grows where older versions could not read it


def _known_version(version: str) -> str:
    major = version.partition(".")[0]
    if not re.fullmatch(r"\d{1,9}\.\d{1,9}", version):
        raise ValueError(f"a version is two numbers, such as {VERSION!r}")
    if int(major) > int(VERSION.partition(".")[0]):
        raise SavedByNewerVersion(
            f"the session was saved in the form {version}, and this version of antiphon knows {VERSION}: "
            "load it with the version that saved it, or a newer one",
            version=version,
        )
    return version


@built_when_used
class Session(GivenToTools, BaseModel):
    """A conversation.

    ``Session.model_validate_json(session.model_dump_json())`` is equal to the session; the runner and the trace stay
    behind, and count in no comparison.

    Attributes:
        version: The version of the form in which the session is saved.
        messages: What was said so far, in order.
        metadata: The program's own values; templates use them as variables.
        progress: How far a conversation has come that ``Runner.advance`` holds; ``None`` before its beginning and after
            its end. For runners, not for programs.
        is_over: Whether a conversation that ``Runner.advance`` or ``Runner.hold`` held in it has ended, and none has
            begun since; saved with it.
        runner: The runner that serves the session; set when a run begins.
    """

    model_config = ConfigDict(validate_assignment=True, extra="forbid", defer_build=True)
    __slots__ = ("_earlier", "_run", "_unknown")
    if TYPE_CHECKING:
        _run: ClassVar[Run]  # a slot, set by join(); as a ClassVar it is no field to type checkers
        _unknown: ClassVar[_Unknown]  # slots as well
        _earlier: ClassVar[Trace]

    version: Annotated[str, AfterValidator(_known_version)] = Field(default=VERSION, repr=False)
    messages: Annotated[list[Message], AfterValidator(as_history)] = Field(default_factory=as_history)
    metadata: Annotated[dict[str, Any], Kept()] = Field(default_factory=dict)
    progress: SavedProgress = Field(default=None, repr=False, exclude_if=lambda progress: progress is None)
    is_over: bool = Field(default=False, repr=False, exclude_if=lambda is_over: not is_over)
    runner: Any = Field(default=None, exclude=True, repr=False)

    def append(self, message: Message) -> None:
        """Add a message at the end; costs the same however long the conversation is.

        Raises:
            InvalidType: That is no message.
        """
        self.messages.append(check_kind(message, Message, "message"))

    def __iter__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]  # as pydantic has it
        """The messages and the metadata, as ``dict(session)`` has them, by name: a text may go over them."""
        return ((name, value) for name, value in super().__iter__() if name not in _OF_THE_ENGINE)

    def model_dump_json(self, **options: Any) -> str:
        """The session as JSON, as pydantic's method gives it.

        Raises:
            InvalidValue: Metadata, of the session or of a message, or what a tool was called with holds a value that
                would not come back equal, or a text holds half a character. With a ``fallback=`` that value is what
                the fallback makes of it.
        """
        try:
            text = super().model_dump_json(**options)
        except PydanticSerializationError:
            as_json(self.metadata, "session.metadata")
            for place, message in enumerate(self.messages):
                for name, held in vars(message).items():
                    if isinstance(held, str | dict):
                        as_json(held, f"session.messages[{place}].{name}")
                for call in message.tool_calls:
                    as_json(call.arguments, f"session.messages[{place}], the arguments of {call.name}")
            raise
        unknown = _unknown_of(self)
        return text if unknown is None else unknown.put_back(self, text, options.get("indent"))

    def __eq__(self, other: object) -> bool:
        """Whether that is a session of the same class whose fields are equal, whatever runners serve the two."""
        if isinstance(other, Session) and self.runner is not other.runner:
            other = other.model_copy(update={"runner": self.runner})
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """A session, as pydantic's method makes it.

        A dict of nothing but JSON is read as what ``model_dump_json`` has saved, or ``model_dump(mode="json")``.

        Raises:
            ValidationError: That is no session.
            SavedByNewerVersion: It was saved by a newer major version.
        """
        if type(obj) is dict and is_json(obj) and not options.get("from_attributes"):
            return cls.model_validate_json(json.dumps(obj), **options)
        return super().model_validate(obj, **options)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """A session that ``model_dump_json`` has saved.

        What a newer minor version has put into the session and its messages, and this one does not know, is kept, and
        saved again with them.

        Raises:
            ValidationError: That is no saved session.
            SavedByNewerVersion: It was saved by a newer major version.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError:
            plain = _of_newer_minor_version(json_data)
            if plain is None:
                raise
        session = super().model_validate_json(json_data, **{**options, "extra": "ignore"})
        return _keeping(session, _Unknown(plain, session))

    def metadata_as(self, kind: type[T]) -> T:
        """The metadata as a type that pydantic validates: a model, a dataclass, a ``TypedDict``.

        That is a copy: ``session.metadata.update(model)`` takes over what was changed in a pydantic model.

        Raises:
            InvalidValue: They do not fit; the text names the keys.
        """
        try:
            return TypeAdapter(kind).validate_python(self.metadata)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors())
            name = getattr(kind, "__name__", repr(kind))
            raise InvalidValue(f"the session's metadata is no {name}: {problems}") from error

    @property
    def waiting_for(self) -> str | None:
        """What the conversation waits for that ``Runner.advance`` holds: what the template says that it wants.

        ``"You"`` where it says nothing; ``None`` when the conversation has not begun, or has ended: see ``is_over``.
        """
        waiting = None if self.progress is None else self.progress.waiting
        return None if waiting is None else waiting.description or "You"

    def __getstate__(self) -> dict[Any, Any]:
        """What is pickled: everything but the runner, whose clients stay where they are."""
        state = super().__getstate__()
        unknown = _unknown_of(self)
        return {**state, "__dict__": {**state["__dict__"], "runner": None}, "unknown": unknown}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        _keeping(self, state.get("unknown"))

    def __copy__(self) -> Self:
        return _keeping(super().__copy__(), _unknown_of(self))

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return _keeping(super().__deepcopy__(memo), _unknown_of(self))

    @property
    def last(self) -> Message:
        """The last message.

        Raises:
            IndexError: The session has no messages.
        """
        try:
            return self.messages[-1]
        except IndexError:
            raise IndexError("the session has no messages") from None

    def get_last_message(self) -> Message:
        """The last message, as ``last``."""
        return self.last

    @property
    def trace(self) -> Trace:
        """The model calls made in this session so far, those of its subroutines included."""
        return self.run.trace

    @property
    def template_path(self) -> str | None:
        """Where in the template tree the session is at this moment; ``None`` when no template runs."""
        return self.run.path

    @property
    def request(self) -> Request:
        """What is asked of the model beside the messages, while it is called: tools, a type for its answer."""
        return self.run.request

    @property
    def run(self) -> Run:
        """The state of the session's run; for templates and models, not for programs."""
        try:
            return self._run
        except AttributeError:
            return self.join(Run(Trace()))

    def join(self, run: Run) -> Run:
        """Let the session take part in a run; for templates and runners, not for programs."""
        object.__setattr__(self, "_run", run)
        return run

    def take_runner(self, runner: object) -> None:
        """Let a runner serve the session; for templates and runners, not for programs: nothing is validated."""
        vars(self)["runner"] = runner

    def picture(self) -> Picture:
        """The messages as they are now; costs the same however many there are."""
        return self.history.picture()

    @property
    def history(self) -> History:
        """The list of the messages itself; for models, not for programs."""
        messages: object = self.messages
        if not isinstance(messages, History):  # model_copy and model_construct set what they are given
            messages = History(self.messages)
            vars(self)["messages"] = messages
        return messages


_OF_THE_ENGINE: Final = frozenset({"version", "progress", "is_over", "runner"})


def _of_newer_minor_version(json_data: str | bytes | bytearray) -> dict[str, Any] | None:
    """What was saved, where a newer minor version has done that; ``None`` for anything else."""
    try:
        plain = from_json(json_data)
    except ValueError:
        return None
    saved_by = plain.get("version") if isinstance(plain, dict) else None
    if not isinstance(saved_by, str) or not re.fullmatch(r"\d{1,9}\.\d{1,9}", saved_by):
        return None
    newest, ours = (tuple(map(int, version.split("."))) for version in (saved_by, VERSION))
    return plain if newest > ours else None


class _Unknown:
    """What a newer version has saved in a session and its messages that this one does not know.

    Args:
        plain: What was saved.
        session: The session that was made of it.
    """

    def __init__(self, plain: dict[str, Any], session: Session) -> None:
        self._fields = {name: value for name, value in plain.items() if name not in type(session).model_fields}
        known = Message.model_fields
        saved: list[dict[str, Any]] = plain.get("messages", [])
        fields_of = [{name: value for name, value in one.items() if name not in known} for one in saved]
        self._of_messages = list(zip(session.messages, fields_of, strict=True))

    def put_back(self, session: Session, text: str, indent: int | None) -> str:
        """What is saved now, with what was not known: with messages that are equal to those that had it."""
        plain = from_json(text)
        left = list(self._of_messages)
        for message, written in zip(session.messages, plain.get("messages", ()), strict=False):
            found = next((place for place, (one, _) in enumerate(left) if one == message), None)
            if found is not None:
                written.update(left.pop(found)[1])
        separators = (",", ":") if indent is None else None
        return json.dumps({**plain, **self._fields}, indent=indent, separators=separators, ensure_ascii=False)


S = TypeVar("S", bound=Session)


def _unknown_of(session: Session) -> _Unknown | None:
    try:
        unknown: _Unknown = object.__getattribute__(session, "_unknown")  # pydantic's own way is slow to say no
    except AttributeError:
        return None
    return unknown


def _keeping(session: S, unknown: _Unknown | None) -> S:
    if unknown is not None:
        object.__setattr__(session, "_unknown", unknown)
    return session


class Run:
    """The state of a run; the one thing that changes while a session is served.

    A subroutine's session takes part in its parent's run.

    Attributes:
        trace: The calls of models.
        session: The innermost session: a subroutine's while it runs. Not set between runs.
        root: The outermost session. Not set between runs.
        path: The path of the template that is rendered; ``None`` between runs.
        template: That template.
        depth: How many subroutines deep.
        loops: How many loops are open in the innermost session.
        chosen_by: Whose choice the innermost session's runner is.
        asked: The model that is just being asked, with whose choice it was.
        request: What it is asked for beside the messages.
        tree: The outermost template.
        added: How many messages the run added.
        silent_turns: How many turns of loops have passed since the last of them.
        max_messages: How many it may add; ``None`` for any number.
        active: Whether the run has begun and not ended.
        suspended: Whether whoever goes through the run has stopped at a message or an event.
        has_several_tools: Whether several tools are at work, at the same time.
        context: The context variables of a run that is gone through step by step; ``None`` for those of the caller.
        outer: The run whose templates, or their tools, have begun this one, referred to weakly; ``None`` for no run.
        is_handed_out: Whether the program gets the messages one by one, and may do something in between.
        part_playback: What the conversation was answered so far, where it is held by turns; ``None`` for any other run.
        has_parts: Whether parts of it are at work, each in a session of its own.
        part: What it is a part of; ``None`` for a run of its own.
        waiting: The signals of parts that go on when the program asks for the next step.
        calls: The calls of models under way, for threads that do not have the context of one.
    """

    session: Session
    root: Session
    path: str | None = None
    template: Identified | None = None
    depth = 0
    loops = 0
    chosen_by: ChosenBy = "runner"
    asked: tuple[object, ChosenBy] | None = None
    request = ANY_TEXT
    tree: Any = None
    added = 0
    silent_turns = 0
    suspended = False
    is_handed_out = True
    has_several_tools = False
    context: Context | None = None
    outer: ref[Run] | None = None
    part_playback: PartPlayback | None = None
    has_parts = False
    part: Part | None = None

    def __init__(self, trace: Trace, session: Session | None = None, max_messages: int | None = None) -> None:
        self.trace = trace
        if session is not None:
            self.session = self.root = session
        self.max_messages = max_messages
        self.active = session is not None
        self.waiting: list[Signal] = []
        self._keys: dict[str, str] = {}
        self.calls: list[CallUnderWay] = []

    @property
    def whole(self) -> Run:
        """The run that the program has begun: this one, or the one that it is a part of."""
        return self if self.part is None else self.part.of.whole

    def is_within(self, other: Run) -> bool:
        """Whether it is another run, or a part of it."""
        return self is other or (self.part is not None and self.part.of.is_within(other))

    def parted(self, session: Session, template: Identified) -> Part:
        """A part that goes on beside others: it counts as this run, and has a place and a session of its own.

        Args:
            session: Its session.
            template: The template that it renders.
        """
        run = Run(self.trace, session, self.max_messages)
        run.root, run.tree = self.root, self.tree
        run.path, run.template = self.path, self.template
        run.depth, run.chosen_by = self.depth, self.chosen_by
        run.is_handed_out = False  # its templates are at work in context variables of their own, from end to end
        run.outer = ref(self)
        run.part = part = Part(self, session.join(run), template, list(session.messages))
        return part

    async def until_resumed(self) -> None:
        """Wait, in a part, as long as the program that goes through the run has the word."""
        whole = self.whole
        while whole.suspended:
            whole.waiting.append(resumed := signal())
            await resumed.wait()

    async def until_users_turn(self) -> None:
        """Wait, in a part, until those before it have ended: the user talks with one after another, in their order.

        So do runs that the templates of a part, or their tools, have begun. None is asked in a part that was cancelled.
        """
        run: Run | None = self
        while run is not None:
            if run.part is not None and run.part.users_turn is not None:
                end_if_cancelled()
                await run.part.users_turn.wait()
            outer = None if run.outer is None else run.outer()
            run = None if outer is run else outer

    @property
    def template_key(self) -> str:
        """The id of the rendered template, or its path without iterations; ``""`` between runs."""
        if self.template is not None and self.template.template_id is not None:
            return self.template.template_id
        key = _ITERATION.sub("", self.path or "")
        return self._keys.setdefault(key, key)  # the calls of a loop have one text for it

    @property
    def is_again(self) -> bool:
        """Whether what happens has happened in an earlier turn of the conversation."""
        return self.part_playback is not None and not self.part_playback.is_new

    @contextmanager
    def several_tools(self) -> Iterator[None]:
        """Let several tools work at the same time; no template can be rendered meanwhile, since a run has one path."""
        self.has_several_tools = True
        try:
            yield
        finally:
            self.has_several_tools = False

    def chooser_of_asked(self, model: object) -> ChosenBy | None:
        """Whose choice a model is to which a question was put; ``None`` for another model. A question counts once."""
        asked, self.asked = self.asked, None
        return asked[1] if asked is not None and asked[0] is model else None

    def chooser_of(self, model: object) -> ChosenBy:
        """Whose choice a model is that the code of the rendered template calls by itself."""
        if self.template is None:
            return "direct"
        if any(value is model for value in vars(self.template).values()):
            return "template"
        runner = self.session.runner
        return self.chosen_by if runner is not None and runner.model is model else "direct"

    def moved_to(self, session: Session) -> None:
        """Go on in another session, as a transform asks for; calls that it recorded are kept."""
        previous = self.session
        if session is previous:
            return
        if session.run is not self:
            self.adopt_calls(session.trace)
            session.join(self)
        if session.runner is None:
            session.take_runner(previous.runner)
        if previous is self.root:
            self.root = session
        self.session = session

    def adopt_calls(self, trace: Trace) -> None:
        """Keep the calls that another session recorded on its own."""
        if not (trace.calls or trace.tools):
            return
        known = {id(one) for one in (*self.trace.calls, *self.trace.tools)}
        self.trace.calls.extend(call for call in trace.calls if id(call) not in known)
        self.trace.tools.extend(run for run in trace.tools if id(run) not in known)

    def said(self, message: Message) -> None:
        """Count a message that a template yielded; append it where the template has not done so.

        Raises:
            MessageLimitExceeded: The run adds more messages than it may.
        """
        messages = self.session.messages
        if not messages or (messages[-1] is not message and not any(message is other for other in messages)):
            messages.append(message)
        self.count_message()

    def count_message(self) -> None:
        """Count a message that was added; in a part, also in the run that it is a part of.

        Raises:
            MessageLimitExceeded: The run adds more messages than it may.
        """
        self.added += 1
        self.silent_turns = 0
        if self.part is not None:
            self.part.of.count_message()
        if self.max_messages is not None and self.added > self.max_messages:
            raise MessageLimitExceeded(self.root, self.max_messages)

    def turned_silently(self) -> None:
        """Count a turn of a loop in which nothing was said.

        Raises:
            MessageLimitExceeded: There were so many in a row that a run with a limit of messages would never end.
        """
        self.silent_turns += 1
        if self.max_messages is not None and self.silent_turns >= _MOST_SILENT_TURNS:
            raise MessageLimitExceeded(self.root, self.max_messages, silent_turns=self.silent_turns)


@dataclass(slots=True, eq=False)
class Part:
    """A part of a run that goes on beside others: a child of a parallel template.

    Attributes:
        of: The run.
        run: The state of the part.
        template: The child.
        inherited: The messages that it began with.
        users_turn: Set when those before it have ended; ``None`` where they end before it begins.
        has_begun: Whether it has begun.
        has_ended_all: Whether it ends the whole conversation.
    """

    of: Run
    run: Run
    template: Identified
    inherited: list[Message] = field(repr=False)
    users_turn: Signal | None = None
    has_begun: bool = False
    has_ended_all: bool = False

    def end(self) -> None:
        """Leave its sessions as they are between runs."""
        self.run.path = None
        self.run.active = False


# The run whose templates are at work: referred to weakly, since what has copied the context may be kept for long.
RENDERING: ContextVar[ref[Run] | None] = ContextVar("antiphon_rendering", default=None)

_MOST_SILENT_TURNS = 100_000  # about a second of busy turns, or a day of polling every second

_ITERATION = re.compile(r"@\d+(?=/|$)")

_BEGINNING = Lock()  # held while a run begins: of two threads that begin one at once, one gets the error


def begun(session: Session, max_messages: int | None = None, runner: object = None) -> Run:
    """Begin a run of a session; by a runner, or with the one that the session has.

    Raises:
        InvalidValue: The session is in a run already.
    """
    with _BEGINNING:
        outer = session.run
        _check_not_left(outer)
        if outer.active:
            place = "" if outer.path is None else f", at {outer.path!r}"
            error = InvalidValue(
                f"the session is in a run already{place}: a run needs a session of its own. To run a part of a tree "
                "with another runner, put it into the tree as SubroutineTemplate(template, runner=...)"
            )
            raise error if outer.path is None else naming_template(error)
        if runner is not None:
            session.take_runner(runner)
        run = session.join(Run(outer.trace, session, max_messages))
        run.outer = RENDERING.get()
        return run


def run_at_work() -> Run | None:
    """The run whose templates, or whose tools, are at work in this thread or task; ``None`` for none."""
    rendering = RENDERING.get()
    run = None if rendering is None else rendering()
    return None if run is None or run.path is None else run


def joined(session: Session) -> Run:
    """Take part in the run that the session is in, as a template does that renders another by itself, or begin one.

    Raises:
        InvalidType: That is no session.
        InvalidValue: The session is in a run that somebody else has stopped in the middle, or in which several tools
            or parts run at the same time.
    """
    outer = check_kind(session, Session, "session").run
    _check_not_left(outer)
    if outer.has_several_tools:
        raise naming_template(
            InvalidValue(
                f"several tools run at the same time at {outer.path!r}, and one of them renders a template in their "
                "session: a tool renders in a session of its own, as by session.runner.run(template=...)"
            )
        )
    if outer.has_parts:
        raise naming_template(
            InvalidValue(
                f"the children of {outer.path!r} run beside each other, and one renders a template in the session "
                "of their parent: it renders in the session that it is given"
            )
        )
    return begun(session) if outer.path is None else outer


def _check_not_left(run: Run) -> None:
    if run.suspended:
        raise naming_template(
            InvalidValue(
                f"the session is in the middle of a run, at {run.path!r}: "
                "go through that run's iterator to its end, or close it"
            )
        )


class Rendering:
    """Lets the templates of a run be at work from its beginning to its end, in a ``with``."""

    __slots__ = ("_outer", "_run")

    def __init__(self, run: Run) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._outer = RENDERING.get()
        RENDERING.set(ref(self._run))

    def __exit__(self, *_: object) -> None:
        RENDERING.set(self._outer)  # no reset of a token: what nobody finished is closed anywhere
        ended(self._run)


def ended(run: Run) -> None:
    """Leave the sessions of a run as they are between runs, with their trace."""
    if run.path is None:
        run.root.join(Run(run.trace))
        if run.session is not run.root:
            run.session.join(Run(run.trace))
        run.active = False  # for sessions that a transform has replaced
