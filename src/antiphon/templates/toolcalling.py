"""The template whose model may call tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, Unpack

from antiphon.connect import ModelSlot
from antiphon.drivers import Script, Step
from antiphon.effects import Ended, RunTools, ToolJob, ToolToRun
from antiphon.errors import InvalidType, InvalidValue, ToolRoundsExceeded, shown
from antiphon.facts import RUNNERS_MODEL, Branch, Fact, Visit
from antiphon.listeners import LISTENERS, tell
from antiphon.messages import Message, Role, ToolCall, recast
from antiphon.model import Model
from antiphon.parameters import check_count, check_role
from antiphon.request import Request
from antiphon.session import Session
from antiphon.signals import EndConversation, Leaving
from antiphon.templates.base import Template, TemplateOptions
from antiphon.templates.checks import check_ids
from antiphon.templates.subroutine import SubroutineTemplate
from antiphon.templates.typed import TypedTemplate, broken_off, truncated
from antiphon.tools import Farewell, Tool, is_function
from antiphon.trace import ToolRun
from antiphon.waiting import UserNeeded


class ToolingTemplate(TypedTemplate):
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
        output_type: What the answer in text has to be, as with ``GenerateTemplate``.
        retries: How often a model whose answer does not fit, or was cut off while it asked for tools, is told so, and
            asked again; 0 or more.
        **options: See ``TemplateOptions``.

    Raises:
        InvalidValue: Two tools have one name.
        ToolRoundsExceeded: When rendered: the model asks for tools once more after the last round.
        TruncatedAnswer: When rendered: an answer that asks for tools was cut off; nothing is run.
        OutputError: When rendered: the last answer in text does not fit, or the model refused to give one.
    """

    model: ModelSlot = ModelSlot()

    def __init__(
        self,
        tools: Sequence[Any],
        role: Role = "assistant",
        *,
        model: Model | str | None = None,
        max_rounds: int = 8,
        output_type: Any = None,
        retries: int = 0,
        **options: Unpack[TemplateOptions],
    ) -> None:
        super().__init__(**options)
        self._expect(output_type, retries)
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
        request = Request(tools=self.tools, output_type=self.output_type)
        rounds, retries = self.max_rounds, self.retries
        while True:
            message = yield from self.ask(session, self.model, request)
            if not message.tool_calls:
                fitting = yield from self._fitting(session, recast(message, self.role), is_last=not retries)
                if fitting is not None:
                    yield self._add(session, fitting)
                    return session
                retries -= 1
            elif broken_off(message):
                if not retries:
                    raise truncated(message, self.model or session.runner.model)
                yield from self._round(
                    session, message, f"Not run: the answer broke off: {broken_off(message)}. Ask again."
                )
                retries -= 1
            elif not rounds:
                raise self._beyond(message)
            else:
                yield from self._round(session, message)
                rounds -= 1

    def _beyond(self, message: Message) -> ToolRoundsExceeded:
        return ToolRoundsExceeded(
            f"model {message.model!r} asks for {', '.join(call.name for call in message.tool_calls)} after "
            f"max_rounds={self.max_rounds} rounds of tools",
            model=message.model,
            template_path=message.template_path,
        )

    def _round(self, session: Session, message: Message, refused: str | None = None) -> Generator[Step, Any, None]:
        """Say an answer that asks for tools, run them, and say their results; or why they are not run.

        However that is left, also where the run is cancelled, every call has its result: providers refuse a
        conversation in which a call stands without one.
        """
        jobs = [self._job(session, call, refused) for call in message.tool_calls]
        before = len(session.messages)
        try:
            yield self._add(session, message)
            yield from self._answered(session, jobs)
        except UserNeeded:
            raise
        except BaseException as leaving:
            left = _unanswered(message, jobs, session.messages[before:])
            for job in left:
                self._tell(session, job, _outcome(job, leaving))
            for job in left:
                self._record(session, job)
            raise
        finally:
            _put_results_first(session.messages, message, before)

    def _job(self, session: Session, call: ToolCall, refused: str | None) -> ToolJob:
        tool = self._by_name.get(call.name)
        if refused is not None:
            return ToolJob(call, tool, text=refused, is_done=True)
        if tool is None:
            there_are = f"there are {', '.join(self._by_name)}" if self._by_name else "there are none"
            return ToolJob(call, error=InvalidValue(f"there is no tool {call.name!r}; {there_are}"), is_done=True)
        try:
            return ToolJob(call, tool, tool.checked(call.arguments, session))
        except Exception as error:  # noqa: BLE001  # the model is told, and the trace records it
            return ToolJob(call, tool, error=error, is_done=True)

    def _answered(self, session: Session, jobs: Sequence[ToolJob]) -> Generator[Step, Any, None]:
        """Run what the calls ask for, and say their results in their order; a farewell ends the conversation."""
        for number, job in enumerate(jobs, 1):
            if not job.is_begun and not job.is_done:
                yield from self._run(session, jobs[number - 1 :])
            yield from self._finish(session, job)
            raised = job.error if job.is_done and self._reraises(job.call.name) else None
            ends = raised is not None or isinstance(job.result, Farewell | Ended)
            if ends:
                for left in jobs[number:]:
                    yield from self._finish(session, left)
            if raised is not None:
                raise raised
            if isinstance(job.result, Farewell):
                yield self._say(session, job.result.message, "assistant")
            if ends:
                raise EndConversation(session)

    def _reraises(self, name: str) -> bool:
        tool = self._by_name.get(name)
        return tool is not None and tool.reraise

    def _run(self, session: Session, jobs: Sequence[ToolJob]) -> Generator[Step, Any, None]:
        """Run the first of some jobs; in an event loop other async functions among them run at the same time."""
        first = jobs[0]
        subroutine = self._subroutines.get(first.call.name)
        if subroutine is None:
            waiting = (job for job in jobs if not (job.is_done or job.is_begun))
            functions = [job for job in waiting if job.call.name not in self._subroutines]
            yield RunTools(session, tuple(ToolToRun(session, self._by_name[job.call.name], job) for job in functions))
            return
        run, part = session.run, session.run.part_playback
        before = 0 if part is None else part.performed
        first.is_kept = part is not None and part.has_run(f"{run.path}/{self._place_of(subroutine)}")
        try:
            with first.running(session):
                first.result = yield from self._run_subroutine(subroutine, session, first.arguments["request"])
        finally:
            first.is_kept = first.is_kept and part is not None and part.performed == before

    def _finish(self, session: Session, job: ToolJob) -> Generator[Step, Any, None]:
        message = self._tell(session, job, _outcome(job))
        self._record(session, job)
        yield message

    def _record(self, session: Session, job: ToolJob) -> None:
        run, call = session.run, job.call
        part = run.part_playback
        is_new = not job.is_kept and (part is None or part.is_live)
        if not job.is_begun:
            if job.error is None:
                return
            if is_new:
                with job.told_of(session):
                    pass  # it could not be run
        done = ToolRun(run.template_key, run.path, call.name, call.arguments, job.text, job.error, job.seconds)
        run.trace.tools.append(done)
        if is_new:
            tell(LISTENERS.now.tool_run, done)
        elif part is not None:
            part.whole.repeated.append(done)

    def _tell(self, session: Session, job: ToolJob, text: str) -> Message:
        message = Message(
            role="tool",
            content=text,
            tool_call_id=job.call.id,
            metadata={"tool_name": job.call.name},
            template_path=session.run.path,
            attachments=job.attachments,
        )
        return self._add(session, message)

    def _run_subroutine(
        self, subroutine: SubroutineTemplate, session: Session, request: str
    ) -> Generator[Step, Any, str | Ended]:
        """Run a subroutine beside the conversation: what it gives back is the tool's result, and nothing else."""
        run = session.run
        parent = Session(messages=list(session.messages), metadata={**session.metadata, "request": request})
        parent.take_runner(session.runner)
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
        return Ended(text) if ended else text


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


def _outcome(job: ToolJob, leaving: BaseException | None = None) -> str:
    """What a model is told of a job: its result, or how the run was left before there was one."""
    if job.is_done:
        return job.told()
    job.text = f"{'Stopped before its end' if job.is_begun else 'Not run'}: {_cause(leaving)}."
    return job.text


def _cause(leaving: BaseException | None) -> str:
    """Why a run is left, in words for a model."""
    match leaving:
        case None | Leaving():
            return "the conversation has ended"
        case GeneratorExit():
            return "the run was closed"
        case KeyboardInterrupt() | SystemExit():
            return "the run was interrupted"
        case Exception():
            return f"the run failed with {type(leaving).__name__}"
    return "the run was cancelled"  # by asyncio's signal, or trio's


def _unanswered(message: Message, jobs: Sequence[ToolJob], said: Sequence[Message]) -> list[ToolJob]:
    """The jobs without a result in what was said since; none where their message was not said itself."""
    if not any(message is one for one in said):
        return []
    results = Counter(one.tool_call_id for one in said if one.role == "tool")
    left: list[ToolJob] = []
    for job in jobs:
        if results[job.call.id] > 0:
            results[job.call.id] -= 1
        else:
            left.append(job)
    return left


def _put_results_first(messages: list[Message], message: Message, place: int) -> None:
    """Put what tools and others said meanwhile behind the results, which providers want right behind their calls."""
    ids = {call.id for call in message.tool_calls}
    said = messages[place:]
    ours = [one for one in said if one is message or (one.role == "tool" and one.tool_call_id in ids)]
    others = [one for one in said if not any(one is other for other in ours)]
    if others and any(one is not other for one, other in zip(said, ours, strict=False)):
        messages[place:] = [*ours, *others]
