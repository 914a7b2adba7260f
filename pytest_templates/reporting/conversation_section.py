"""What was said last, below a failure: a report section of tests that called models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

import pytest

from pytest_templates.run.attempt import Attempt
from pytest_templates.run.features import Feature, hookimpl
from pytest_templates.run.processes import worker_input
from pytest_templates.run.report_data import ReportData

if TYPE_CHECKING:
    from antiphon.observers import SubroutineEntered, SubroutineExited
    from pytest_templates.reporting.transcript import Moment

_COLUMNS: Final = "templates_columns"  # in what the main process sends to workers


class ConversationSection(TypedDict):
    """What was said last before a failure.

    Attributes:
        said: That, in lines as wide as the terminal.
        more: The command that shows all of it; ``""`` where the run writes a report that does.
    """

    said: str
    more: str


SECTION: Final = ReportData[ConversationSection]("conversation_section")


def as_section(section: ConversationSection) -> tuple[str, str]:
    """The section as pytest has it: its title and its text."""
    return "conversation", "\n\n".join(filter(None, [section["said"], section["more"]]))


class ConversationSections(Feature):
    """Adds to the report of a failure what was said last, in the process that ran the test.

    pytest shows it as it shows what was captured: with ``--show-capture=all``, which is the default, also with ``-q``,
    and only of tests that fail.

    Args:
        config: The run.
        has_page: Whether the run writes a report that shows all of it.
    """

    def __init__(self, config: pytest.Config, *, has_page: bool) -> None:
        self._config = config
        self._has_page = has_page

    @property
    def _columns(self) -> int:
        """How wide the terminal is, which a worker does not see."""
        sent: int | None = worker_input(self._config).get(_COLUMNS)
        if sent is not None:
            return sent
        has_terminal = self._config.pluginmanager.has_plugin("terminalreporter")
        return self._config.get_terminal_writer().fullwidth if has_terminal else 80

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist how wide the terminal is."""
        node.workerinput[_COLUMNS] = self._columns

    @hookimpl
    def subroutine_entered(self, attempt: Attempt, event: SubroutineEntered) -> None:
        """Keep where a subroutine has begun, in case that the test fails; one of an earlier turn is known already."""
        if event.parent.run.is_again:
            return
        from pytest_templates.reporting.transcript import SubroutineBegun

        _keep(attempt, SubroutineBegun(event.parent.picture()))

    @hookimpl
    def subroutine_left(self, attempt: Attempt, event: SubroutineExited) -> None:
        """Keep where it has ended."""
        if event.parent.run.is_again:
            return
        from pytest_templates.reporting.transcript import SubroutineEnded

        child = None if event.child is None else event.child.picture()
        _keep(attempt, SubroutineEnded(event.parent.picture(), child))

    @hookimpl
    def attempt_is_reported(self, attempt: Attempt, report: pytest.TestReport) -> None:
        """Add the section to a report that fails, unless another one of this attempt has shown all of it."""
        if not report.failed or not attempt.calls:
            return
        from pytest_templates.reporting.last_said import how_to_see_more, lines_of, said_in

        said = said_in(attempt, attempt.stash.get(_SUBROUTINES, []))
        if len(said) > attempt.stash.get(_SHOWN, 0):
            attempt.stash[_SHOWN] = len(said)
            from pytest_templates.redaction.reports import redaction_of

            redact = redaction_of(attempt)
            lines = lines_of(said, redact, self._columns)
            more = "" if self._has_page else redact(how_to_see_more(attempt.item))
            section = ConversationSection(said="\n".join(lines), more=more)
            SECTION.put(report, section)
            report.sections.append(as_section(section))


_SHOWN: Final = pytest.StashKey[int]()  # how much of what was said in an attempt a section has shown
# Where subroutines began and ended: the place among the calls, and what was said; nothing is copied for that.
_SUBROUTINES: Final[pytest.StashKey[list[tuple[int, Moment]]]] = pytest.StashKey()


def _keep(attempt: Attempt, moment: Moment) -> None:
    attempt.stash.setdefault(_SUBROUTINES, []).append((len(attempt.calls), moment))
