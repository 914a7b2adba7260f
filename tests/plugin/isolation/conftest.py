from __future__ import annotations

from collections.abc import Callable

# An inner run takes back what it imported: libraries that keep tables of classes are imported once.
import httpx  # noqa: F401
import openai  # noqa: F401
import pytest

SUBROUTINE = '''
import contextvars
import os
from functools import cached_property

import httpx

NOTES = []

def run(meddle, metadata=None, model=None, runner=None, **options):
    """A subroutine whose only answer is followed by some code; returns its parent's session."""
    summary = AssistantTemplate(after_transform=meddle, template_id="summary")
    inner = LinearTemplate([UserTemplate("Look it up."), summary], template_id="search")
    parent = Session(metadata={} if metadata is None else metadata)
    tree = LinearTemplate([SubroutineTemplate(inner, "research", **options)], template_id="desk")
    runner = runner or Runner(model or ScriptedModel("one"))
    runner.template = tree
    return runner.run(parent)
'''


@pytest.fixture
def guarded(project) -> Callable[..., pytest.RunResult]:
    """Runs tests, which know of the function above: ``guarded("precise", "def test_it(): …")``."""

    def run(mode: str, tests: str, *arguments: str) -> pytest.RunResult:
        project.file("desk.py", "from antiphon import *\nfrom pytest_templates import *\n" + SUBROUTINE)
        project.tests("from desk import *\n" + tests)
        return project.run(f"--templates-isolation={mode}", *arguments)

    return run


@pytest.fixture
def said(guarded) -> Callable[..., str]:
    """Runs a test in a mode of the guard; gives what it failed with, ``""`` where it passed."""

    def run(mode: str, test: str, *arguments: str) -> str:
        result = guarded(mode, test, *arguments)
        output = str(result.stdout)
        assert sum(result.parseoutcomes().get(name, 0) for name in ("passed", "failed")) == 1, output
        if result.parseoutcomes() == {"passed": 1}:
            return ""
        assert "IsolationViolation: " in output, output
        return output.partition("IsolationViolation: ")[2].partition("short test summary")[0]

    return run
