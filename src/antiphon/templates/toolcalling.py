"""The template whose model may call tools."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Unpack

from pydantic import ValidationError

from antiphon.attachments import Attachment, split
from antiphon.connect import ModelSlot
from antiphon.drivers import Script, Step
from antiphon.effects import RunTool
from antiphon.errors import (
    InvalidType,
    InvalidValue,
    ToolRoundsExceeded,
    TruncatedAnswer,
    naming_template,
    shown,
)
from antiphon.facts import RUNNERS_MODEL, Branch, Fact, Visit
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import BROKEN_OFF, Message, Role, ToolCall, recast
from antiphon.model import Model
from antiphon.parameters import check_count, check_role
from antiphon.request import Request
from antiphon.session import Session
from antiphon.signals import EndConversation, Leaving
from antiphon.templates.base import Template, TemplateOptions
from antiphon.templates.checks import check_ids
from antiphon.templates.subroutine import SubroutineTemplate
from antiphon.tool_results import told
from antiphon.tools import Farewell, Tool, is_function
from antiphon.trace import ToolRun


class ToolingTemplate(Template):
    """Asks a model that may ask for tools: runs them, tells it their results, and asks again, until it answers in text.

    Every answer, also one that only asks for tools, is said, and so is every tool's result, as a message of the role
    ``tool``. A tool that does not exist, arguments that do not fit, and a tool that raises are told to the model as an
    error result, and stand in ``session.trace.tools``; a tool made with ``reraise=True`` ends the run instead. A tool
    that returns ``Farewell(message)`` ends the conversation.

    Args:
        tools: The tools: ``Tool`` objects, or functions to make tools of.
        role: Who says the answer in text.
        model: As with ``GenerateTemplate``.
        max_rounds: How often tools may be run, 0 or more.
        **options: See ``TemplateOptions``.

    Raises:
        InvalidValue: Two tools have one name.
        ToolRoundsExceeded: When rendered: the model asks for tools once more after the last round.
        TruncatedAnswer: When rendered: an answer that asks for tools broke off, so that none of them was run.
    """

    model: ModelSlot = ModelSlot()

    def __init__(
        self,
        tools: Sequence[Any],
        role: Role = "assistant",
        *,
        model: Model | str | None = None,
        max_rounds: int = 8,
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(**options)
        self.tools = _checked(tools)
        self.role: Role = check_role(role)
        self.model = model
        self.max_rounds = check_count(max_rounds, "max_rounds")
        self._by_name = {tool.name: tool for tool in self.tools}
        self._subroutines = {tool.name: _subroutine(tool) for tool in self.tools if tool.template is not None}
        check_ids(self)

    @property
    def children(self) -> tuple[Template, ...]:
        """The subroutines among the tools."""
        return tuple(self._subroutines.values())

    def facts(self) -> Iterator[Fact]:
        """Which model is asked, and which tools it is offered."""
        if self.model is None:
            yield RUNNERS_MODEL
        yield from super().facts()
        yield Fact("tool", f"tools: {', '.join(self._by_name) or 'none'}")
        for tool in self.tools:
            yield Fact("tool", name=tool.name, text=tool.description, details=(tool.parameters,))

    @property
    def branches(self) -> tuple[Branch, ...]:
        """One for each tool: ``"tool NAME"``."""
        return tuple(Branch(f"tool {name}") for name in self._by_name)

    def branches_taken(self, visit: Visit) -> Iterable[str]:
        """Those of the tools that were called, also in a visit that failed."""
        return [f"tool {name}" for name in self._by_name if name in visit.tools]

    def _render(self, session: Session) -> Script:
        request = Request(tools=self.tools)
        message = yield from self.ask(session, self.model, request)
        for _ in range(self.max_rounds):
            if not message.tool_calls:
                break
            _check_whole(message)
            yield from self._answered(session, self._add(session, message))
            message = yield from self.ask(session, self.model, request)
        if not message.tool_calls:
            yield self._add(session, recast(message, self.role))
            return session
        raise ToolRoundsExceeded(
            f"model {message.model!r} asks for {', '.join(call.name for call in message.tool_calls)} after "
            f"max_rounds={self.max_rounds} rounds of tools",
            model=message.model,
            template_path=message.template_path,
        )

    def _answered(self, session: Session, asking: Message) -> Generator[Step, Any, None]:
        """Say what the model asks for, run it, and say the results; a farewell ends the conversation.

        Every call gets a result, also one that is not run because another ended the conversation, or because the run
        is cancelled, interrupted or closed: providers refuse a conversation in which a call stands without one.
        """
        try:
            yield asking
            yield from self._results(session, asking.tool_calls)
        except BaseException as leaving:
            for left in _unanswered(session, asking):
                self._tell(session, left, f"Not run: {_cause(leaving)}.")
            raise

    def _results(self, session: Session, calls: Sequence[ToolCall]) -> Generator[Step, Any, None]:
        for number, call in enumerate(calls, 1):
            result, error = yield from self._run(session, call)
            ends = error is not None or isinstance(result, Farewell | _Ended)
            if ends:
                for left in calls[number:]:
                    yield self._tell(session, left, "Not run: the conversation has ended.")
            if error is not None:
                raise error
            if isinstance(result, Farewell):
                yield self._say(session, result.message, "assistant")
            if ends:
                raise EndConversation(session)

    def _run(self, session: Session, call: ToolCall) -> Generator[Step, Any, tuple[Any, Exception | None]]:
        """Run what a call asks for, and say its result; an error is returned where its tool wants it raised."""
        started = perf_counter()
        result: Any = None
        error: Exception | None = None
        attachments: tuple[Attachment, ...] = ()
        try:
            result = yield from self._result(session, call)
            text, attachments = _told(result)
        except Exception as raised:  # noqa: BLE001  # the model is told, and the trace records it
            result, error = None, raised
            text = f"Error: {_explained(raised)}"
        except BaseException as leaving:
            text = f"Stopped before its end: {_cause(leaving)}."
            self._record(session, call, text, leaving, started)
            self._tell(session, call, text)
            raise
        self._record(session, call, text, error, started)
        yield self._tell(session, call, text, attachments)
        tool = self._by_name.get(call.name)
        return result, error if tool is not None and tool.reraise else None

    def _record(self, session: Session, call: ToolCall, text: str, error: BaseException | None, started: float) -> None:
        run = session.run
        seconds = perf_counter() - started
        done = ToolRun(run.template_key, run.path, call.name, call.arguments, text, error, seconds)
        run.trace.tools.append(done)
        tell(LISTENERS.now.tool_run, done)

    def _tell(self, session: Session, call: ToolCall, text: str, attachments: tuple[Attachment, ...] = ()) -> Message:
        message = Message(
            role="tool",
            content=text,
            tool_call_id=call.id,
            metadata={"tool_name": call.name},
            template_path=session.run.path,
            attachments=attachments,
        )
        return self._add(session, message)

    def _result(self, session: Session, call: ToolCall) -> Generator[Step, Any, Any]:
        tool = self._by_name.get(call.name)
        if tool is None:
            raise InvalidValue(f"there is no tool {call.name!r}; there are {', '.join(self._by_name)}")
        arguments = tool.checked(call.arguments, session)
        subroutine = self._subroutines.get(call.name)
        if subroutine is None:
            return (yield RunTool(tool, arguments))
        return (yield from self._run_subroutine(subroutine, session, arguments["request"]))

    def _run_subroutine(
        self, subroutine: SubroutineTemplate, session: Session, request: str
    ) -> Generator[Step, Any, str | _Ended]:
        """Run a subroutine beside the conversation: what it gives back is the tool's result, and nothing else."""
        run = session.run
        parent = Session(messages=list(session.messages), metadata={**session.metadata, "request": request})
        parent.runner = session.runner
        parent.join(run)
        before = len(parent.messages)
        run.session = parent
        try:
            yield from self.include(subroutine, parent)
            ended = False
        except EndConversation:
            ended = True
        finally:
            run.session = session
        text = "\n\n".join(message.content for message in parent.messages[before:])
        return _Ended(text) if ended else text


@dataclass(frozen=True, slots=True)
class _Ended:
    """What a subroutine gave back that ended the conversation."""

    text: str


def _checked(tools: Sequence[Any]) -> tuple[Tool[..., Any], ...]:
    if not isinstance(tools, list | tuple):
        raise InvalidType(f"tools takes a list of tools, not {shown(tools)}")
    checked = tuple(_as_tool(given, f"tools[{index}]") for index, given in enumerate(tools))
    names = [tool.name for tool in checked]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidValue(f"two tools are called {', '.join(map(repr, twice))}: a model could not tell them apart")
    return checked


def _as_tool(given: Any, parameter: str) -> Tool[..., Any]:
    if isinstance(given, Tool):
        return given
    if not is_function(given):
        raise InvalidType(f"{parameter} takes a Tool or a function, not {shown(given, object)}")
    return Tool(given)


def _subroutine(tool: Tool[..., Any]) -> SubroutineTemplate:
    template = tool.template
    return template if isinstance(template, SubroutineTemplate) else SubroutineTemplate(template, tool.name)


def _check_whole(message: Message) -> None:
    """Raise where the answer broke off: its last call may be one that the model had not finished.

    Raises:
        TruncatedAnswer: It did.
    """
    why = BROKEN_OFF.get(message.finish_reason or "")
    if why is None:
        return
    names = ", ".join(call.name for call in message.tool_calls)
    error = TruncatedAnswer(
        f"model {message.model!r} asked the template at {message.template_path!r} for {names}, and its answer broke "
        f"off: {why} (finish reason {message.finish_reason!r}). No tool was run, for the arguments may be unfinished",
        finish_reason=message.finish_reason,
        answer=message.content,
        model=message.model,
        template_path=message.template_path,
    )
    raise naming_template(error)


def _unanswered(session: Session, asking: Message) -> list[ToolCall]:
    """The calls of a message that no message after it answers."""
    answered: set[str | None] = set()
    for message in reversed(session.messages):
        if message is asking:
            break
        answered.add(message.tool_call_id)
    return [call for call in asking.tool_calls if call.id not in answered]


def _cause(leaving: BaseException) -> str:
    """Why a run is left, in words for a model."""
    match leaving:
        case CancelledError():
            return "the run was cancelled"
        case GeneratorExit():
            return "the run was closed"
        case KeyboardInterrupt() | SystemExit():
            return "the run was interrupted"
        case Leaving():
            return "the conversation has ended"
    return f"the run failed with {type(leaving).__name__}"


def _told(result: object) -> tuple[str, tuple[Attachment, ...]]:
    """What a model is told of a result, and what is attached to that."""
    if isinstance(result, Farewell):
        return told(result.message), ()
    words, attachments = split(result.text if isinstance(result, _Ended) else result)
    return told(words), attachments


def _explained(error: Exception) -> str:
    """What a model is told of an error: enough to do better, and no more."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors())
    return f"{type(error).__name__}: {error}"
