"""Tests that a plugin runs several times, or gives another name, find the cassette of their test."""

from __future__ import annotations

import pytest

REPEATING = """
import pytest

@pytest.fixture
def __pytest_repeat_step_number(request):
    return request.param

@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    # as pytest-repeat does
    metafunc.fixturenames.append("__pytest_repeat_step_number")
    ids = lambda index: f"{index + 1}-3"
    metafunc.parametrize("__pytest_repeat_step_number", range(3), indirect=True, ids=ids)
"""
MULTIPLYING = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    # as pytest-flakefinder does
    name = f"__flakefinder_{metafunc.function.__name__}"
    metafunc.fixturenames.append(name)
    metafunc.parametrize(name, list(range(3)))
"""
TESTS = """
@pytest.mark.llm_cassette
def test_plain():
    ask(Plain())
    ask(Plain("other"))

@pytest.mark.llm_cassette
@pytest.mark.parametrize("a, b", [(1, 2)])
@pytest.mark.parametrize("c", ["1-3", "x"])
def test_several(a, b, c):
    ask(Plain(c))
"""
NAMES = {"test_plain.yaml", "test_several[1-3-1-2].yaml", "test_several[x-1-2].yaml"}


@pytest.mark.parametrize("mode", ["missing", "changed", "all"])
@pytest.mark.parametrize("conftest", [REPEATING, MULTIPLYING])
def test_each_repetition_plays_the_recording_of_the_first(project, chat_server, conftest, mode):
    project.tests(TESTS)
    project.file("conftest.py", conftest)

    recording = project.run(f"--templates-record={mode}")
    replay = project.run()
    project.file("conftest.py", "")
    alone = project.run()

    recording.assert_outcomes(passed=9)
    replay.assert_outcomes(passed=9)
    alone.assert_outcomes(passed=3)
    assert {file.name for file in (project.path / "cassettes").rglob("*.yaml")} == NAMES
    assert len(chat_server.asked) == 4
    assert "unused" not in str(replay.stdout) + str(alone.stdout)


def test_repetitions_in_several_workers_record_into_one_cassette(project, chat_server):
    project.tests(TESTS)
    project.file("conftest.py", REPEATING)

    project.run("-n2", "--templates-record=missing").assert_outcomes(passed=9)
    project.run("-n2").assert_outcomes(passed=9)

    assert {file.name for file in (project.path / "cassettes").rglob("*.yaml")} == NAMES
    assert not (project.path / "cassettes/.journal").exists()
    asked = len(chat_server.asked)
    project.file("conftest.py", "")
    project.run("--templates-record=changed").assert_outcomes(passed=3)
    assert len(chat_server.asked) == asked  # nothing was recorded twice, or dropped


def test_what_a_killed_run_has_left_is_found_under_the_other_name(project, chat_server):
    project.tests("import os\n" + TESTS.replace('ask(Plain("other"))', "os.environ.get('STAYS') or os._exit(1)"))
    project.file("conftest.py", REPEATING)
    project.run_forked("--templates-record=missing", "-k", "plain")
    assert list((project.path / "cassettes/.journal").glob("*.jsonl"))
    project.file("conftest.py", "import os\nos.environ['STAYS'] = 'yes'\n")

    result = project.run_forked("--templates-record=missing", "-k", "plain")

    result.assert_outcomes(passed=1, deselected=2)
    assert len(chat_server.asked) == 1


def test_the_command_that_records_names_the_test_without_the_repetition(project, chat_server):
    project.tests(TESTS)
    project.file("conftest.py", REPEATING)

    result = project.run("-k", "plain and 2-3")

    project.says(result, "pytest test_it.py::test_plain --templates-record=missing")
