"""Recordings that nothing uses are said after a full run."""

from __future__ import annotations

import pytest

NEWS = "unused recordings"


def test_a_run_that_uses_everything_says_nothing(recorded):
    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_interactions_that_no_test_plays_are_named_with_what_they_ask(recorded, bye_is_gone):
    result = recorded.run()

    assert result.ret == 0
    recorded.says(
        result,
        NEWS,
        "never played:",
        "  cassettes/test_it/test_greets[ada].yaml\n    2  talk/answer  user: Bye.",
        "  cassettes/test_it/test_greets[bob].yaml\n    2  talk/answer  user: Bye.",
        "--templates-record=changed",
    )


def test_a_cassette_without_a_test_is_named_with_the_command_that_removes_it(recorded, bob_is_gone):
    result = recorded.run()

    assert result.ret == 0
    recorded.says(result, NEWS, "without a test:", "  cassettes/test_it/test_greets[bob].yaml", "cassettes prune --yes")
    assert "[ada]" not in str(result.stdout)


def test_a_cassette_whose_module_is_gone_has_no_test(recorded):
    recorded.path.joinpath("test_it.py").rename("test_other.py")
    recorded.path.joinpath("cassettes/test_it").rename("cassettes/test_other")
    recorded.path.joinpath("cassettes/both.yaml").unlink()
    recorded.tests("def test_it():\n    pass\n")
    recorded.path.joinpath("test_other.py").unlink()

    recorded.says(recorded.run(), "without a test:", "test_other/test_greets[ada].yaml", "test_greets[bob]")


def test_a_cassette_that_tests_share_is_used_by_all_of_them_together(recorded, change):
    change('say("Two.")', "pass")

    recorded.says(recorded.run(), "cassettes/both.yaml\n    2  talk/answer  user: Two.")


def test_workers_add_up(recorded, change):
    change('say("Two.")', "pass")

    result = recorded.run("-n2")

    recorded.says(result, NEWS, "cassettes/both.yaml\n    2  talk/answer  user: Two.")
    assert "[ada]" not in str(result.stdout)


def test_workers_see_cassettes_without_a_test(recorded, bob_is_gone):
    recorded.says(recorded.run("-n1"), "without a test:\n  cassettes/test_it/test_greets[bob].yaml")


def test_a_file_of_another_program_is_no_cassette(recorded):
    recorded.copy("damaged/vcrpy-empty.yaml", "cassettes/test_it/vcr.yaml")
    recorded.file("cassettes/notes.yaml", "- of the team\n")

    assert NEWS not in str(recorded.run().stdout)


def test_fail_makes_the_run_fail(recorded, change):
    recorded.ini("templates_unused = fail")
    assert recorded.run().ret == 0

    change('["ada", "bob"]', '["ada"]')
    result = recorded.run()

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    recorded.says(result, "without a test:", "templates_unused = fail")
    assert recorded.run("-n1").ret == pytest.ExitCode.TESTS_FAILED
    assert recorded.run("-k", "greets").ret == 0


def test_ignore_says_nothing(recorded, bob_is_gone):
    recorded.ini("templates_unused = ignore")

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_another_value_is_refused_with_the_valid_ones(project):
    project.ini("templates_unused = error")

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: templates_unused = error in *: it takes one of report, fail, ignore"])
