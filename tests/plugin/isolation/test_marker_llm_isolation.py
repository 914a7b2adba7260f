"""llm_isolation: turning the isolation guard off for one test."""

from __future__ import annotations

import pytest

MEDDLES = """
def meddles():
    notes = []
    research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_the_marker_turns_the_guard_off_for_one_test_with_a_reason(project, workers):
    project.tests(
        MEDDLES
        + """
@pytest.mark.llm_isolation("off", reason="shares its notes on purpose")
def test_marked():
    meddles()

@pytest.mark.llm_isolation("off", reason="shares its notes on purpose")
class TestMarked:
    def test_in_a_marked_class(self):
        meddles()

def test_other():
    meddles()
"""
    )

    assert project.outcomes(*workers) == {"passed": 2, "failed": 1}


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        (
            '"off"',
            "missing a required keyword-only argument: 'reason'|missing 1 required keyword-only argument: 'reason'",
        ),
        ('"off", reason=""', "reason is a text that says why, not"),
        ('"off", reason="  "', "reason is a text that says why, not"),
        ('"off", reason=5', "reason is a text that says why, not"),
        ('"on", reason="why"', "the only mode is \"off\", not 'on'"),
        ('"off", because="why"', "unexpected keyword argument 'because'"),
    ],
)
def test_a_marker_with_other_arguments_is_refused_when_tests_are_collected(project, marker, complaint):
    project.tests(
        f"""
        @pytest.mark.llm_isolation({marker})
        def test_it():
            print("was run")
        """
    )

    result = project.run("-s")

    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([rf".*test_it.py::test_it: marker llm_isolation: .*({complaint})"])
    project.says(result, "it takes llm_isolation(mode, *, reason)")
    result.stdout.no_fnmatch_line("*was run*")


def test_a_wrong_marker_is_refused_also_on_a_class_and_on_a_module(project):
    project.tests(
        "@pytest.mark.llm_isolation()\nclass TestIt:\n    def test_it(self):\n        pass\n", "test_class.py"
    )
    project.tests("pytestmark = pytest.mark.llm_isolation('on')\ndef test_it():\n    pass\n", "test_module.py")

    result = project.run()

    result.assert_outcomes(errors=2)
    project.says(result, "test_class.py::TestIt::test_it: marker", "test_module.py::test_it: marker")


def test_a_wrong_marker_is_refused_also_on_a_unittest(project):
    project.tests(
        """
        import unittest

        class TestIt(unittest.TestCase):
            @pytest.mark.llm_isolation("off")
            def test_it(self):
                pass
        """
    )

    result = project.run()

    assert result.parseoutcomes() == {"errors": 1}
    project.says(result, "marker llm_isolation: ", "it takes llm_isolation(mode, *, reason)")
