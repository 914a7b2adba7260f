"""Everything that goes against a test is shown, the first one first."""

from __future__ import annotations

from itertools import permutations

import pytest

UNMARKED = ("UnscriptedCall", "LiveCallRefused", "IsolationViolation")
MARKED = ("UnscriptedCall", "CassetteMiss", "IsolationViolation")


def told(result: pytest.RunResult, kinds: tuple[str, ...]) -> list[str]:
    """The kinds that are told, each where its text begins."""
    begun = [line.removeprefix("E ").strip().partition(":")[0] for line in result.outlines if ": " in line]
    return [name.removeprefix("pytest_templates.errors.") for name in begun if name.rpartition(".")[2] in kinds]


@pytest.mark.parametrize("kinds", [*permutations(UNMARKED), *permutations(MARKED)], ids="-".join)
def test_in_the_order_in_which_they_happened(troubled, kinds):
    kind = "CassetteMiss" if "CassetteMiss" in kinds else "LiveCallRefused"

    result = troubled(kind, f"\ndef test_it(trouble):\n    for kind in {kinds}:\n        quietly(*trouble(kind))\n")

    result.assert_outcomes(failed=1)
    assert told(result, kinds) == list(kinds)


def test_beside_the_failure_of_the_test_itself(troubled, project):
    result = troubled(
        "CassetteMiss",
        """
def test_it(trouble):
    quietly(*trouble("CassetteMiss"))
    quietly(*trouble("UnscriptedCall"))
    assert "what the test" == "is about"
""",
    )

    result.assert_outcomes(failed=1)
    project.says(result, "assert 'what the test' == 'is about'", "\nCassetteMiss: ", "\nUnscriptedCall: ")


def test_beside_one_that_was_not_swallowed(troubled, project):
    result = troubled(
        "LiveCallRefused",
        """
def test_it(trouble):
    quietly(*trouble("UnscriptedCall"))
    runner, session = trouble("LiveCallRefused")
    runner.run(session)
""",
    )

    result.assert_outcomes(failed=1)
    project.says(result, "E       pytest_templates.errors.LiveCallRefused: ", "\nUnscriptedCall: ")
    assert str(result.stdout).count("\nLiveCallRefused: ") == 0


def test_those_that_stand_in_a_group_of_errors_are_told_once(troubled, project):
    result = troubled(
        "LiveCallRefused",
        """
import asyncio

def test_it(trouble):
    async def main():
        quietly_unscripted = trouble("UnscriptedCall")
        try:
            await quietly_unscripted[0].arun(quietly_unscripted[1])
        except Exception:
            pass
        async with asyncio.TaskGroup() as group:
            runner, session = trouble()
            group.create_task(runner.arun(session))
    asyncio.run(main())
""",
    )

    result.assert_outcomes(failed=1)
    project.says(result, "ExceptionGroup", "LiveCallRefused: ", "\nUnscriptedCall: ")
    assert str(result.stdout).count("\nLiveCallRefused: ") == 0


def test_each_phase_tells_its_own(troubled, project):
    result = troubled(
        "CassetteMiss",
        """
@pytest.fixture
def desk(trouble):
    yield
    quietly(*trouble("UnscriptedCall"))
    quietly(*trouble("IsolationViolation"))

def test_it(desk, trouble):
    quietly(*trouble("CassetteMiss"))
""",
    )

    result.assert_outcomes(failed=1, errors=1)
    project.says(result, "ERROR at teardown of test_it", "\nUnscriptedCall: ", "\nIsolationViolation: ")
    assert told(result, MARKED) == ["UnscriptedCall", "IsolationViolation", "CassetteMiss"]


@pytest.mark.parametrize("kind", ["UnscriptedCall", "CassetteMiss", "LiveCallRefused", "IsolationViolation"])
def test_those_of_fixtures_and_the_test_does_not_run(troubled, project, kind):
    result = troubled(
        kind,
        """
@pytest.fixture
def desk(trouble):
    quietly(*trouble())
    yield
    print("is torn down")

def test_it(desk):
    print("was run")

@pytest.fixture
def late(trouble):
    yield
    quietly(*trouble())

def test_late(late):
    print("is late")
""",
        "-s",
    )

    result.assert_outcomes(passed=1, errors=2)
    assert told(result, (kind,)) == [kind, kind]
    project.says(result, "is torn down", "is late")
    result.stdout.no_fnmatch_line("*was run*")


def test_those_of_unittests_phases(troubled, project):
    result = troubled(
        "UnscriptedCall",
        """
import unittest

class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _trouble(self, trouble):
        self.trouble = trouble

    def setUp(self):
        quietly(*self.trouble("UnscriptedCall"))

    def tearDown(self):
        quietly(*self.trouble("LiveCallRefused"))

    def test_passes(self):
        quietly(*self.trouble("IsolationViolation"))

    def test_fails(self):
        quietly(*self.trouble("IsolationViolation"))
        self.assertEqual(1, 2)
""",
    )

    result.assert_outcomes(failed=2)
    kinds = ["UnscriptedCall", "IsolationViolation", "LiveCallRefused"]
    assert told(result, tuple(kinds)) == [*kinds, *kinds]
