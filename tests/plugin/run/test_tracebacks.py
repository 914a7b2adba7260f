"""A failure shows the user's program, not the engine and not the plugin."""

from __future__ import annotations

import json

import pytest

RAISED = """
def test_it(scripted_model):
    ask(scripted_model())
"""
OURS = (
    "antiphon/runner.py",
    "antiphon/model.py",
    "pytest_templates/scripting/model.py",
    "pytest_templates/run/attempt.py",
)


def test_a_failure_shows_the_frames_of_the_users_program_alone(project):
    project.tests(RAISED)

    output = str(project.run().stdout)

    assert ">       ask(scripted_model())" in output
    assert "program.py:" in output
    assert [file for file in OURS if file in output] == []
    assert "pluggy" not in output.partition("FAILURES")[2]


def test_a_failure_shows_every_frame_where_the_full_trace_is_wanted(project):
    project.tests(RAISED)

    output = str(project.run("--full-trace").stdout)

    assert [file for file in OURS[:3] if file not in output] == []


@pytest.mark.parametrize("style", ["short", "line", "native", "long", "no"])
def test_every_style_of_traceback_shows_no_frames_of_ours(project, style):
    project.tests(RAISED)

    result = project.run(f"--tb={style}")

    result.assert_outcomes(failed=1)
    output = str(result.stdout)
    assert [file for file in OURS if file in output] == []
    assert ("UnscriptedCall" in output.partition("short test summary")[0]) is (style != "no")


def test_an_error_of_the_programs_own_keeps_its_traceback(project):
    project.tests(
        """
        def breaks(session):
            raise ZeroDivisionError("mine")

        def test_it(scripted_model):
            ask(scripted_model(breaks))
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, ">       ask(scripted_model(breaks))", 'raise ZeroDivisionError("mine")')


def test_a_failure_in_a_test_outside_of_the_root_directory_shows_the_test(project):
    project.file("elsewhere/pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    project.tests(RAISED)

    result = project.run("--rootdir=elsewhere", "-celsewhere/pytest.ini", "test_it.py")

    result.assert_outcomes(failed=1)
    project.says(result, ">       ask(scripted_model())", "UnscriptedCall")


def test_a_swallowed_call_says_where_it_was_seen(project):
    project.tests(
        """
        def test_it(scripted_model):
            try:
                ask(scripted_model())
            except Exception:
                pass
        """
    )

    result = project.run()

    result.stdout.re_match_lines([r"  seen at .*program.py:\d+, in ask"])
    result.stdout.no_fnmatch_line("*traceback entries are hidden*")


def test_a_damaged_cassette_is_told_without_frames_of_ours(project):
    project.tests("@pytest.mark.llm_cassette\ndef test_it():\n    pass\n")
    project.copy("damaged/no-mapping.yaml", "cassettes/test_it/test_it.yaml")

    result = project.run()

    result.assert_outcomes(errors=1)
    told = str(result.stdout).partition("short test summary")[0]
    assert "test_it.yaml:1: the cassette" in told
    assert told.count("CassetteError: ") == 1
    assert "pytest_templates/" not in told


def test_a_cassette_that_cannot_be_written_is_told_without_frames_of_ours(project, chat_server):
    project.tests(
        """
        import os

        @pytest.mark.llm_cassette
        def test_it():
            ask(connect("openai:m", base_url=os.environ["CHAT_URL"], api_key="x"))
        """
    )
    project.file("cassettes", "a file where the folder should be\n")

    result = project.run("--templates-record=all")

    result.assert_outcomes(failed=1)
    project.says(result, "CassetteError", "test_it.yaml: the cassette cannot be written: Not a directory")
    assert "pytest_templates/" not in str(result.stdout).partition("short test summary")[0]


def test_an_error_of_a_model_whose_text_cannot_be_had_leaves_the_run_whole(project):
    project.tests(
        """
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError("no")

        def test_it(scripted_model):
            with pytest.raises(Mute):
                ask(scripted_model(Mute()))
        """
    )

    result = project.run("--templates-json=report.json")

    result.assert_outcomes(passed=1)
    (test,) = json.loads((project.path / "report.json").read_text(encoding="utf-8"))["tests"]
    assert test["calls"][0]["error"] == "Mute, whose text cannot be had"
