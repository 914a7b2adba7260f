"""Which tests --templates-twice runs again, and how."""

from __future__ import annotations

import json

import pytest

UNSTEADY = "    say('Ticket {{ id }}', id=uuid.uuid4())\n"


def test_only_tests_that_passed_and_asked_a_model_are_run_again(project, twice, notes):
    result = twice(
        """
def test_asks():
    note("asks")
    say("Hello.")

def test_has_nothing_to_do_with_models():
    note("nothing")

def test_fails():
    note("fails")
    say("Hello.")
    assert False

def test_is_skipped():
    note("skipped")
    say("Hello.")
    pytest.skip()

@pytest.mark.xfail
def test_is_expected_to_fail():
    note("xfails")
    say("Hello.")
    assert False

@pytest.mark.llm_live(reason="asks")
def test_is_live():
    note("live")
    say("Hello.")
""",
        "--templates-live",
    )

    assert result.parseoutcomes() == {"passed": 3, "failed": 1, "skipped": 1, "xfailed": 1}
    assert sorted(notes()) == ["asks", "asks", "fails", "live", "nothing", "skipped", "xfails"]
    project.says(result, "1 test run twice, 0 not deterministic")


def test_a_value_is_refused(project):
    project.tests("def test_it(): pass")

    result = project.run("--templates-twice=often")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--templates-twice: ignored explicit argument 'often'" in str(result.stderr)


def test_a_run_without_a_test_to_repeat_says_so(project, twice):
    result = twice("def test_it():\n    pass\n")

    assert result.ret == pytest.ExitCode.OK
    project.says(result, "templates: no test was run twice: none that passed has asked a model")


def test_a_run_that_ends_early_is_not_repeated(project, twice):
    result = twice("def test_one():\n    say('Hello.')\n\ndef test_two():\n    assert False\n", "-x")

    assert result.parseoutcomes() == {"passed": 1, "failed": 1}
    project.says(result, "templates: no test was run twice: the run has ended early")


def test_fixtures_are_fresh_and_those_of_a_session_are_made_once_a_run(twice, notes):
    result = twice(
        """
@pytest.fixture(scope="session")
def session():
    note("session")
    yield
    note("session-ends")

@pytest.fixture
def fresh():
    note("fresh")
    return []

def test_one(session, fresh):
    fresh.append(1)
    say("{{ fresh }}", fresh=fresh)

def test_two(session, fresh):
    say("{{ fresh }}", fresh=fresh)
"""
    )

    assert result.parseoutcomes() == {"passed": 2}
    assert notes() == ["session", "fresh", "fresh", "session-ends"] * 2


@pytest.mark.usefixtures("all_plugins")
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["here", "in a worker that does not see the plan"])
def test_every_kind_of_test_is_run_again(project, twice, workers):
    project.file(
        "conftest.py",
        """
        import pytest

        @pytest.hookimpl(trylast=True, optionalhook=True)
        def pytest_configure_node(node):
            if "_PYTEST_TEMPLATES_SECOND_RUN" in node.workerinput:  # as on another machine
                node.workerinput["_PYTEST_TEMPLATES_SECOND_RUN"] = "/nowhere"
        """,
    )

    result = twice(
        f"""
import unittest

@pytest.mark.parametrize("city", ["Oslo", "Rome"])
def test_function(city):
{UNSTEADY}

class TestUnit(unittest.TestCase):
    def test_method(self):
    {UNSTEADY}

@pytest.mark.asyncio
async def test_asyncio():
    await Runner(ScriptedModel("Yes."), template=talk_about(str(uuid.uuid4()))).arun()

@pytest.mark.anyio
async def test_anyio(anyio_backend):
    await Runner(ScriptedModel("Yes."), template=talk_about(str(uuid.uuid4()))).arun()

@pytest.fixture
def anyio_backend():
    return "asyncio"

def test_stream():
    list(Runner(ScriptedModel("Yes."), template=talk_about(str(uuid.uuid4()))).stream())

def test_steady():
    say("Hello.")

def test_asks_nobody():
    assert "PYTHONHASHSEED" not in os.environ
""",
        *workers,
    )

    assert result.parseoutcomes() == {"passed": 8, "errors": 6}
    project.says(result, "7 tests run twice, 6 not deterministic")


def test_the_report_as_data_has_the_test_once_and_as_an_error(project, twice):
    twice(f"def test_it():\n{UNSTEADY}", "--templates-json=run.json", "--junitxml=run.xml")

    [test] = json.loads((project.path / "run.json").read_text(encoding="utf-8"))["tests"]
    assert (test["outcome"], len(test["calls"])) == ("error", 1)
    assert "NotDeterministic" in (project.path / "run.xml").read_text(encoding="utf-8")


def test_a_test_that_does_not_pass_again_is_not_deterministic(project, twice):
    result = twice(
        "def test_it():\n    say('Hello.')\n    assert 'PYTHONHASHSEED' not in os.environ, 'other process'\n"
    )

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    project.says(result, "NotDeterministic: its models were asked the same, but the test passed in the first run")
    project.says(result, "E   ", "AssertionError: other process")


def test_a_test_whose_name_is_another_one_in_every_process_is_not_deterministic(project, twice):
    result = twice(
        """
@pytest.mark.parametrize("id", [str(uuid.uuid4())])
def test_it(id):
    say("Hello.")
"""
    )

    assert result.parseoutcomes() == {"passed": 1, "errors": 1}
    project.says(result, "NotDeterministic: the second run has no test of this name")


def test_a_second_run_that_breaks_off_ends_the_run_with_what_it_said(project, twice):
    result = twice(
        """
def test_it():
    say("Hello.")
    if "PYTHONHASHSEED" in os.environ:
        os.write(2, b"I break down here")
        os._exit(3)
""",
        "-s",
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    project.says(result, "the second run of --templates-twice came to no end; it said:", "I break down here")


def test_the_second_run_goes_on_where_the_first_would_stop(project, twice):
    result = twice(
        f"""
def test_one():
    say("Hello.")
    assert 'PYTHONHASHSEED' not in os.environ

def test_two():
{UNSTEADY}
""",
        *("-x", "--lf", "--pdb", "-pcacheprovider"),
    )

    assert result.parseoutcomes().items() >= {"passed": 2, "errors": 2}.items()
    project.says(result, "ERROR at teardown of test_two", "It holds a random id")


def test_a_run_of_pytest_inside_of_a_test_is_none_of_it(project, twice):
    result = twice(
        """
pytest_plugins = ["pytester"]

def test_it(pytester):
    pytester.makepyfile(test_inside="def test_inside(): pass")
    pytester.runpytest_inprocess("-pno:asyncio", "--templates-twice").assert_outcomes(passed=1)
    say("Hello.")
"""
    )

    assert result.parseoutcomes() == {"passed": 1}


def test_snapshots_are_written_by_the_first_run_alone(project, twice):
    text = "def test_it(llm_snapshot):\n    assert say(os.environ.get('PYTHONHASHSEED', 'first')) == llm_snapshot\n"

    result = twice(text, "--snapshot-update")

    project.says(result, "NotDeterministic: the prompt of talk/answer", "- [first]")
    project.run().assert_outcomes(passed=1)


def test_only_the_first_run_writes_the_lock(project, twice, notes):
    project.file(
        "conftest.py",
        """
from pathlib import Path
from prompts import note

def pytest_unconfigure(config):
    note(Path("templates.lock").exists())
""",
    )

    result = twice(
        """
def test_it():
    say("Hello.")
    Runner(ScriptedModel(), template=UserTemplate(os.environ.get("PYTHONHASHSEED", "The first run"))).run()
""",
        "--templates-lock=update",
    )

    assert result.ret == pytest.ExitCode.OK
    assert notes()[0] == "False"  # the second run ends within the first
    assert "The first run" in (project.path / "templates.lock").read_text(encoding="utf-8")


WATCHING = """
import os
from pathlib import Path
from prompts import note

def files():
    return {str(path): path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file() and path.stem != "notes"}

AT_START = files()

def pytest_unconfigure(config):
    if "PYTHONHASHSEED" in os.environ and not hasattr(config, "workerinput"):
        now = files()
        note(["second", *(path for path in {**AT_START, **now} if AT_START.get(path) != now.get(path))])
"""
WRITING = [
    *("--templates-lock=update", "--templates-record=missing", "--snapshot-update", "--templates-coverage"),
    *("--templates-json=run.json", "--templates-report=run.html", "--templates-markdown=run.md"),
    *("--junitxml=junit.xml", "--log-file=log.txt", "--basetemp=temporary"),
]


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_the_second_run_writes_nothing(project, twice, notes, monkeypatch, workers):
    twice("")  # writes the modules
    project.file("conftest.py", WATCHING)
    project.file("step.md", "Before.\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "step.md"))
    project.file(
        "test_it.py",
        """
from prompts import *

def test_it(llm_snapshot, tmp_path):
    (tmp_path / "file").write_text("x")
    assert say("Hello.") == llm_snapshot

def test_fails_again():
    assert say("Hello.") and "PYTHONHASHSEED" not in os.environ
""",
    )

    result = project.pytester.runpytest_inprocess("--templates-twice", *WRITING, *workers)

    project.says(result, "2 tests run twice, 1 not deterministic")
    assert notes() == ["['second']"]
    names = {path.name for path in project.path.rglob("*")}
    assert {"templates.lock", "run.json", "run.html", "run.md", "junit.xml", "log.txt", ".pytest_cache"} <= names
