"""Which runs are full: they ask for every test, and see every test to its end."""

from __future__ import annotations

import pytest

NEWS = "unused recordings"
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
def test_a_run_that_does_not_ask_for_everything_says_nothing(recorded, bye_is_gone, arguments):
    result = recorded.run(*arguments)

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


@pytest.mark.parametrize("arguments", [["--lf"], ["--ff"], ["--sw"]], ids=" ".join)
def test_a_run_that_looks_for_failures_says_nothing(recorded, bye_is_gone, arguments):
    result = recorded.pytester.runpytest_inprocess(*arguments)

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


@pytest.mark.parametrize("arguments", [[], ["."], ["tests"], ["tests", "tests"], ["-k", ""], ["--maxfail=0"]], ids=str)
def test_paths_that_cover_all_tests_ask_for_everything(recorded, bob_is_gone, arguments):
    for old, new in {"test_it.py": "tests/test_it.py", "cassettes/test_it": "cassettes/tests/test_it"}.items():
        recorded.path.joinpath(new).parent.mkdir()
        recorded.path.joinpath(old).rename(recorded.path / new)
    recorded.ini("testpaths = tests")

    recorded.says(recorded.run(*arguments), "without a test:")


def test_paths_from_elsewhere_cover_what_they_cover(recorded, bye_is_gone, monkeypatch):
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
def test_a_run_in_which_something_went_wrong_says_nothing(recorded, bye_is_gone, failing):
    recorded.file("test_last.py", f"import pytest\n{failing}\n")

    result = recorded.run()

    assert result.ret != 0
    assert NEWS not in str(result.stdout)


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["alone", "worker"])
@pytest.mark.parametrize(
    "tells", ["config.hook.pytest_deselected(items=items[1:])", "pass"], ids=["tells", "is silent"]
)
def test_a_plugin_that_takes_tests_away_makes_a_run_partial(recorded, bob_is_gone, tells, workers):
    recorded.file("conftest.py", f"def pytest_collection_modifyitems(config, items):\n    {tells}\n    del items[1:]\n")

    result = recorded.run(*workers)

    result.assert_outcomes(passed=1, deselected=2 if tells != "pass" and not workers else 0)
    assert NEWS not in str(result.stdout)


def test_an_interrupted_run_says_nothing(recorded, bye_is_gone):
    recorded.file("test_last.py", "def test_it():\n    raise KeyboardInterrupt\n")

    result = recorded.run_forked()

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
def test_a_skipped_test_has_its_cassette_and_needs_all_of_it(recorded, change, old, new):
    change(old, new)

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


def test_markers_that_a_conftest_adds_count(recorded, change):
    change('@pytest.mark.llm_cassette("both")\n', "")
    recorded.file(
        "conftest.py",
        "def pytest_collection_modifyitems(items):\n    for item in items:\n        if 'greets' not in item.name:\n"
        "            item.add_marker(__import__('pytest').mark.llm_cassette('both'))\n",
    )

    result = recorded.run()

    assert result.ret == 0
    assert NEWS not in str(result.stdout)


def test_subtests_play_from_the_cassette_of_their_test(recorded, change):
    change("def test_one():\n", "def test_one(subtests):\n    with subtests.test():\n      ")

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


def test_of_a_test_that_is_run_again_the_last_attempt_counts(recorded, change, record):
    recorded.file("conftest.py", AGAIN)
    record("both", "One.", "Two.", "Three.")
    new = 'test_one(request):\n    assert request.node.attempt == 2\n    say("One.")'
    change('test_one():\n    say("One.")', new)

    result = recorded.run()

    assert result.ret == 0
    recorded.says(result, "cassettes/both.yaml\n    3  talk/answer  user: Three.\n  To drop")
