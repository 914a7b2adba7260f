"""--templates-fail-on: a run that is worse than an earlier one fails."""

from __future__ import annotations

import pytest

TESTS = """
    def test_it(scripted_model):
        ask(scripted_model(Reply("one", usage=Usage(input_tokens={tokens}, output_tokens=5)), name="large"))
"""


@pytest.fixture
def earlier(project):
    """An earlier run, in main.json, and a dearer one that may follow."""
    project.tests(TESTS.format(tokens=100))
    project.run("--templates-json=main.json").assert_outcomes(passed=1)
    project.tests(TESTS.format(tokens=200))
    return project


def test_a_run_beyond_a_limit_fails(earlier):
    result = earlier.run("--templates-baseline=main.json", "--templates-fail-on=tokens>+20%,models", "-n1")

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    shown = [" ".join(line.split()) for line in result.outlines]
    assert shown[shown.index("rule baseline this run") + 1 :][:4] == [
        *("tokens>+20% 105 205 ✗", "models holds", "templates: 1 test ran in both"),
        "templates: tokens>+20%: 205 after 105, at most 126",
    ]


def test_a_run_within_its_limits_passes(earlier):
    assert earlier.run("--templates-baseline=main.json", "--templates-fail-on=tokens>+100%").ret == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--templates-fail-on=models",), "--templates-fail-on compares with an earlier run: add --templates-baseline"),
        (("--templates-baseline=main.json", "--templates-fail-on=cost"), "'cost' is no rule: write it as cost>+10%"),
    ],
)
def test_rules_that_are_none_or_have_nothing_to_compare_with_are_refused(earlier, arguments, complaint):
    result = earlier.run(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint in str(result.stderr)
