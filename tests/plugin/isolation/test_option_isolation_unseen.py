"""Values of which only the identity can be compared: named, refused or ignored, and given a state by the project."""

from __future__ import annotations

import pytest

TESTS = """
import threading

class Index:
    "Closes something, so copies share it, and nobody looks into it."
    def __init__(self):
        self.entries = []
    def close(self):
        pass

def ask(meddle):
    index = Index()
    research(ScriptedModel("one"), lambda child: meddle(index) or child, {"index": index, "again": [index], "n": 1})

def test_used():
    ask(lambda index: len(index.entries))

def test_changed():
    ask(lambda index: index.entries.append("x"))
"""
STATE = """
def pytest_templates_state(value):
    return {"entries": list(value.entries)} if type(value).__name__ == "Index" else None
"""
FAILING_STATE = """
def pytest_templates_state(value):
    raise RuntimeError("cannot look")
"""


@pytest.mark.parametrize(
    "arguments", [["--templates-isolation=on"], ["--templates-isolation=precise"], ["-n", "2"]], ids=str
)
def test_what_cannot_be_compared_is_named_once_with_what_to_do(project, arguments):
    project.tests(TESTS)

    result = project.run(*arguments)

    assert result.parseoutcomes() == {"passed": 2}
    [line] = [line for line in result.outlines if "identity alone" in line]
    assert line == (
        "templates: isolation told apart by identity alone: metadata['index'] (Index); "
        "pytest_templates_state(value) in conftest.py can say what their state is"
    )


def test_it_can_fail_the_test(project):
    project.ini("templates_isolation_unseen = fail")
    project.tests(TESTS)

    result = project.run()

    assert result.parseoutcomes() == {"failed": 2}
    project.says(
        result,
        "IsolationViolation: the subroutine at 'research' may change what cannot be compared:",
        "metadata['index'] (Index)",
        "say what their state is: implement pytest_templates_state(value) in conftest.py",
    )


def test_another_value_is_refused_with_the_valid_ones(project):
    project.ini("templates_isolation_unseen = maybe")
    project.tests(TESTS)

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "templates_isolation_unseen" in str(result.stderr)
    assert "report" in str(result.stderr)


def test_it_can_be_ignored(project):
    project.ini("templates_isolation_unseen = ignore")
    project.tests(TESTS)

    result = project.run()

    assert result.parseoutcomes() == {"passed": 2}
    assert "identity alone" not in str(result.stdout)


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_a_project_says_what_the_state_is(project, mode):
    project.ini("templates_isolation_unseen = fail")
    project.file("conftest.py", STATE)
    project.tests(TESTS)

    result = project.run(f"--templates-isolation={mode}")

    assert result.parseoutcomes() == {"passed": 1, "failed": 1}
    project.says(result, "metadata['index']['entries'][0] was added: 'x'", "FAILED test_it.py::test_changed")


def test_a_hook_that_fails_leaves_the_program_alone_and_fails_the_test(project):
    project.file("conftest.py", FAILING_STATE)
    project.tests(TESTS + "    assert 'the program' == 'goes on'\n")

    result = project.run()

    assert result.parseoutcomes() == {"failed": 2}
    project.says(
        result,
        "conftest.py: the hook pytest_templates_state failed with RuntimeError: cannot look",
        "assert 'the program' == 'goes on'",
        "(Index)",
    )


def test_assert_isolated_and_what_is_shared_know_of_it_as_well(project):
    project.ini("templates_isolation_unseen = fail")
    project.file("conftest.py", STATE)
    project.tests(
        TESTS
        + """
def test_block():
    index = Index()
    session = Session(metadata={"index": index})
    with pytest.raises(IsolationViolation, match="entries"), assert_isolated(session):
        index.entries.append("x")
"""
    )

    assert project.outcomes("-k", "block") == {"passed": 1, "deselected": 2}


BLOCK = """
import threading

from antiphon import Session
from pytest_templates import assert_isolated

def test_block():
    session = Session(metadata={"lock": threading.Lock()})
    with assert_isolated(session):
        session.metadata["lock"].acquire()
"""


def test_what_a_guarded_block_may_change_unseen_is_named_too(project):
    project.tests(BLOCK)

    result = project.run()

    assert result.parseoutcomes() == {"passed": 1}
    project.says(result, "templates: isolation told apart by identity alone: metadata['lock'] (lock); pytest_templates")


def test_it_can_fail_the_test_of_a_guarded_block(project):
    project.ini("templates_isolation_unseen = fail")
    project.tests(BLOCK)

    result = project.run()

    assert result.parseoutcomes() == {"failed": 1}
    project.says(result, "IsolationViolation: the block may change what cannot be compared:", "metadata['lock'] (lock)")
