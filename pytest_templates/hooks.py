"""The hooks for projects: a ``conftest.py``, or a plugin, implements them.

What a hook is given is a frozen value; make a changed one with `dataclasses.replace`. No implementation may be a
wrapper. One that fails, or returns what it may not, fails the test or the run; the text names its file or plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from antiphon import ModelCall
    from pytest_templates.cassettes.recorded import Interaction, RecordedRequest
    from pytest_templates.reporting.document import Report


@pytest.hookspec
def pytest_templates_scrub(interaction: Interaction) -> Interaction | None:
    """Remove from a recording what the built-in rules leave in it, such as names of customers.

    Every implementation is called, one after the other, each with what the one before it returned; the built-in rules
    apply before and after. A request is also scrubbed when its recording is looked up: then there is no response yet,
    its status is 0 and its body empty. What is read from a cassette is scrubbed once more, so the hook must be
    idempotent.

    Args:
        interaction: A request and its response, without the secrets that the plugin knows.

    Returns:
        The changed interaction, or ``None`` for no change.
    """


@pytest.hookspec
def pytest_templates_match(request: RecordedRequest, recorded: RecordedRequest) -> bool | None:
    """Say whether a recording answers a request, where the built-in comparison is too strict or too lenient.

    Called in recorded order, for recordings that were not replayed yet: first for those that equal the request, where
    ``False`` refuses one, then for the others, where ``True`` accepts one. The first result but ``None`` counts.

    Args:
        request: The request that is made, scrubbed.
        recorded: The request of a recording.

    Returns:
        ``True``, ``False``, or ``None`` to leave it to other implementations, and to the built-in comparison at last.
    """


@pytest.hookspec(firstresult=True)
def pytest_templates_state(value: object) -> object:
    """Say what the state of a value of your own type is, where the isolation guard cannot look into it.

    It is called for values that the parent of a subroutine holds, before and after the subroutine, for all types but
    those of plain data. It must not change the value. The first result but ``None`` counts.

    Args:
        value: Anything that a session, its metadata or its runner holds.

    Returns:
        Plain data that differ when the state differs, such as a text, a number, a list or a dict of these; ``None`` for
        values of all other types. One that raises fails the test, and is asked no more in it.
    """


@pytest.hookspec
def pytest_templates_model_call(call: ModelCall, item: pytest.Item) -> None:
    """Called once for every model call in a test, when it has ended, also if it failed.

    It runs in the process, thread or task that made the call, and the call returns after it.

    Args:
        call: The call, whatever answered it: a script, a cassette or a real model. Calls that clients make without the
            engine are not reported.
        item: The test.
    """


@pytest.hookspec
def pytest_templates_report_section(report: Report) -> tuple[str, str] | None:
    """Add a section to the output at the end of the run.

    It is called once, when all tests were run, in the process that was started. With pytest-xdist no worker calls it:
    the implementation belongs in a plugin, or in the ``conftest.py`` of the root directory.

    Args:
        report: What was run, in all processes.

    Returns:
        The title of a section and its text, in which secrets are redacted; ``None`` for no section.
    """
