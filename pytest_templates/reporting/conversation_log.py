"""The conversations of an attempt of a test, logged step by step as plain data for its report."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from antiphon.history import Picture, pictured
from antiphon.observers import Observer, TemplateEntered, TemplateExited, ToolEntered, ToolExited
from antiphon.session import Run, run_at_work
from antiphon.signals import is_failure
from antiphon.templates.subroutine import SubroutineTemplate
from antiphon.trace import ModelCall, ToolRun
from pytest_templates.reporting.message_log import MessageLog, ranges
from pytest_templates.reporting.message_rows import json_data, message_row, pictures_of, said
from pytest_templates.support.clock import seconds
from pytest_templates.support.engine import built_at
from pytest_templates.support.failures import chain_of, error_text, is_left_early
from pytest_templates.support.text import as_text, cut

if TYPE_CHECKING:
    from pytest_templates.errors import IsolationViolation
    from pytest_templates.reporting.conversation_rows import ConversationRow
    from pytest_templates.run.attempt import Attempt

StepRow: TypeAlias = dict[str, Any]  # the fields of a step: see `conversation`

# The tool that is at work in a thread or task, and the one around it.
_TOOL: Final[ContextVar[tuple[Any, StepRow] | None]] = ContextVar("pytest_templates_tool", default=None)
_ALWAYS: Final = frozenset(
    {"arguments", "kind", "message", "path", "tool"}
)  # fields of a step; others that say nothing are left out
_MOST_OF_ERROR: Final = 20_000  # characters


class ConversationObserver(Observer):
    """Passes what the engine tells of templates and tools to the log of the test that it belongs to.

    Args:
        log_of: Returns that of the test in which a run has begun; ``None`` for none.
    """

    def __init__(self, log_of: Callable[[Run], ConversationLog | None]) -> None:
        self._log_of = log_of

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Pass on the beginning of a template."""
        log = self._log_of(event.session.run)
        if log is not None:
            log.template_entered(event)

    def on_template_exit(self, event: TemplateExited) -> None:
        """Pass on the end of a template."""
        log = self._log_of(event.session.run)
        if log is not None:
            log.template_exited(event)

    def on_tool_enter(self, event: ToolEntered) -> None:
        """Pass on the beginning of a tool."""
        log = self._log_of(event.session.run)
        if log is not None:
            log.tool_entered(event)

    def on_tool_exit(self, event: ToolExited) -> None:
        """Pass on the end of a tool."""
        log = self._log_of(event.entered.session.run)
        if log is not None:
            log.tool_exited(event)

    def on_tool_run(self, run: ToolRun) -> None:
        """Pass on what the model is told of a tool."""
        around = run_at_work()
        log = None if around is None else self._log_of(around)
        if log is not None:
            log.tool_told(run)


@dataclass(slots=True)
class _Open:
    """A template that is being rendered.

    Attributes:
        step: Its step.
        started: When it began.
    """

    step: StepRow
    started: float


class ConversationLog:
    """The conversations of one attempt, from all of its threads and tasks.

    Args:
        attempt: The attempt.
        root: The folder that files are named from.
    """

    def __init__(self, attempt: Attempt, root: Path) -> None:
        self._attempt = attempt
        self._root = root
        self._message_log = MessageLog()
        self._steps: list[StepRow] = []
        self._open: dict[Run, list[_Open]] = {}
        self._children: dict[Run, StepRow] = {}  # of parallel templates, which are compared when they have ended
        self._calls: list[tuple[StepRow, ModelCall]] = []
        self._tools: dict[int, tuple[ToolEntered, StepRow]] = {}  # that are at work, by the identity of what was told
        self._untold: list[tuple[object, StepRow]] = []  # that have ended, by what they were given
        self._raised: dict[int, tuple[BaseException, int]] = {}  # by identity, with the step where each came up
        self._noted: dict[int, int | None] = {}  # errors that fail the test, with the step before them
        self._failures = 0  # how many of these were seen
        self._failed_at: int | None = None
        self._differs_at: int | None = None
        self._lock = RLock()

    def template_entered(self, event: TemplateEntered) -> None:
        """A template begins."""
        template, run = event.template, event.session.run
        with self._lock:
            self._note_failures()
            around = self._around(run)
            self._read(event.session.picture(), run, around)
            file, line = built_at(template, self._root)
            is_child = run.part is not None and run.part.template is template and run not in self._open
            step = self._add(
                "template",
                around,
                path=as_text(event.path),
                template_id=template.template_id and as_text(template.template_id),
                kind=type(template).__name__,
                file=file,
                line=line,
                subroutine=is_child or isinstance(template, SubroutineTemplate),
            )
            if is_child:
                self._children[run] = step
            self._open.setdefault(run, []).append(_Open(step, seconds()))

    def template_exited(self, event: TemplateExited) -> None:
        """A template has ended."""
        with self._lock:
            rendered = self._taken(event)
            if rendered is None:
                return
            self._note_failures()
            step = rendered.step
            self._read(event.session.picture(), event.session.run, step["id"])
            step["seconds"] = max(0.0, seconds() - rendered.started)
            if event.error is not None and is_failure(event.error):
                step["error"] = self._error(event.error, step["id"])

    def called(self, call: ModelCall) -> None:
        """A model was called."""
        with self._lock:
            self._note_failures()
            run = None if call.template_path is None else run_at_work()
            around = self._around(run)
            picture = pictured(call.messages)
            self._read(picture, run, around)
            step = self._add("call", around)
            sent = self._message_log.sent(picture, step["id"])
            step |= {"continues": sent.continues, "sent": ranges(sent.places)}
            if sent.continues is not None:
                step |= {"left_out": sent.left_out, "before": ranges(sent.before)}
            if call.reply is not None:
                step["reply"] = self._message_log.answered(call.reply, call.template_path, call.model, run)
            if call.error is not None and is_left_early(call.error):
                step["left_early"] = True
            elif call.error is not None:
                self._error(call.error, step["id"])
            self._calls.append((step, call))

    def tool_entered(self, event: ToolEntered) -> None:
        """A tool begins, in the thread or task in which it is run; or it cannot be run."""
        call, run = event.call, event.session.run
        with self._lock:
            self._note_failures()
            around, picture = self._around(run), event.session.picture()
            told = self._message_log.unread(picture, lambda one: one.role == "tool" and one.tool_call_id == call.id)
            self._read(picture, run, around, before=told)  # what the model is told comes behind the tool
            step = self._add(
                "tool",
                around,
                tool=as_text(call.name),
                tool_call_id=as_text(call.id),
                arguments=json_data(call.arguments),
            )
            self._tools[id(event)] = event, step
            _TOOL.set((_TOOL.get(), step))

    def tool_exited(self, event: ToolExited) -> None:
        """A tool has ended."""
        with self._lock:
            entered, step = self._tools.pop(id(event.entered), (None, None))
            if entered is None or step is None:
                return
            self._note_failures()
            step["seconds"] = max(0.0, event.seconds)
            if event.error is not None and is_failure(event.error):
                step["error"] = self._error(event.error, step["id"])
            self._untold.append((entered.call.arguments, step))
            under_way = _TOOL.get()
            if under_way is not None and under_way[1] is step:
                _TOOL.set(under_way[0])

    def tool_told(self, tool: ToolRun) -> None:
        """A model is told of a tool."""
        with self._lock:
            found = next((one for one in self._untold if one[0] is tool.arguments), None)
            if found is None:
                return
            self._untold.remove(found)
            step = found[1]
            step["result"] = said(tool.result)
            if tool.error is not None:
                step.setdefault("error", self._error(tool.error, step["id"]))

    def suspended(self, run: Run) -> None:
        """The program that goes through a run has the word: what it says by itself comes behind what was said."""
        with self._lock:
            self._read(run.session.picture(), run, self._around(run))

    def subroutine_compared(self, run: Run, path: str) -> None:
        """The parent of a subroutine that ends was compared with what it was."""
        with self._lock:
            place = self._place(run, path)
            step = self._children.pop(run, None) if place is None else self._open[run][place].step
            if step is not None:
                step.setdefault("isolation", "unchanged")
            self._note_failures()

    def message_differs(self, path: str | None) -> None:
        """A message that a template has said last is not as expected."""
        with self._lock:
            self._read_open()
            messages = (step for step in reversed(self._steps) if step["type"] == "message")
            found = (
                step["id"] for step in messages if self._message_log.messages[step["message"]].template_path == path
            )
            self._differs_at = next(found, None)

    def failed(self, error: BaseException) -> None:
        """A phase of the test has failed: find the step at which that was, for the first one that did."""
        with self._lock:
            self._read_open()
            self._note_failures()
            if self._failed_at is None:
                self._failed_at = self._step_of(error)

    def row(self) -> ConversationRow:
        """What was logged, as plain data."""
        with self._lock:
            self._read_open()
            self._note_failures()
            numbers = {id(call): number for number, (call, _) in enumerate(self._attempt.calls)}
            for step, call in self._calls:
                step["call"] = numbers[id(call)]
            messages = self._message_log.messages
            return {
                "messages": [message_row(message) for message in messages],
                "steps": [dict(step) for step in self._steps],  # a run that is left may end in another test
                "failed_at": self._failed_at,
                "pictures": pictures_of(messages),
                "sample": self._attempt.sample if self._attempt.part_of is not None else None,
                "passed": self._attempt.passed,
            }

    def _add(self, what: str, parent: int | None, /, **fields: Any) -> StepRow:
        told = {name: value for name, value in fields.items() if value or name in _ALWAYS}
        step: StepRow = {"id": len(self._steps), "parent": parent, "type": what, **told}
        self._steps.append(step)
        return step

    def _around(self, run: Run | None) -> int | None:
        """The step of the template that a run is in, or of its tool that is at work in this thread or task.

        For a run that begins, it is that of the run which has begun it.
        """
        while run is not None:
            rendered = self._open.get(run)
            if rendered:
                around, tool = rendered[-1].step["id"], _TOOL.get()
                is_tool_of_it = tool is not None and tool[1]["parent"] == around and self._is_at_work(tool[1])
                return int(tool[1]["id"] if tool is not None and is_tool_of_it else around)
            outer = None if run.outer is None else run.outer()
            run = None if outer is run else outer
        return None

    def _is_at_work(self, tool: StepRow) -> bool:
        return any(step is tool for _, step in self._tools.values())

    def _taken(self, event: TemplateExited) -> _Open | None:
        run = event.session.run
        place = self._place(run, event.path)
        if place is None:
            return None  # it began before the test
        rendered = self._open[run]
        taken = rendered[place]
        del rendered[place:]
        if not rendered:
            del self._open[run]
        return taken

    def _place(self, run: Run, path: str) -> int | None:
        """Which of the templates that are being rendered in a run is the one at a path, the innermost one last."""
        rendered, shown = self._open.get(run, ()), as_text(path)
        return next((at for at in reversed(range(len(rendered))) if rendered[at].step["path"] == shown), None)

    def _read(self, picture: Picture, run: Run | None, around: int | None, *, before: int | None = None) -> None:
        for place in self._message_log.read(picture, run, before=before):
            self._add("message", around, message=place)

    def _read_open(self) -> None:
        """Read what was said in runs that have not ended, and may never do."""
        for run, rendered in self._open.items():
            self._read(run.session.picture(), run, rendered[-1].step["id"])

    def _error(self, error: BaseException, step: int) -> str:
        """An error in words: as a whole where it came up, in a line where it passes through."""
        is_new = id(error) not in self._raised
        if is_new:
            self._raised[id(error)] = error, step
        text = as_text(error_text(error))
        return text[:_MOST_OF_ERROR] if is_new else cut(text.partition("\n")[0])

    def _note_failures(self) -> None:
        """Put errors that were added to those of the test down to what happened last."""
        from pytest_templates.errors import IsolationViolation  # not above: that may be loading, and with it this

        failures = self._attempt.failures
        for error in failures[self._failures :]:
            self._noted[id(error)] = self._violated_by(error) if isinstance(error, IsolationViolation) else self._last()
        self._failures = len(failures)

    def _violated_by(self, error: IsolationViolation) -> int | None:
        """The step of the subroutine that changed its parent, which is told so."""
        subroutines = (step for step in reversed(self._steps) if step.get("subroutine"))
        step = next((step for step in subroutines if step["path"] == as_text(error.template_path or "")), None)
        if step is None:
            return self._last()
        step |= {"isolation": "changed", "violation": as_text(str(error))}
        return int(step["id"])

    def _last(self) -> int | None:
        """The last step that says something."""
        return next((step["id"] for step in reversed(self._steps) if step["type"] != "template"), None)

    def _step_of(self, error: BaseException) -> int | None:
        errors = [*chain_of(error), *self._attempt.failures.unsettled()]
        found = [step for one in errors if (step := self._came_up(one)) is not None]
        at = found[0] if found else self._differs_at
        return self._last() if at is None else at

    def _came_up(self, error: BaseException) -> int | None:
        """The step at which an error came up; ``None`` where it was never seen.

        An error may be among those that fail the test before the call that it is about has a step: then the step that
        was the last one so far is noted for it. The step of the call comes later, and is the one that is meant.
        """
        raised, noted = self._raised.get(id(error)), self._noted.get(id(error))
        steps = [*([] if raised is None else [raised[1]]), *([] if noted is None else [noted])]
        return max(steps, default=None)
