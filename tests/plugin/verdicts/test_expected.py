"""A missing recording fails a test also where it is expected to fail."""

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


@pytest.mark.parametrize("test", [*EXPECTED.values(), UNITTEST], ids=[*EXPECTED, "unittest"])
def test_a_missing_recording_is_no_expected_failure(troubled, project, test):
    result = troubled("CassetteMiss", test)

    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
    assert "xfailed" not in outcomes
    project.says(result, "CassetteMiss: ")
    project.says(result, "a missing recording fails a test also where it is expected to fail")


def test_nor_is_it_in_a_worker(troubled):
    assert troubled("CassetteMiss", EXPECTED["strict"], "-n1").parseoutcomes() == {"failed": 1}


@pytest.mark.parametrize("raises", ["CassetteMiss", "(CassetteMiss, ValueError)"])
def test_unless_the_miss_is_what_the_mark_names(troubled, raises):
    mark = f"from pytest_templates.errors import CassetteMiss\n\n@pytest.mark.xfail(raises={raises}, strict=True)\n"

    troubled("CassetteMiss", mark + PLAIN).assert_outcomes(xfailed=1)


def test_other_failures_are_as_expected(troubled):
    result = troubled("UnscriptedCall", f"@pytest.mark.xfail\n{PLAIN}")

    result.assert_outcomes(xfailed=1)
