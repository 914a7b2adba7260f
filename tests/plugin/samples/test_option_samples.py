"""--templates-samples: how many samples are run, whatever the markers say."""

from __future__ import annotations

import pytest

TESTS = """
@pytest.mark.llm_samples(5, pass_rate=0.5)
@pytest.mark.parametrize("word", ["yes", "no"])
def test_it(word, scripted_model):
    ask(scripted_model(word))

def test_once(scripted_model):
    ask(scripted_model("yes"))
"""


def test_the_option_is_accepted_in_the_place_of_what_the_markers_say(project):
    project.tests(TESTS)

    result = project.run("--templates-samples=2")

    result.assert_outcomes(passed=3)
    project.says(result, "5 calls of 1 model", "4 samples of 2 tests")


@pytest.mark.parametrize("given", ["0", "-1", "many", "2.5", "²"])
def test_what_is_no_number_of_samples_is_refused(project, given):
    project.tests(TESTS)

    result = project.run(f"--templates-samples={given}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--templates-samples={given}: it takes a whole number, 1 or more" in str(result.stderr)


def test_workers_run_as_many(project):
    project.tests(TESTS)

    result = project.run("-n2", "--templates-samples=3")

    result.assert_outcomes(passed=3)
    project.says(result, "7 calls of 1 model", "6 samples of 2 tests")
