"""templates_budget in the ini file: a run that spends more fails."""

from __future__ import annotations

import pytest

TESTS = """
from decimal import Decimal

def priced(text, cost):
    return Reply(text, usage=Usage(input_tokens=100, output_tokens=20, cost=Decimal(cost)))

@pytest.mark.parametrize("number", range(4))
def test_cheap(scripted_model, number):
    ask(scripted_model(priced("one", "0.01"), name="small"))

def test_dear(scripted_model):
    research(scripted_model(priced("two", "0.25"), name="large"))
"""

WITHIN = ["calls = 5", "cost = 0.29", "input_tokens = 500", "models = small, lar*"]


@pytest.mark.parametrize(("limit", "workers"), [*((limit, ()) for limit in WITHIN), ("\n  ".join(WITHIN), ("-n2",))])
def test_a_run_within_its_budget_passes_and_says_nothing(project, limit, workers):
    project.ini(f"templates_budget =\n  {limit}")
    project.tests(TESTS)

    result = project.run(*workers)

    assert result.ret == pytest.ExitCode.OK
    assert "of the run" not in str(result.stdout)


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_run_beyond_its_budget_fails_and_says_what_was_spent_by_whom(project, workers):
    project.ini("templates_budget =\n  calls = 200\n  cost = 0.28\n")
    project.tests(TESTS)

    result = project.run(*workers)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        [
            "templates: 5 calls of 2 models, *",
            "=* budget of the run =*",
            "the run is beyond templates_budget in pytest.ini:",
            "  calls          5        200",
            "  input tokens   500",
            "  output tokens  100",
            "  cost           $0.2900  $0.2800  too much",
            "spent most:",
            "  template  model  calls *",
            "  summary   large      1 *",
            "  answer    small      4 *",
        ],
        consecutive=False,
    )


def test_what_there_is_too_much_of_decides_who_spent_most_and_some_templates_are_enough(project):
    project.ini("templates_budget = input_tokens = 20")
    project.tests(
        """
        @pytest.mark.parametrize("number", range(7))
        def test_it(scripted_model, number):
            model = scripted_model(Reply("one", usage=Usage(input_tokens=number, cost=7 - number)), name=f"m{number}")
            ask(model)
        """
    )

    result = project.run()

    project.says(result, "spent most:", " m6 ", " m5 ", " m4 ", " m3 ", " m2 ", "and 2 lines more: --templates-summary")
    assert " m1 " not in str(result.stdout)


def test_a_model_that_is_not_allowed_is_named(project):
    project.ini("templates_budget = models = small, tiny")
    project.tests(TESTS)

    result = project.run()

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    project.says(
        result, "  model          large    small, tiny  not allowed", "  model          small    small, tiny\n"
    )


def test_a_run_that_fails_otherwise_keeps_its_exit_status(project):
    project.ini("templates_budget = calls = 0")
    project.tests(
        """
        def test_it(scripted_model):
            ask(scripted_model("one"))

        def test_the_end():
            pytest.exit("enough")
        """
    )

    result = project.run()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    project.says(result, "budget of the run")


def test_what_has_no_known_price_is_said(project, chat_server):
    project.ini("templates_budget = cost = 1")
    project.tests(
        """
        import os

        @pytest.mark.llm_live("why")
        def test_it():
            ask(connect("openai:mystery", base_url=os.environ["CHAT_URL"], api_key="x"))
        """
    )

    result = project.run("--templates-live")

    assert result.ret == pytest.ExitCode.OK
    project.says(
        result,
        "cost of 1 call unknown",
        "templates: no price is known, and templates_budget did not count: openai:mystery",
    )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("calls", "'calls' is no limit: a line is one of calls, input_tokens, output_tokens, cost, models"),
        ("tokens = 3", "'tokens = 3' is no limit: a line is one of calls, input_tokens"),
        ("calls =", "'calls =' is no limit"),
        ("calls = 1.5", "calls is a whole number, 0 or more, not '1.5'"),
        ("calls = -1", "calls is a whole number, 0 or more, not '-1'"),
        ("cost = $5", "cost is US dollars, 0 or more, such as 0.50, not '$5'"),
        ("models = small,, large", "models is a list of names, or of globs of them, not ['small', '', 'large']"),
        ("calls = 1\n  calls = 2", "calls has two limits"),
    ],
)
def test_what_is_no_limit_is_refused_with_those_there_are(project, lines, problem):
    project.ini(f"templates_budget =\n  {lines}\n")

    result = project.run()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"pytest.ini: {problem}" in str(result.stderr)
