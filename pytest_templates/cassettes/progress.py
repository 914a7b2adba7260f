"""While a run records: a line at its start that says so, and one on the terminal that says what it has cost so far."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pytest_templates.cassettes.options import RECORD
from pytest_templates.cassettes.places import CASSETTES
from pytest_templates.run.attempt import Attempt
from pytest_templates.run.call_rows import CallRow
from pytest_templates.run.calls import CALLS, CallSource, row_of
from pytest_templates.run.features import Feature, hookimpl, join
from pytest_templates.run.totals import Sum, cost_cell, sum_of
from pytest_templates.support.clock import seconds
from pytest_templates.support.files import shown_in
from pytest_templates.support.text import columns_of, counted, cut_before, visible

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from antiphon import ModelCall
    from pytest_templates.support.status_line import StatusLine

_GAP: Final = "  "
_TICK: Final = 0.01  # seconds; nothing is recorded in less
_LEAST_OF_NAME: Final = 12  # columns, of the name of a test; where there are fewer it is left out


def header_of(config: pytest.Config) -> str:
    """What the header of a run that records says: that it does, and where."""
    from antiphon.printing import public_address
    from pytest_templates.cassettes.storage.location import is_url

    place = CASSETTES.of(config)
    folder = shown_in(config.invocation_params.dir, Path(place.root, place.location))
    where = public_address(place.location) if is_url(place.location) else folder
    return visible(f"templates: records real model calls (--templates-record={RECORD.of(config)}) into {where}")


def recorded(rows: Iterable[CallRow]) -> Sum:
    """Those of some calls that were recorded, added up."""
    return sum_of(row for row in rows if row["source"] == "recorded")


class RecordingProgress(Feature):
    """Shows, on a terminal, what was recorded so far.

    In a run without workers each call shows as it ends, with workers as their reports arrive.

    Args:
        line: The line of the terminal.
    """

    def __init__(self, line: StatusLine) -> None:
        self._line = line
        self._test = ""
        self._reported = Sum()
        self._of_test = Sum()  # of the one under way in this process
        self._started: float | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Name the test that has begun."""
        self._test = nodeid
        self._show()

    @hookimpl(trylast=True)
    def model_called(self, attempt: Attempt, call: ModelCall, source: CallSource) -> None:
        """Add a call of the test that is under way in this process."""
        if attempt.repeats is None:
            self._of_test += recorded([row_of(call, source.name)])
            self._show()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the calls that a report brings, from whichever process."""
        self._reported += recorded(chain.from_iterable(CALLS.all_of(report)))
        if report.when == "teardown":
            self._of_test = Sum()
        self._test = report.nodeid
        self._show()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Take the line away: what was recorded stands in the summary."""
        self._line.end()

    def _show(self) -> None:
        now = seconds()
        started = self._started = now if self._started is None else self._started
        total = self._reported + self._of_test
        self._line.show(lambda columns: line_of(self._test, total, now - started, columns))


def line_of(test: str, total: Sum, elapsed: float, columns: int) -> str:
    """The line: the test, calls, tokens, cost and rate; of the test's name as much as there is room for.

    Args:
        test: The test under way.
        total: What was recorded so far.
        elapsed: Seconds since the first test began.
        columns: How wide the terminal is.
    """
    cost = cost_cell(total.cost, total.unpriced) if total.cost or not total.unpriced else "cost unknown"
    rate = f"{total.calls * 60 / max(elapsed, _TICK):,.0f} calls/min"
    numbers = [counted(total.calls, "call"), counted(total.tokens, "token"), cost, rate]
    rest = ["recording", *(numbers if total.calls else [])]
    room = columns - sum(columns_of(part) + len(_GAP) for part in rest)
    name = [cut_before(visible(test), room)] if room >= _LEAST_OF_NAME else []
    return _GAP.join([rest[0], *name, *rest[1:]])


def show_on_terminal(config: pytest.Config) -> None:
    """Show the progress of a run that records, where there is a terminal on which a line can be written anew.

    Not with ``-q``, and not with ``-s``: what programs print is written to the same lines then.
    """
    terminal: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    is_captured = config.getoption("capture", "no") != "no"
    if terminal is None or config.option.verbose < 0 or not is_captured or not _can_rewrite(terminal):
        return
    from pytest_templates.support.status_line import StatusLine

    join(config, RecordingProgress(StatusLine(config.get_terminal_writer())), "recording-progress")


def _can_rewrite(terminal: TerminalReporter) -> bool:
    """Whether the output goes to a terminal that knows the sequences for it; pytest takes those of Windows away."""
    return terminal.isatty() and sys.platform != "win32" and os.environ.get("TERM", "dumb") != "dumb"
