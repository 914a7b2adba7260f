"""The marker llm_samples: a test is run several times, and passes where enough of these samples do."""

from __future__ import annotations

import json

import pytest

ONE_AFTER_ANOTHER = """
said = iter("abcdefghij")

@pytest.fixture
def answer(scripted_model):
    return ask(scripted_model(next(said))).last.content
"""


def test_enough_samples_pass_and_the_summary_says_which_failed_and_why(project):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
@pytest.mark.llm_samples(10, pass_rate=0.8)
def test_it(answer):
    assert answer not in "cg"
"""
    )

    result = project.run("--templates-json=run.json")

    result.assert_outcomes(passed=1)
    project.says(
        result,
        "10 calls of 1 model, 0 tokens, $0.0000, 10 samples of 1 test (2 failed)",
        "test_it.py::test_it: 8 of 10 samples passed (80%, between 49% and 94% with 95% confidence); pass_rate=0.8",
        "sample  3  test_it.py:17: AssertionError: assert 'c' not in 'cg'",
        "sample  7  test_it.py:17: AssertionError: assert 'g' not in 'cg'",
    )
    [test] = json.loads((project.path / "run.json").read_text(encoding="utf-8"))["tests"]
    samples = test["samples"]
    assert (samples["count"], samples["passed"], samples["pass_rate"], len(test["calls"])) == (10, 8, 0.8, 10)
    assert [failed["sample"] for failed in samples["failed"]] == [3, 7]
    assert (round(samples["low"], 3), round(samples["high"], 3)) == (0.49, 0.943)


def test_too_few_samples_pass_and_the_failure_shows_them(project):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
@pytest.mark.llm_samples(10, pass_rate=0.9)
def test_it(answer):
    print(f"it said {answer}")
    assert answer not in "cg"
"""
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(
        result,
        "8 of 10 samples passed (80%, between 49% and 94% with 95% confidence); pass_rate=0.9",
        "sample  3  test_it.py:18: AssertionError: assert 'c' not in 'cg'",
        "failure of sample 3",
        '>       assert answer not in "cg"',
        "it said c",
        "failure of sample 7",
        "FAILED test_it.py::test_it - pytest_templates.errors.PassRateMissed: 8 of 10",
    )


def test_all_samples_have_to_pass_where_no_rate_is_given(project):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
@pytest.mark.llm_samples(3)
def test_three(answer):
    assert answer in "abc"

@pytest.mark.llm_samples(3)
def test_one_fails(answer):
    assert answer != "f"

@pytest.mark.llm_samples(2, pass_rate=0.5)
def test_half(answer):
    assert answer == "g"
"""
    )

    assert project.outcomes() == {"passed": 2, "failed": 1}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("", "missing a required argument: 'number'"),
        ("0", "number is a whole number, 1 or more, not 0"),
        ("2.5", "number is a whole number, 1 or more, not 2.5"),
        ("True", "number is a whole number, 1 or more, not True"),
        ("3, pass_rate=1.2", "pass_rate is a number from 0 to 1, such as 0.8, not 1.2"),
        ("3, pass_rate='most'", "pass_rate is a number from 0 to 1, such as 0.8, not 'most'"),
        ("3, rate=1", "unexpected keyword argument 'rate'"),
    ],
)
def test_what_is_no_number_or_rate_is_refused(project, arguments, why):
    project.tests(f"@pytest.mark.llm_samples({arguments})\ndef test_it():\n    pass\n")

    result = project.run("--collect-only")

    project.says(result, "marker llm_samples: ", "it takes llm_samples(number, *, pass_rate=1.0)")
    assert why.replace("missing a required argument: ", "") in str(result.stdout)


def test_each_sample_has_fixtures_of_its_own_and_shares_those_of_wider_scopes(project):
    project.tests(
        """
from unittest import TestCase

log = []

@pytest.fixture(scope="module")
def wide():
    log.append("wide")
    yield
    assert log.count("end") == 3

@pytest.fixture
def own(wide, tmp_path):
    log.append("own")
    yield tmp_path
    log.append("end")

@pytest.mark.llm_samples(3)
def test_it(own, caplog, capsys):
    print("once")
    assert (capsys.readouterr().out, caplog.messages, [*own.iterdir()]) == ("once\\n", [], [])
    (own / "made").touch()

def test_others_follow(wide):
    assert log == ["wide", *["own", "end"] * 3]

class TestCounting(TestCase):
    at = []

    def setUp(self):
        self.at.append("set up")

    def tearDown(self):
        self.at.append("torn down")

    @pytest.mark.llm_samples(2)
    def test_it(self):
        self.new = not hasattr(self, "new")
        self.assertTrue(self.new)

    def test_its_end(self):
        self.assertEqual(self.at[:4], ["set up", "torn down"] * 2)
"""
    )

    project.run("-p", "no:randomly").assert_outcomes(passed=4)


def test_a_sample_fails_where_its_set_up_does_and_where_a_subtest_does(project):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
@pytest.fixture
def checked(answer):
    assert answer != "b"

@pytest.mark.llm_samples(3, pass_rate=0.6)
def test_set_up(checked):
    pass

@pytest.mark.llm_samples(3, pass_rate=0.6)
def test_subtests(answer, subtests):
    with subtests.test("letter"):
        assert answer != "e"
"""
    )

    result = project.run()

    result.assert_outcomes(passed=2)
    project.says(result, "sample 2  test_it.py:17: AssertionError: assert 'b' != 'b'", "one of its subtests failed")


def test_what_says_nothing_of_the_answers_ends_the_test(project):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
@pytest.mark.llm_samples(9, pass_rate=0)
def test_skipped(answer):
    if answer == "b":
        pytest.skip("no weather today")

@pytest.fixture
def broken(answer):
    yield answer
    assert answer != "d"

@pytest.mark.llm_samples(9, pass_rate=0)
def test_tear_down(broken):
    pass

@pytest.mark.llm_samples(9, pass_rate=0)
def test_script(scripted_model):
    ask(scripted_model("too", "much"))

@pytest.mark.llm_samples(9, pass_rate=0)
def test_swallowed(scripted_model):
    swallow(ask, scripted_model())
"""
    )

    result = project.run("-rs")

    result.assert_outcomes(skipped=1, failed=3)
    project.says(result, "in sample 2 of 9", "UnusedSteps", "in sample 1 of 9", "UnscriptedCall", "in sample 1 of 9")
    project.says(result, "no weather today")
    assert "samples of" not in str(result.stdout)


def test_an_expected_failure_is_one_of_the_whole(project):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
@pytest.mark.xfail(reason="too hard")
@pytest.mark.llm_samples(2)
def test_expected(answer):
    assert answer != "b"

@pytest.mark.xfail(strict=True)
@pytest.mark.llm_samples(2)
def test_not_expected(answer):
    assert answer in "cd"

@pytest.mark.xfail(raises=AssertionError)
@pytest.mark.llm_samples(2)
def test_expected_by_its_family(answer):
    assert answer != "f"

@pytest.mark.xfail(raises=PassRateMissed, strict=True)
@pytest.mark.llm_samples(2)
def test_expected_by_its_class(answer):
    assert answer != "h"

@pytest.mark.xfail(raises=ValueError)
@pytest.mark.llm_samples(2)
def test_another_is_expected(answer):
    assert answer != "j"

@pytest.mark.xfail(run=False)
@pytest.mark.llm_samples(2)
def test_not_run(answer):
    raise SystemExit
"""
    )

    project.run().assert_outcomes(xfailed=4, failed=2)


def test_parameters_and_other_markers_hold_for_every_sample(project):
    project.tests(
        """
@pytest.mark.llm_script("answers.yaml")
@pytest.mark.llm_samples(3)
@pytest.mark.parametrize("word", ["yes", "no"])
def test_it(word, scripted_model, llm_trace):
    assert ask(scripted_model()).last.content == "Again."
    assert len(llm_trace) == 1
"""
    )
    project.file("fixtures/answers.yaml", "'**': Again.\n")

    result = project.run()

    result.assert_outcomes(passed=2)
    project.says(result, "6 calls of 1 model", "6 samples of 2 tests")


def test_the_trace_knows_the_samples_before(project):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
@pytest.mark.llm_samples(3, pass_rate=0.5)
def test_it(answer, llm_trace):
    assert [sample.number for sample in llm_trace.samples] == [*range(1, "abc".index(answer) + 1)]
    replies = [call.reply.content for sample in llm_trace.samples for call in sample.trace.calls]
    assert replies == [*"abc".partition(answer)[0]]
    assert answer != "b"
    if answer == "c":
        assert [sample.passed for sample in llm_trace.samples] == [True, False]
        assert isinstance(llm_trace.samples[1].error, AssertionError)
"""
    )

    result = project.run()

    result.assert_outcomes(passed=1)
    project.says(result, "3 samples of 1 test (1 failed)")


def test_tests_that_are_coroutines_run_in_samples_with_asyncio_and_anyio(project, all_plugins):
    project.tests(
        ONE_AFTER_ANOTHER
        + """
import asyncio

@pytest.fixture
async def asked(scripted_model):
    yield await Runner(scripted_model(next(said)), None, talk()).arun()
    await asyncio.sleep(0)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.llm_samples(3, pass_rate=0.6)
async def test_anyio(asked):
    await asyncio.sleep(0)
    assert asked.last.content != "b"
"""
    )
    project.file(
        "test_asyncio.py",
        (project.path / "test_it.py")
        .read_text(encoding="utf-8")
        .replace("mark.anyio", "mark.asyncio")
        .replace("pytest.fixture\nasync", "pytest_asyncio.fixture\nasync")
        .replace("import pytest\n", "import pytest, pytest_asyncio\n", 1),
    )

    result = project.run()

    result.assert_outcomes(passed=2)
    project.says(result, "6 samples of 2 tests (2 failed)")


def test_the_samples_of_a_test_stay_together_under_xdist(project):
    project.tests(
        """
import os

numbers = iter(range(9))

@pytest.mark.parametrize("name", ["a", "b"])
@pytest.mark.llm_samples(4, pass_rate=0.5)
def test_it(name, scripted_model):
    ask(scripted_model(str(os.getpid())))
    assert next(numbers) % 4 != 1
"""
    )

    result = project.run("-n2")

    result.assert_outcomes(passed=2)
    project.says(result, "8 calls of 1 model", "8 samples of 2 tests (2 failed)", "test_it[a]: 3 of 4")
    project.says(result, "test_it[b]: 3 of 4")


def test_budgets_count_all_samples(project):
    project.tests(
        """
@pytest.mark.llm_budget(calls=3)
@pytest.mark.llm_samples(3)
def test_within(scripted_model):
    ask(scripted_model("yes"))

@pytest.mark.llm_budget(calls=2)
@pytest.mark.llm_samples(9, pass_rate=0)
def test_beyond(scripted_model):
    ask(scripted_model("yes"))
"""
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=1)
    project.says(
        result, "BudgetExceeded: test_it.py::test_beyond is beyond its budget", "with call 3", "in sample 3 of 9"
    )


def test_a_verdict_that_a_sample_expects_fails_nothing(project):
    project.tests(
        """
@pytest.mark.llm_samples(2)
def test_expecting(scripted_model):
    with expecting(UnscriptedCall):
        swallow(ask, scripted_model())

@pytest.mark.llm_samples(2)
def test_raises(scripted_model):
    with pytest.raises(UnscriptedCall):
        ask(scripted_model())

@pytest.mark.llm_samples(1)
@pytest.mark.llm_budget(calls=1)
def test_budget(scripted_model):
    model = scripted_model("one", "two")
    ask(model)
    with expecting(BudgetExceeded):
        ask(model)

@pytest.mark.llm_samples(2)
def test_swallowed(scripted_model):
    swallow(ask, scripted_model())
"""
    )

    assert project.outcomes() == {"passed": 3, "failed": 1}
