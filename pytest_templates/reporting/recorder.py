"""Records the conversations of an attempt of a test, step by step, as plain data for its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from antiphon.history import Picture, pictured
from antiphon.observers import Observer, TemplateEntered, TemplateExited
from antiphon.session import Run, run_at_work
from antiphon.signals import Leaving
from antiphon.templates.subroutine import SubroutineTemplate
from antiphon.trace import ModelCall, ToolRun
from pytest_templates.errors import IsolationViolation
from pytest_templates.reporting.message_log import MessageLog, ranges
from pytest_templates.reporting.message_rows import json_data, message_row, pictures_of
from pytest_templates.support.clock import seconds
from pytest_templates.support.engine import built_at
from pytest_templates.support.failures import chain_of
from pytest_templates.support.text import as_text, cut

if TYPE_CHECKING:
    from pytest_templates.reporting.rows import ConversationRow
    from pytest_templates.run.attempt import Attempt

StepRow: TypeAlias = dict[str, Any]  # the fields of a step: see `conversation`

_MOST_OF_ERROR: Final = 20_000  # characters


class ConversationObserver(Observer):
    """Passes what the engine tells of templates and tools to the recorder of the test that it belongs to.

    Args:
        recorder: Returns that of the test in which a run has begun; ``None`` for none.
    """

    def __init__(self, recorder: Callable[[Run], ConversationRecorder | None]) -> None:
        self._recorder = recorder

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Pass on the beginning of a template."""
        recorder = self._recorder(event.session.run)
        if recorder is not None:
            recorder.template_entered(event)

    def on_template_exit(self, event: TemplateExited) -> None:
        """Pass on the end of a template."""
        recorder = self._recorder(event.session.run)
        if recorder is not None:
            recorder.template_exited(event)

    def on_tool_run(self, run: ToolRun) -> None:
        """Pass on the run of a tool."""
        around = run_at_work()
        recorder = None if around is None else self._recorder(around)
        if recorder is not None and around is not None:
            recorder.tool_run(run, around)


@dataclass(slots=True)
class _Open:
    """A template that is being rendered.

    Attributes:
        step: Its step.
        started: When it began.
    """

    step: StepRow
    started: float


class ConversationRecorder:
    """The conversations of one attempt, from all of its threads and tasks.

    Args:
        attempt: The attempt.
        root: The folder that files are named from.
    """

    def __init__(self, attempt: Attempt, root: Path) -> None:
        self._attempt = attempt
        self._root = root
        self._log = MessageLog()
        self._steps: list[StepRow] = []
        self._open: dict[Run, list[_Open]] = {}
        self._calls: list[tuple[StepRow, ModelCall]] = []
        self._raised: dict[int, tuple[BaseException, int]] = {}  # by identity, with the step where each came up
        self._noted: dict[int, int | None] = {}  # errors that fail the test, with the step before them
        self._failures = 0  # how many of these were seen
        self._failed_at: int | None = None
        self._lock = RLock()

    def template_entered(self, event: TemplateEntered) -> None:
        """A template begins."""
        template, run = event.template, event.session.run
        with self._lock:
            self._note_failures()
            around = self._around(run)
            self._read(event.session.picture(), run, around)
            file, line = built_at(template, self._root)
            step = self._add(
                "template",
                around,
                path=as_text(event.path),
                template_id=template.template_id and as_text(template.template_id),
                kind=type(template).__name__,
                file=file,
                line=line,
                subroutine=isinstance(template, SubroutineTemplate),
            )
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
            if event.error is not None and not isinstance(event.error, Leaving):
                step["error"] = self._error(event.error, step["id"])

    def called(self, call: ModelCall) -> None:
        """A model was called."""
        with self._lock:
            self._note_failures()
            run = None if call.template_path is None else run_at_work()
            around = None if run is None else self._around(run)
            picture = pictured(call.messages)
            self._read(picture, run, around)
            step = self._add("call", around)
            continues, places = self._log.sent(picture, step["id"])
            step |= {"continues": continues, "sent": ranges(places)}
            if call.reply is not None:
                step["reply"] = self._log.answered(call.reply, call.template_path, call.model, run)
            if call.error is not None:
                self._error(call.error, step["id"])
            self._calls.append((step, call))

    def tool_run(self, tool: ToolRun, run: Run) -> None:
        """A tool was run, and its result stands in the conversation already, or is about to."""
        with self._lock:
            self._note_failures()
            around = self._around(run)
            picture = run.session.picture()
            told = self._log.unread(picture, lambda one: one.role == "tool" and one.content == tool.result)
            self._read(picture, run, around, before=told)
            step = self._add(
                "tool",
                around,
                tool=as_text(tool.tool),
                tool_call_id=None if told is None else as_text(picture[told].tool_call_id or ""),
                arguments=json_data(tool.arguments),
                result=as_text(tool.result),
                seconds=max(0.0, tool.seconds),
            )
            if tool.error is not None:
                step["error"] = self._error(tool.error, step["id"])

    def subroutine_compared(self, run: Run, path: str) -> None:
        """The parent of a subroutine that ends was compared with what it was."""
        with self._lock:
            place = self._place(run, path)
            if place is not None:
                self._open[run][place].step.setdefault("isolation", "unchanged")
            self._note_failures()

    def failed(self, error: BaseException) -> None:
        """A phase of the test has failed: find the step at which that was, for the first one that did."""
        with self._lock:
            self._read_open()
            self._note_failures()
            if self._failed_at is None:
                self._failed_at = self._step_of(error)

    def row(self) -> ConversationRow:
        """What was recorded, as plain data."""
        with self._lock:
            self._read_open()
            self._note_failures()
            numbers = {id(call): number for number, (call, _) in enumerate(self._attempt.calls)}
            for step, call in self._calls:
                step["call"] = numbers[id(call)]
            messages = self._log.messages
            return {
                "messages": [message_row(message) for message in messages],
                "steps": self._steps,
                "failed_at": self._failed_at,
                "pictures": pictures_of(messages),
                "sample": self._attempt.sample if self._attempt.part_of is not None else None,
                "passed": self._attempt.passed,
            }

    def _add(self, what: str, parent: int | None, /, **fields: Any) -> StepRow:
        step: StepRow = {"id": len(self._steps), "parent": parent, "type": what, **fields}
        self._steps.append(step)
        return step

    def _around(self, run: Run) -> int | None:
        """The step of the template that a run is in; for a run that begins, of the one that has begun it."""
        while True:
            rendered = self._open.get(run)
            if rendered:
                return int(rendered[-1].step["id"])
            outer = None if run.outer is None else run.outer()
            if outer is None or outer is run:
                return None
            run = outer

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
        for place in self._log.read(picture, run, before=before):
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
        text = as_text(f"{type(error).__name__}: {error}")
        return text[:_MOST_OF_ERROR] if is_new else cut(text.partition("\n")[0])

    def _note_failures(self) -> None:
        """Put errors that were added to those of the test down to what happened last."""
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
        found = [self._raised[id(one)][1] for one in errors if id(one) in self._raised]
        found += [step for one in errors if (step := self._noted.get(id(one))) is not None]
        return found[0] if found else self._last()
