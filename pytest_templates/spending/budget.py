"""What one test may spend: the marker ``llm_budget``."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

from antiphon import ModelCall
from antiphon.errors import naming_template
from pytest_templates.errors import BudgetExceeded
from pytest_templates.run.calls import CallRow, Source, lines_of, row_of, table_of
from pytest_templates.spending.limits import Limits
from pytest_templates.spending.tally import Entry, Tally, compared
from pytest_templates.spending.tally import table_of as table_of_limits
from pytest_templates.support.text import OUTSIDE

_REMEDY: Final = "Ask less or another model, or change the limit at the marker."
_UNPRICED: Final = "What has no known price cannot be held to a cost: limit tokens at the marker, or ask another model."


class Budget:
    """Counts every call of a test, whatever answers it, and objects to what is beyond a limit.

    The call that goes beyond is counted and traced, and so is its answer: it was paid for. What can be known before a
    real model is asked keeps it from being asked. From then on every call raises: a program that swallows the error,
    or asks for ever, does not spend on.

    Args:
        test: The test's node id.
        limits: What it may spend.
        complain: Told, once, that it spends more.
    """

    def __init__(self, test: str, limits: Limits, complain: Callable[[Exception], None]) -> None:
        self._test = test
        self._limits = limits
        self._complain = complain
        self._tally = Tally()
        self._calls: list[CallRow] = []
        self._is_shown = False
        self._lock = Lock()

    def check(self, model: str) -> None:
        """Before a real model is asked.

        Raises:
            BudgetExceeded: The call would be one too many, or the model is not allowed.
        """
        with self._lock:
            exceeded = self._judged(self._tally.asking(model), f"a call of {model} was refused")
        if exceeded is not None:
            raise exceeded

    def add(self, call: ModelCall, source: Source) -> None:
        """After a model was asked.

        Raises:
            BudgetExceeded: A limit does not hold any more. Not where the program is just letting go of the call: then
                only the test fails.
        """
        if isinstance(call.error, BudgetExceeded):  # refused: nothing was spent
            return
        row = row_of(call, source)
        with self._lock:
            self._tally = self._tally.adding(row)
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
        if not self._is_shown:
            self._is_shown = True
            self._complain(exceeded)
        return exceeded

    def _text(self, entries: list[Entry], when: str) -> str:
        lines = [f"{self._test} is beyond its budget (llm_budget): {when}", table_of_limits(entries), ""]
        if self._calls:
            lines += [table_of(lines_of(self._calls)), ""]
        return "\n".join([*lines, _UNPRICED if self._tally.unpriced and self._limits.cost is not None else _REMEDY])
