"""The faults that tests put into calls of models: each is noted on its call, which tells of it when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from antiphon import ModelCall
from antiphon.trace import CURRENT_CALL
from pytest_templates.faults import Fault
from pytest_templates.support.virtual_time import note_double

_NOTE: Final = "pytest_templates.fault"


def happens(fault: Fault) -> None:
    """Note that a fault is put into the call under way, after those of the same call that it has survived."""
    note_double()
    call = CURRENT_CALL.get()
    if call is not None:
        call.notes[_NOTE] = ", ".join([*([call.notes[_NOTE]] if _NOTE in call.notes else []), fault.name])


def fault_in(call: ModelCall) -> str | None:
    """The name of the fault in a call, or else of the last one in the calls that its model made; ``None`` for none."""
    return next(_faults_in(call), None)


def _faults_in(call: ModelCall) -> Iterator[str]:
    if _NOTE in call.notes:
        yield call.notes[_NOTE]
    for inner in reversed(call.inner):
        yield from _faults_in(inner)
