"""A missing recording, and a call that is refused, fail a test also where it is expected to fail."""

from __future__ import annotations

import pytest

PLAIN = "def test_it(trouble):\n    runner, session = trouble()\n    runner.run(session)\n"
QUIET = "def test_it(trouble):\n    quietly(*trouble())\n"
EXPECTED = {
    "xfail": f"@pytest.mark.xfail\n{PLAIN}",
    "strict": f"@pytest.mark.xfail(strict=True)\n{PLAIN}",
    "any error": f"@pytest.mark.xfail(raises=Exception)\n{PLAIN}",
    "swallowed": f"@pytest.mark.xfail\n{QUIET}",
    "called": f"{QUIET}    pytest.xfail('not yet')\n",
    "in a fixture": "@pytest.fixture\ndef asked(trouble):\n    runner, session = trouble()\n    runner.run(session)\n\n"
    "@pytest.mark.xfail\ndef test_it(asked):\n    pass\n",
}
UNITTEST = """
import unittest

class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def get(self, trouble):
        self.trouble = trouble

    @unittest.expectedFailure
    def test_it(self):
        runner, session = self.trouble()
        runner.run(session)
"""


KINDS = {"CassetteMiss": "a missing recording", "LiveCallRefused": "a refused call of a real model"}


UNITTESTS = {
    "unittest": UNITTEST,
    "unittest that swallows": UNITTEST.replace("runner.run(session)", "quietly(runner, session)"),
}


@pytest.mark.parametrize("test", [*EXPECTED.values(), *UNITTESTS.values()], ids=[*EXPECTED, *UNITTESTS])
@pytest.mark.parametrize("kind", KINDS)
def test_what_says_nothing_of_the_program_is_no_expected_failure(troubled, project, kind, test):
    result = troubled(kind, test)

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
    assert "xfailed" not in outcomes
    project.says(result, f"{kind}: ")
    project.says(result, f"{KINDS[kind]} fails a test also where it is expected to fail")


def test_a_worker_says_so_too(troubled, project):
    result = troubled("CassetteMiss", EXPECTED["swallowed"], "-n1")

    result.assert_outcomes(failed=1)
    project.says(result, f"{KINDS['CassetteMiss']} fails a test also where it is expected to fail")


@pytest.mark.parametrize("kind", KINDS)
def test_errors_that_anthropics_client_passes_on_are_no_others(troubled, project, kind):
    result = troubled(kind, f"import anthropic\n{EXPECTED['any error']}")

    result.assert_outcomes(failed=1)
    project.says(result, f"{KINDS[kind]} fails a test also where it is expected to fail")


def test_neither_is_reaching_for_another_host(project):
    project.tests(
        """
        import socket

        @pytest.mark.xfail
        @pytest.mark.llm_cassette
        def test_it():
            socket.create_connection(("192.0.2.7", 443), timeout=1)
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "NetworkRefused: ")
    project.says(result, "reaching for a host fails a test also where it is expected to fail")


@pytest.mark.parametrize("raises", ["{}", "({}, ValueError)", "pytest.RaisesExc({})"])
@pytest.mark.parametrize("kind", KINDS)
def test_unless_the_mark_names_it(troubled, kind, raises):
    mark = f"@pytest.mark.xfail(raises={raises.format(kind)}, strict=True)\n"

    troubled(kind, mark + PLAIN).assert_outcomes(xfailed=1)


def test_another_error_of_ours_is_not_what_the_mark_names(troubled):
    mark = "@pytest.mark.xfail(raises=(LiveCallRefused, UnscriptedCall))\n"

    troubled("CassetteMiss", mark + QUIET).assert_outcomes(failed=1)


@pytest.mark.parametrize("kind", ["UnscriptedCall", "IsolationViolation"])
def test_other_failures_are_as_expected(troubled, kind):
    result = troubled(kind, f"@pytest.mark.xfail\n{PLAIN}")

    result.assert_outcomes(xfailed=1)
