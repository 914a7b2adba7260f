"""Why a phase of a test has failed, as the report of the run tells it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pytest_templates.support.text import as_text, cut

_OF_PROGRAM: Final = ("Captured stdout", "Captured stderr", "Captured log")
_MOST: Final = 400  # characters of a line


def failure_in(report: pytest.TestReport) -> dict[str, str]:
    """What pytest prints of a phase that has failed, without the output of the program, and the error in a line."""
    text = str(report.longrepr)  # as in its `longreprtext`, which begins with the worker
    told = [f"{title}\n{said}" for title, said in report.sections if not title.startswith(_OF_PROGRAM)]
    return {"text": as_text("\n\n".join([text, *told])), "message": as_text(cut(_line(report.longrepr, text), _MOST))}


def is_of_subtest(report: pytest.TestReport) -> bool:
    """Whether a report is that of a subtest."""
    return hasattr(report, "context")


def _line(shown: Any, text: str) -> str:
    """The error in a line: as pytest has it, or else the first line that says anything."""
    crash = getattr(getattr(shown, "reprcrash", None), "message", None)
    said = crash if isinstance(crash, str) and crash.strip() else text
    return next((line.strip() for line in said.splitlines() if line.strip()), "")
