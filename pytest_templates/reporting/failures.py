"""What a failure says, from the report of a phase of a test."""

from __future__ import annotations

from typing import Any

import pytest


def error_in(report: pytest.TestReport) -> str:
    """The error, with the comparison that pytest makes of an assertion, and without the traceback."""
    shown: Any = report.longrepr
    crash = getattr(getattr(shown, "reprcrash", None), "message", None)
    return crash if isinstance(crash, str) and crash.strip() else report.longreprtext
