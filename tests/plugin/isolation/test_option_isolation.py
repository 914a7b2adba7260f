"""--templates-isolation, templates_isolation: turning the isolation guard off for a run or a project."""

from __future__ import annotations

import pytest

MEDDLES = """
def meddles():
    notes = []
    research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})
"""
TEST = f"{MEDDLES}\ndef test_it():\n    meddles()\n"


@pytest.mark.parametrize(
    ("ini", "arguments", "outcome"),
    [
        ("", [], "failed"),
        ("", ["--templates-isolation=on"], "failed"),
        ("", ["--templates-isolation=precise"], "failed"),
        ("", ["--templates-isolation=off"], "passed"),
        ("templates_isolation = off", [], "passed"),
        ("templates_isolation = on", ["--templates-isolation=off"], "passed"),
        ("templates_isolation = off", ["--templates-isolation=on"], "failed"),
        ("templates_isolation = precise", [], "failed"),
    ],
)
def test_the_option_and_the_ini_key_turn_the_guard_on_and_off(project, ini, arguments, outcome):
    project.ini(ini)
    project.tests(TEST)

    result = project.run(*arguments)

    assert result.parseoutcomes() == {outcome: 1}
    assert ("subroutine checked" in str(result.stdout)) is (outcome == "failed")


def test_another_value_of_the_option_is_refused_with_the_valid_ones(project):
    result = project.run("--templates-isolation=maybe")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.re_match_lines(
        [r".*--templates-isolation: invalid choice: 'maybe' \(choose from '?on'?, '?precise'?, '?off'?\)"]
    )


def test_another_value_of_the_ini_key_is_refused_with_the_valid_ones_and_the_file(project):
    project.ini("templates_isolation = maybe")

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: templates_isolation = maybe in *pytest.ini: it takes one of on, precise, off"])


def test_the_option_reaches_every_worker(project):
    project.tests(
        MEDDLES
        + """
@pytest.mark.parametrize("number", range(4))
def test_it(number):
    meddles()
"""
    )

    assert project.outcomes("-n1", "--templates-isolation=off") == {"passed": 4}
