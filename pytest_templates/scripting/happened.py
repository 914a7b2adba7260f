"""Which fault a test has put into a call of a model: told where it happens, and taken when the call has ended."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from antiphon import ModelCall
from antiphon.trace import current_caller
from pytest_templates.faults import Fault

# A call ends in the thread or task in which its model has answered; where in the tree, and which fault.
_HAPPENED: Final[ContextVar[tuple[str | None, str] | None]] = ContextVar("pytest_templates_fault", default=None)


def happens(fault: Fault) -> None:
    """Note that a fault is put into the call under way."""
    caller = current_caller()
    _HAPPENED.set((None if caller is None else caller.template_path, fault.name))


def fault_in(call: ModelCall) -> str | None:
    """The name of the fault in a call that has just ended, the last one where its model has asked others."""
    happened = _HAPPENED.get()
    if happened is None:
        return None
    _HAPPENED.set(None)
    path, name = happened
    return name if path == call.template_path else None
