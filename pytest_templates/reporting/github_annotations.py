"""Failures as annotations of GitHub Actions, at the line that built the template whose call failed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import pytest

from pytest_templates.run.attempt import Attempt, attempt_of
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.report_data import ReportData
from pytest_templates.run.under_way import under_way_in
from pytest_templates.support.engine import EngineListener
from pytest_templates.support.failures import chain_of
from pytest_templates.support.text import OUTSIDE, counted, cut, visible, visible_lines

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from antiphon import ModelCall
    from antiphon.observers import Observer

_MOST: Final = 10  # errors that GitHub shows of one step
_LONGEST: Final = 2000  # characters of a message


class FailedCall(TypedDict):
    """The call at which a test failed, or the last one before.

    Attributes:
        template: The path of the template, or what else asked.
        model: The name of the model.
        file: The file in which the template was built; ``""`` where that is not known.
        line: The line, from 1; 0 where that is not known.
    """

    template: str
    model: str
    file: str
    line: int


FAILED_CALL: Final = ReportData[FailedCall]("failed_call")
_ERROR: Final = pytest.StashKey[BaseException | None]()  # that the phase to be reported has raised
_BUILT_AT: Final = pytest.StashKey[dict[str, tuple[str, int]]]()  # by the path of the template


class FailedCalls(Feature):
    """Sends with the report of a failure which template asked last, and where that was built.

    Args:
        config: Of the process that runs the tests.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._under_way = under_way_in(config)
        self._listener = EngineListener(self._observer)

    def _observer(self) -> Observer:
        from antiphon.observers import Observer, TemplateEntered

        under_way = self._under_way

        class BuiltAt(Observer):
            def on_template_enter(self, event: TemplateEntered) -> None:
                attempt, built_at = under_way.attempt_of_run(event.session.run), event.template.built_at
                if attempt is not None and built_at is not None:
                    attempt.stash.setdefault(_BUILT_AT, {})[event.path] = (built_at.file, built_at.line)

        return BuiltAt()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Know why a phase has failed, before it is reported."""
        attempt_of(item).stash[_ERROR] = None if call.excinfo is None else call.excinfo.value

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Send it."""
        error = attempt.stash.get(_ERROR, None)
        attempt.stash[_ERROR] = None
        if report.failed and attempt.calls:
            errors = [*([] if error is None else chain_of(error)), *attempt.failures.unsettled()]
            call = _failing([call for call, _ in attempt.calls], errors)
            file, line = attempt.stash.get(_BUILT_AT, {}).get(call.template_path or "", ("", 0))
            told = FailedCall(template=call.template_path or OUTSIDE, model=call.model, file=file, line=line)
            FAILED_CALL.put(report, told)

    def pytest_unconfigure(self) -> None:
        """Stop listening."""
        self._listener.end()


def _failing(calls: list[ModelCall], errors: list[BaseException]) -> ModelCall:
    """The last call that raised what fails the test; the last one where none did."""
    failing = {id(error) for error in errors}
    return next((call for call in reversed(calls) if call.error is not None and id(call.error) in failing), calls[-1])


class Annotations(Feature):
    """Prints the annotations when all tests were run, in the process that receives their reports.

    Args:
        config: The run.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: dict[str, pytest.TestReport] = {}
        self._calls: dict[str, FailedCall] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a report brings; an attempt that is made anew counts alone."""
        if report.when == "setup":
            self._failed.pop(report.nodeid, None)
            self._calls.pop(report.nodeid, None)
        for call in FAILED_CALL.all_of(report):
            self._calls.setdefault(report.nodeid, call)
        if report.failed:
            self._failed.setdefault(report.nodeid, report)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print them, as many as GitHub shows, and how many more there are."""
        failed = [(report, self._calls[test]) for test, report in self._failed.items() if test in self._calls]
        for report, call in failed[:_MOST]:
            terminalreporter.line(self._annotation(report, call))
        if len(failed) > _MOST:
            more = f"{counted(len(failed) - _MOST, 'more test')} failed: GitHub shows {_MOST} annotations of a step"
            terminalreporter.line(command("notice", more, title="prompt templates"))

    def _annotation(self, report: pytest.TestReport, call: FailedCall) -> str:
        from pytest_templates.redaction.reports import redacted_in_run
        from pytest_templates.reporting.failures import error_in

        file, line = self._place(report, call)
        title = f"{call['template']} · {call['model']}"
        title, text = redacted_in_run([title, f"{report.nodeid}\n{error_in(report)}"], self._config)
        return command("error", cut(text, _LONGEST), file=file, line=str(line), title=title)

    def _place(self, report: pytest.TestReport, call: FailedCall) -> tuple[str, int]:
        """The line that built the template, in the repository; of one from elsewhere the line of the test."""
        root = Path(os.environ.get("GITHUB_WORKSPACE") or self._config.rootpath)
        if call["file"] and Path(call["file"]).is_relative_to(root):
            return Path(call["file"]).relative_to(root).as_posix(), call["line"]
        name, number, _ = report.location
        file = Path(self._config.rootpath, name)
        return (file.relative_to(root) if file.is_relative_to(root) else Path(name)).as_posix(), (number or 0) + 1


def command(kind: str, message: str, **properties: str) -> str:
    """A workflow command: a line of output that GitHub's runner reads.

    Args:
        kind: Such as ``"error"``.
        message: What it says.
        properties: Such as ``file``, ``line`` and ``title``.
    """
    told = ",".join(f"{name}={_escaped(visible(value), ':,')}" for name, value in properties.items())
    return f"::{kind} {told}::{_escaped(visible_lines(message))}"


def _escaped(text: str, also: str = "") -> str:
    """A text in which nothing ends the command: as GitHub's own toolkit escapes values, and properties."""
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
