"""Why a phase of a test has failed, as reports tell it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pytest_templates.reporting.conversation_section import SECTION, as_section
from pytest_templates.support.text import as_text, cut

_PRINTED: Final = ("Captured stdout", "Captured stderr", "Captured log")  # what the program prints is its own
_MOST: Final = 400  # characters of a line


def failure_in(report: pytest.TestReport | pytest.CollectReport) -> dict[str, str]:
    """What pytest prints of a phase that has failed, without output and conversation, and the error in a line."""
    text = str(report.longrepr)  # as in its `longreprtext`, which begins with the worker
    conversation = SECTION.of(report) if isinstance(report, pytest.TestReport) else None  # which reports tell apart
    left_out = None if conversation is None else as_section(conversation)
    sections = [(title, said) for title, said in report.sections if not title.startswith(_PRINTED)]
    told = [f"{title}\n{said}" for title, said in sections if (title, said) != left_out]
    return {"text": as_text("\n\n".join([text, *told])), "message": line_of(report.longrepr, text)}


def is_of_subtest(report: pytest.TestReport) -> bool:
    """Whether a report is that of a subtest."""
    return isinstance(report, pytest.SubtestReport)


def error_in(report: pytest.TestReport) -> str:
    """The error, with the comparison that pytest makes of an assertion, and without the traceback."""
    return _error(report.longrepr, report.longreprtext)


def _error(shown: Any, text: str) -> str:
    """The error as pytest has it, or else all that is shown."""
    crash = getattr(getattr(shown, "reprcrash", None), "message", None)
    return crash if isinstance(crash, str) and crash.strip() else text


def line_of(shown: Any, text: str) -> str:
    """The first line of an error that says anything.

    Args:
        shown: What represents the failure.
        text: All that is shown of it.
    """
    lines = (line.strip() for line in _error(shown, text).splitlines())
    return as_text(cut(next((line for line in lines if line), ""), _MOST))
