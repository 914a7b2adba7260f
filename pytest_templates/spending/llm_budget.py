"""The budget of a test: what its marker ``llm_budget`` allows it to spend."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

from antiphon import ModelCall, Usage
from antiphon.call_recorder import used_within
from antiphon.errors import naming_template
from pytest_templates.errors import BudgetExceeded
from pytest_templates.run.call_rows import CallRow, Source
from pytest_templates.run.calls import row_of
from pytest_templates.run.totals import lines_of, table_of
from pytest_templates.spending.limits import Entry, Limits, Tally, compared, table_of_limits
from pytest_templates.support.text import OUTSIDE

_REMEDY: Final = "Ask less or another model, or change the limit at the marker."
_UNPRICED: Final = "What has no known price cannot be held to a cost: limit tokens at the marker, or ask another model."


class Budget:
    """Counts every call of a test, whatever answers it, and raises an error when a limit is exceeded.

    The call that exceeds it is counted and traced with its answer: it was paid for. Where it is known beforehand that a
    call would exceed a limit, no real model is called. Once a limit is exceeded every call raises, so that a program
    that swallows the error, or calls for ever, spends no more.

    Args:
        test: The test's node id.
        limits: What it may spend.
        report: Takes the error, once.
    """

    def __init__(self, test: str, limits: Limits, report: Callable[[Exception], None]) -> None:
        self._test = test
        self._limits = limits
        self._report = report
        self._tally = Tally()
        self._calls: list[CallRow] = []
        self._is_reported = False
        self._lock = Lock()

    def check(self, model: str) -> None:
        """Check a call before a real model is called.

        Raises:
            BudgetExceeded: The call would be one too many, or the model is not allowed.
        """
        within = used_within() or Usage()
        with self._lock:
            tally = self._tally.with_call_of(model).with_usage(within)
            exceeded = self._judged(tally, f"a call of {model} was refused")
        if exceeded is not None:
            raise exceeded

    def add(self, call: ModelCall, source: Source) -> None:
        """Add a call that has ended.

        Raises:
            BudgetExceeded: A limit is exceeded. It is only reported, not raised, where the call was cancelled.
        """
        if isinstance(call.error, BudgetExceeded):  # refused: nothing was spent
            return
        row = row_of(call, source)
        with self._lock:
            self._tally = self._tally.with_call(row)
            self._calls.append(row)
            asked_by = call.template_path or OUTSIDE
            exceeded = self._judged(self._tally, f"with call {self._tally.calls}, by {asked_by}")
        if exceeded is not None and (call.error is None or isinstance(call.error, Exception)):
            raise exceeded

    def _judged(self, tally: Tally, when: str) -> BudgetExceeded | None:
        entries = compared(tally, self._limits)
        if not any(entry.objection for entry in entries):
            return None
        exceeded = naming_template(BudgetExceeded(self._text(entries, when)))
        if not self._is_reported:
            self._is_reported = True
            self._report(exceeded)
        return exceeded

    def _text(self, entries: list[Entry], when: str) -> str:
        lines = [f"{self._test} is beyond its budget (llm_budget): {when}", table_of_limits(entries), ""]
        if self._calls:
            lines += [table_of(lines_of(self._calls)), ""]
        return "\n".join([*lines, _UNPRICED if self._tally.unpriced and self._limits.cost is not None else _REMEDY])
