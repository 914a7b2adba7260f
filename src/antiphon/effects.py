"""Effects: what templates ask for, as values; the drivers perform them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import aclosing, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from inspect import isgenerator
from time import perf_counter
from typing import Any, NamedTuple

from pydantic import ValidationError

from antiphon.attachments import Attachment, split
from antiphon.connect import as_model
from antiphon.errors import RunnerNotSet, UserInterfaceMissing, naming_template
from antiphon.events import Event
from antiphon.interface import UserInterface
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message, ToolCall
from antiphon.model import Model
from antiphon.request import ANY_TEXT, Request
from antiphon.session import Run, Session
from antiphon.threads import Enough, at_once, finished, in_thread, is_async, is_pending, pause, run_to_end
from antiphon.tool_results import told
from antiphon.tools import Farewell, Tool
from antiphon.trace import ChosenBy


class Effect(ABC):
    """Something to be done outside of a template; its answer comes back as the value of the ``yield``.

    In a conversation that waits for its user the answer is kept as JSON, and given once more when it goes on.
    """

    __slots__ = ()

    def asked(self) -> str:
        """What is to be done, as text: by it a conversation that goes on knows the effect again."""
        return ""

    @abstractmethod
    def perform(self) -> Any:
        """Do it, blocking."""

    @abstractmethod
    async def aperform(self) -> Any:
        """Do it without blocking the event loop."""

    def stream(self) -> Generator[Event, None, Any]:
        """Do it, and yield what happens meanwhile; by default that is nothing."""
        return self.perform()
        yield  # what makes this a generator

    async def astream(self) -> AsyncGenerator[Any]:
        """Do it without blocking the event loop, and yield what happens meanwhile; the last value is the answer."""
        yield await self.aperform()


@dataclass(slots=True, eq=False)
class AskModel(Effect):
    """Ask a model to answer a session; the answer is the model's message.

    In a ``with`` it is the question of the run that the session is in then: whose choice the model was, and what is
    asked for beside the messages.
    """

    model: Model
    session: Session
    chosen_by: ChosenBy
    request: Request = ANY_TEXT
    _run: Run = field(init=False, repr=False)

    def __enter__(self) -> None:
        self._run = run = self.session.run
        run.asked = self.model, self.chosen_by
        run.request = self.request

    def __exit__(self, *_: object) -> None:
        self._run.asked, self._run.request = None, ANY_TEXT

    def perform(self) -> Message:
        """Ask, blocking."""
        with self:
            return self.model.send(self.session)

    async def aperform(self) -> Message:
        """Ask without blocking the event loop."""
        with self:
            return await self.model.asend(self.session)

    def stream(self) -> Generator[Event, None, Any]:
        """Ask, and yield what the model says while it speaks."""
        with self, closing(self.model.stream(self.session)) as pieces:
            for piece in pieces:
                if isinstance(piece, Message):
                    return piece
                yield piece
        raise AssertionError("a stream ends with its message")

    async def astream(self) -> AsyncGenerator[Any]:
        """Ask without blocking the event loop, and yield what the model says while it speaks; at last the message."""
        with self:
            async with aclosing(self.model.astream(self.session)) as pieces:
                async for piece in pieces:
                    yield piece


@dataclass(slots=True, eq=False)
class AskUser(Effect):
    """Ask the user; the answer is what the user says, or the default where there is nobody to ask.

    Raises:
        UserInterfaceMissing: When performed: there is nobody, and no default.
    """

    interface: UserInterface | None
    session: Session
    description: str | None
    default: str | None

    def asked(self) -> str:
        """What the template says that it wants."""
        return self.description or ""

    def perform(self) -> str:
        """Ask, blocking."""
        if self.interface is None:
            return self._of_nobody()
        return self.interface.ask(self.session, self.description, self.default)

    async def aperform(self) -> str:
        """Ask without blocking the event loop; in a part that goes on beside others, when it is its turn."""
        if self.interface is None:
            return self._of_nobody()
        await self.session.run.until_users_turn()
        return await self.interface.aask(self.session, self.description, self.default)

    def _of_nobody(self) -> str:
        if self.default is not None:
            return self.default
        raise naming_template(
            UserInterfaceMissing(
                f"the template at {self.session.template_path!r} asks the user, and there is nobody to ask: give the "
                "runner a user_interface, or the template a default"
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class ToolEntered:
    """A tool that a model asked for is about to be run, or cannot be: then it ends at once, with an error.

    The same object stands for the run until its ``ToolExited``.

    Attributes:
        call: What the model asked for.
        path: The path of the template that offered the tool.
        template_id: Its id, or for a template without one its path without iterations.
        tool: The tool; ``None`` where there is none of that name.
        session: The conversation.
    """

    call: ToolCall
    path: str | None
    template_id: str
    tool: Tool[..., Any] | None
    session: Session


class ToolExited(NamedTuple):
    """A tool has returned, failed, or was stopped; the model was not told yet.

    Attributes:
        entered: What was told when it was entered.
        result: What it returned; ``None`` where it did not.
        error: What it raised, what stopped it, or what kept it from being run; ``None`` when nothing did. It may be a
            signal, as with ``TemplateExited``.
        seconds: How long it took.
    """

    entered: ToolEntered
    result: Any
    error: BaseException | None
    seconds: float


@dataclass(slots=True, eq=False)
class ToolJob:
    """A call of a tool, and what became of it.

    Attributes:
        call: The call.
        tool: The tool; ``None`` where there is none of that name.
        arguments: What the tool's function is given.
        is_begun: Whether it was run, if only in part.
        is_done: Whether there is a result, or an error that the model is told.
        result: What it returned.
        error: What it raised, or what kept it from being run.
        text: What the model is told of it.
        attachments: What is attached to that.
        seconds: How long it took.
        is_told: Whether ``text`` and ``attachments`` say what it returned.
        is_kept: Whether it was run in an earlier turn of the conversation.
    """

    call: ToolCall
    tool: Tool[..., Any] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    is_begun: bool = False
    is_done: bool = False
    result: Any = None
    error: BaseException | None = None
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    seconds: float = 0.0
    is_told: bool = False
    is_kept: bool = False

    def told(self) -> str:
        """What the model is told of a job that is done; what is attached to that stays with the job."""
        if self.is_told:
            return self.text
        if self.error is None and not self.text:
            try:
                self.text, self.attachments = _told(self.result)
                self.is_told = True
            except Exception as error:  # noqa: BLE001  # the model is told, and the trace records it
                self.result, self.error = None, error
        if self.error is not None:
            self.text = f"Error: {_explained(self.error)}"
        return self.text

    @contextmanager
    def running(self, session: Session) -> Iterator[None]:
        """Take note of what becomes of it in a ``with``: an error is kept, and all that ends a run passes.

        Who listens is told, except of what has run in an earlier turn.
        """
        self.is_begun = True
        with nullcontext() if self.is_kept else self.told_of(session), self._noted():
            yield

    @contextmanager
    def told_of(self, session: Session) -> Iterator[None]:
        """Tell who listens that it begins, and at the end of a ``with`` what has become of it."""
        audience = LISTENERS.now
        if not audience.follows_tools:
            yield
            return
        run = session.run
        entered = ToolEntered(self.call, run.path, run.template_key, self.tool, session)
        try:
            tell(audience.tool_enter, entered)
            yield
        except BaseException as error:
            self.error = self.error or error
            raise
        finally:
            exited = ToolExited(entered, self.result, self.error, self.seconds)
            tell(LISTENERS.now.since(audience).tool_exit, exited)

    @contextmanager
    def _noted(self) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
            self.is_done = True
        except Exception as error:  # noqa: BLE001  # the model is told, and the trace records it
            self.error, self.is_done = error, True
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.seconds = perf_counter() - started


class Ended:
    """What a tool's subroutine gave back that ended the conversation."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _told(result: object) -> tuple[str, tuple[Attachment, ...]]:
    """What a model is told of a result, and what is attached to that."""
    if isinstance(result, Farewell):
        return told(result.message), ()
    words, attachments = split(result.text if isinstance(result, Ended) else result)
    return told(words), attachments


def _explained(error: BaseException) -> str:
    """What a model is told of an error: enough to do better, and no more."""
    if isinstance(error, ValidationError):
        said = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors())
    else:
        said = f"{type(error).__name__}: {_text_of(error)}"
    return _ADDRESS.sub("", said).encode(errors="backslashreplace").decode()


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # its class is not ours
        return "it cannot say why"


_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{4,}")  # of an object in memory: another one in the next run


class ToolToRun(NamedTuple):
    """A tool with the job that keeps what becomes of it.

    Attributes:
        session: The conversation.
        tool: The tool.
        job: What becomes of it.
    """

    session: Session
    tool: Tool[..., Any]
    job: ToolJob

    @property
    def is_async(self) -> bool:
        """Whether the function is async."""
        return is_async(self.tool.function)

    def run(self) -> None:
        """Run the function, blocking; what has to be awaited in an event loop of its own."""
        with self.job.running(self.session):
            result = self._called()
            self.job.result = run_to_end(result) if is_pending(result) else result

    async def arun(self) -> None:
        """Run the function without blocking the event loop; a sync one in a thread."""
        with self.job.running(self.session):
            self.job.result = await finished(self._called() if self.is_async else await in_thread(self._called))

    def _called(self) -> Any:
        try:
            result = self.tool.function(**self.job.arguments)
        except StopIteration as stop:  # told alike wherever it runs: from threads and coroutines none comes out
            raise RuntimeError(f"{self.tool.name} raised StopIteration") from stop
        return list(result) if isgenerator(result) else result  # here, where its errors are those of the tool

    async def arun_with_others(self) -> None:
        """Run the function while others run, which are cancelled where its error ends the run."""
        await self.arun()
        if self.job.error is not None and self.tool.reraise:
            raise Enough


@dataclass(slots=True, eq=False)
class RunTools(Effect):
    """Run the first of some tools; in an event loop, where that one is async, all the async ones at the same time."""

    session: Session
    tools: tuple[ToolToRun, ...]

    def perform(self) -> None:
        """Run the first one, blocking."""
        self.tools[0].run()

    async def aperform(self) -> None:
        """Run the first one, or all the async ones, without blocking the event loop."""
        together = [one for one in self.tools if one.is_async] if self.tools[0].is_async else []
        if len(together) < 2:  # one alone stays in its caller's task
            await self.tools[0].arun()
            return
        with self.session.run.several_tools():
            await at_once(one.arun_with_others for one in together)
        for one in together:
            if not one.job.is_done and one.job.error is not None and not _is_over(together):
                raise one.job.error  # it cancelled itself


def _is_over(tools: Iterable[ToolToRun]) -> bool:
    return any(one.tool.reraise and one.job.is_done and one.job.error is not None for one in tools)


class Pause(Effect):
    """Let other tasks run, between two turns of a loop in which nothing was awaited."""

    __slots__ = ()

    def perform(self) -> None:
        """Do nothing: threads take turns by themselves."""

    async def aperform(self) -> None:
        """Let the event loop go on."""
        await pause()


def ask(
    session: Session, model: Model | str | None = None, request: Request = ANY_TEXT
) -> Generator[AskModel, Message, Message]:
    """Ask a model to answer a session: the one given, or else the runner's. The one place where that is decided.

    Raises:
        RunnerNotSet: The session has no runner, whether or not a model is given.
    """
    runner = session.runner
    if runner is None:
        raise RunnerNotSet
    if model is None:
        return (yield AskModel(runner.model, session, session.run.chosen_by, request))
    return (yield AskModel(as_model(model), session, "template", request))
