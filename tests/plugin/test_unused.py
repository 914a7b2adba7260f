"""Recordings that nothing uses are said after a full run, and after no other."""

from __future__ import annotations

import pytest

TESTS = """
import json
import os
from urllib.request import Request, urlopen

class Real(Model):
    # Asks with what Python brings along: fast to load.
    name = "small"

    def _send(self, session):
        body = {"model": self.name, "messages": [{"role": "user", "content": session.last.content}]}
        url = os.environ["CHAT_URL"] + "/chat/completions"
        request = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
        return json.load(urlopen(request))["choices"][0]["message"]["content"]

def say(*texts):
    for text in texts:
        Runner(Real(), template=LinearTemplate([UserTemplate(text), AssistantTemplate()], template_id="talk")).run()

@pytest.mark.llm_cassette
@pytest.mark.parametrize("name", ["ada", "bob"])
def test_greets(name):
    say(f"I am {name}.", "Bye.")

@pytest.mark.llm_cassette("both")
def test_one():
    say("One.")

@pytest.mark.llm_cassette("both")
def test_two():
    say("Two.")
"""
NEWS = "unused recordings"


@pytest.fixture
def recorded(project, record, monkeypatch):
    """A project whose tests use everything that was recorded for them."""
    monkeypatch.setenv("CHAT_URL", "http://chat.test/v1")
    project.tests(TESTS)
    for name in ("ada", "bob"):
        record(f"test_it/test_greets[{name}]", f"I am {name}.", "Bye.")
    record("both", "One.", "Two.")
    return project


def change(project, old: str, new: str) -> None:
    assert old in TESTS
    project.tests(TESTS.replace(old, new))


def bob_is_gone(project) -> None:
    change(project, '["ada", "bob"]', '["ada"]')


def bye_is_gone(project) -> None:
    change(project, '"I am {name}.", "Bye."', '"I am {name}."')


def test_a_run_that_uses_everything_says_nothing(recorded):
    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_interactions_that_no_test_plays_are_named_with_what_they_ask(recorded):
    bye_is_gone(recorded)

    result = recorded.run()

    assert result.ret == 0
    recorded.says(
        result,
        NEWS,
        "never played:",
        "  cassettes/test_it/test_greets[ada].yaml\n    2  talk/answer  user: Bye.",
        "  cassettes/test_it/test_greets[bob].yaml\n    2  talk/answer  user: Bye.",
        "--templates-record=all",
    )


def test_a_cassette_without_a_test_is_named_with_the_command_that_removes_it(recorded):
    bob_is_gone(recorded)

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


def test_a_cassette_that_tests_share_is_used_by_all_of_them_together(recorded):
    change(recorded, 'say("Two.")', "pass")

    recorded.says(recorded.run(), "cassettes/both.yaml\n    2  talk/answer  user: Two.")


def test_workers_add_up(recorded):
    bye_is_gone(recorded)
    change(recorded, 'say("Two.")', "pass")

    result = recorded.run("-n2")

    recorded.says(result, NEWS, "cassettes/both.yaml\n    2  talk/answer  user: Two.")
    assert "[ada]" not in str(result.stdout)


def test_workers_see_cassettes_without_a_test(recorded):
    bob_is_gone(recorded)

    recorded.says(recorded.run("-n2"), "without a test:\n  cassettes/test_it/test_greets[bob].yaml")


def test_a_file_of_another_program_is_no_cassette(recorded):
    recorded.file("cassettes/test_it/vcr.yaml", "interactions: []\nversion: 1\n")
    recorded.file("cassettes/notes.yaml", "- of the team\n")

    assert NEWS not in str(recorded.run().stdout)


NARROW = [
    ["-k", "greets or one or two"],
    ["-m", "llm_cassette"],
    ["-x"],
    ["--maxfail=3"],
    ["--deselect", "test_it.py::test_nothing"],
    ["test_it.py"],
    ["test_it.py::test_greets", "test_it.py::test_one", "test_it.py::test_two"],
    ["--ignore", "nothing.py"],
    ["--templates-record=missing"],
    ["--collect-only"],
    ["--setup-only"],
]


@pytest.mark.parametrize("arguments", NARROW, ids=" ".join)
def test_a_run_that_does_not_ask_for_everything_says_nothing(recorded, arguments):
    bye_is_gone(recorded)

    result = recorded.run(*arguments)

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


@pytest.mark.parametrize("arguments", [["--lf"], ["--ff"], ["--sw"]], ids=" ".join)
def test_a_run_that_looks_for_failures_says_nothing(recorded, arguments):
    bye_is_gone(recorded)

    result = recorded.pytester.runpytest_inprocess(*arguments)

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


@pytest.mark.parametrize("arguments", [[], ["."], ["tests"], ["tests", "tests"], ["-k", ""], ["--maxfail=0"]], ids=str)
def test_paths_that_cover_all_tests_ask_for_everything(recorded, arguments):
    bob_is_gone(recorded)
    recorded.path.joinpath("test_it.py").rename(recorded.path.joinpath("tests").mkdir() or "tests/test_it.py")
    recorded.path.joinpath("cassettes/tests").mkdir()
    recorded.path.joinpath("cassettes/test_it").rename(recorded.path / "cassettes/tests/test_it")
    recorded.ini("testpaths = tests")

    recorded.says(recorded.run(*arguments), "without a test:")


def test_paths_from_elsewhere_cover_what_they_cover(recorded, monkeypatch):
    bye_is_gone(recorded)
    recorded.path.joinpath("inner").mkdir()
    monkeypatch.chdir(recorded.path / "inner")

    assert NEWS not in str(recorded.run().stdout)
    assert NEWS in str(recorded.run("..").stdout)


FAILING = {
    "a failed test": "def test_it():\n    assert False",
    "an error in a fixture": "@pytest.fixture\ndef broken():\n    assert False\n\ndef test_it(broken):\n    pass",
    "a module that cannot be imported": "import nothing_of_this_name",
    "a run that is stopped": "def test_it(request):\n    request.session.shouldstop = 'enough'",
}


@pytest.mark.parametrize("failing", FAILING.values(), ids=FAILING)
def test_a_run_in_which_something_went_wrong_says_nothing(recorded, failing):
    bye_is_gone(recorded)
    recorded.file("test_last.py", f"import pytest\n{failing}\n")

    result = recorded.run()

    assert result.ret != 0
    assert NEWS not in str(result.stdout)


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "workers"])
@pytest.mark.parametrize(
    "tells", ["config.hook.pytest_deselected(items=items[1:])", "pass"], ids=["tells", "is silent"]
)
def test_a_plugin_that_takes_tests_away_makes_a_run_partial(recorded, tells, workers):
    recorded.file("conftest.py", f"def pytest_collection_modifyitems(config, items):\n    {tells}\n    del items[1:]\n")

    result = recorded.run(*workers)

    result.assert_outcomes(passed=1, deselected=3 if tells != "pass" and not workers else 0)
    assert NEWS not in str(result.stdout)


def test_an_interrupted_run_says_nothing(recorded):
    bye_is_gone(recorded)
    recorded.file("test_last.py", "def test_it():\n    raise KeyboardInterrupt\n")

    result = recorded.run_alone()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert NEWS not in str(result.stdout)


SKIPPING = {
    "a marker": ("@pytest.mark.llm_cassette\n", "@pytest.mark.skip(reason='later')\n@pytest.mark.llm_cassette\n"),
    "itself": ('"I am {name}.", "Bye.")', '"I am {name}.")\n    pytest.skip("later")'),
    "an expected failure": ('"I am {name}.", "Bye.")', '"I am {name}.")\n    pytest.xfail("later")'),
    "an expected failure of a marker": (
        "@pytest.mark.llm_cassette\n",
        "@pytest.mark.xfail(run=False, reason='later')\n@pytest.mark.llm_cassette\n",
    ),
}


@pytest.mark.parametrize(("old", "new"), SKIPPING.values(), ids=SKIPPING)
def test_a_skipped_test_has_its_cassette_and_needs_all_of_it(recorded, old, new):
    change(recorded, old, new)

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_a_module_that_is_skipped_as_a_whole_keeps_its_cassettes_and_those_it_may_share(recorded):
    skipped = "import pytest\npytest.skip('later', allow_module_level=True)\n"
    recorded.file("test_it.py", skipped)
    recorded.tests("def test_other():\n    pass\n", "test_other.py")

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_a_module_that_a_conftest_ignores_keeps_its_cassettes(recorded):
    recorded.file("conftest.py", "collect_ignore = ['test_it.py']\n")
    recorded.tests("def test_other():\n    pass\n", "test_other.py")

    assert NEWS not in str(recorded.run().stdout)


def test_markers_that_a_conftest_adds_count(recorded):
    recorded.tests(TESTS.replace('@pytest.mark.llm_cassette("both")\n', ""))
    recorded.file(
        "conftest.py",
        "def pytest_collection_modifyitems(items):\n    for item in items:\n        if 'greets' not in item.name:\n"
        "            item.add_marker(__import__('pytest').mark.llm_cassette('both'))\n",
    )

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_subtests_play_from_the_cassette_of_their_test(recorded):
    recorded.tests(TESTS.replace("def test_one():\n", "def test_one(subtests):\n    with subtests.test():\n      "))

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


AGAIN = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.config.hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in (1, 2):
        item.attempt = attempt
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        failed = any(report.failed for report in reports)
        for report in reports:
            report.outcome = "rerun" if report.failed and attempt == 1 else report.outcome
            item.config.hook.pytest_runtest_logreport(report=report)
        if not failed:
            return True
    return True
"""


def test_of_a_test_that_is_run_again_the_last_attempt_counts(recorded):
    recorded.file("conftest.py", AGAIN)
    new = 'test_one(request):\n    assert request.node.attempt == 2\n    say("One.")'
    change(recorded, 'test_one():\n    say("One.")', new)

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_fail_makes_the_run_fail(recorded):
    recorded.ini("templates_unused = fail")
    assert recorded.run().ret == 0

    bob_is_gone(recorded)
    result = recorded.run()

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    recorded.says(result, "without a test:", "templates_unused = fail")
    assert recorded.run("-n2").ret == pytest.ExitCode.TESTS_FAILED
    assert recorded.run("-k", "greets").ret == 0


def test_ignore_says_nothing(recorded):
    recorded.ini("templates_unused = ignore")
    bob_is_gone(recorded)

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_another_value_is_refused_with_the_valid_ones(project):
    project.ini("templates_unused = error")

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: templates_unused = error in *: it takes one of report, fail, ignore"])
