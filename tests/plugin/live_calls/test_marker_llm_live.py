"""llm_live: a test that calls real models, and why."""

from __future__ import annotations

import pytest

REAL = """
LIVE = pytest.mark.llm_live(reason="to see it")
"""


@pytest.mark.parametrize(("arguments", "workers"), [("'to see it'", ()), ("reason='to see it'", ("-n1",))])
def test_a_marked_test_calls_the_model_and_no_other_does(project, chat_server, arguments, workers):
    project.tests(
        REAL + f"\n@pytest.mark.llm_live({arguments})\ndef test_it():\n    ask(real())\n"
        "\ndef test_other():\n    ask(real())\n"
    )

    result = project.run("--templates-live", *workers)

    result.assert_outcomes(passed=1, failed=1)
    assert chat_server.asked == ["Hello."]


def test_fixtures_of_a_skipped_live_test_do_not_run(project):
    project.tests(
        REAL
        + """
@pytest.fixture
def broken():
    raise RuntimeError

@LIVE
def test_it(broken):
    pass
"""
    )

    assert project.outcomes() == {"skipped": 1}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "missing a required|missing 1 required"),
        ("reason=''", "reason is a text that says why, not ''"),
        ("reason='  '", "reason is a text that says why, not '  '"),
        ("reason=5", "reason is a text that says why, not 5"),
        ("reason='x', until=5", "unexpected keyword argument 'until'"),
    ],
)
def test_a_marker_without_a_reason_is_refused_when_tests_are_collected(project, arguments, complaint):
    project.tests(f"@pytest.mark.llm_live({arguments})\ndef test_it():\n    pass\n")

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([rf".*test_it.py::test_it: marker llm_live: .*({complaint})"])
    project.says(result, "it takes llm_live(reason)")


def test_a_wrong_marker_of_a_unittest_fails_it(project):
    project.tests(
        """
import unittest

class TestIt(unittest.TestCase):
    @pytest.mark.llm_live(reason="")
    def test_it(self):
        pass
"""
    )

    result = project.run()

    assert "passed" not in result.parseoutcomes()
    project.says(result, "marker llm_live: reason is a text that says why, not")


def test_a_test_cannot_be_replayed_and_live(project):
    project.tests("pytestmark = pytest.mark.llm_cassette\n\n@pytest.mark.llm_live('why')\ndef test_it():\n    pass\n")

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, "test_it.py::test_it is marked llm_cassette and llm_live: a test replays its calls, or makes")
