"""llm_budget: what it takes, and which of several counts."""

from __future__ import annotations

import pytest


def test_of_each_limit_the_closest_counts(project, spent):
    project.tests(
        """
        pytestmark = pytest.mark.llm_budget(models=["small"], calls=0)

        @pytest.mark.llm_budget(calls=1)
        class TestIt:
            def test_class(self, scripted_model):
                ask(scripted_model("one", name="small"))

            @pytest.mark.llm_budget(calls=2)
            def test_function(self, scripted_model):
                ask(scripted_model("one", name="small"))
                ask(scripted_model("two", name="small"))

            @pytest.mark.llm_budget(calls=2)
            def test_models_of_the_module(self, scripted_model):
                ask(scripted_model("one", name="large"))
        """
    )

    result = project.run()

    result.assert_outcomes(passed=2, failed=1)
    assert ["model", "large", "small", "not allowed"] in spent(result)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("", "it names no limit: give one of calls, input_tokens, output_tokens, cost, models"),
        ("calls=None", "it names no limit"),
        ("tokens=3", "got an unexpected keyword argument 'tokens'"),
        ("calls=-1", "calls is a whole number, 0 or more, not -1"),
        ("calls=True", "calls is a whole number, 0 or more, not True"),
        ("input_tokens=1.5", "input_tokens is a whole number, 0 or more, not 1.5"),
        ("output_tokens='3'", "output_tokens is a whole number, 0 or more, not '3'"),
        ("cost=-0.1", "cost is US dollars, 0 or more, such as 0.50, not -0.1"),
        ("cost='lots'", "cost is US dollars, 0 or more, such as 0.50, not 'lots'"),
        ("cost=float('nan')", "cost is US dollars, 0 or more, such as 0.50, not nan"),
        ("cost=True", "cost is US dollars, 0 or more, such as 0.50, not True"),
        ("models='small'", "models is a list of names, or of globs of them, not 'small'"),
        ("models=['small', 3]", "models is a list of names, or of globs of them, not ['small', 3]"),
    ],
)
def test_wrong_arguments_are_refused_when_tests_are_collected(project, arguments, problem):
    project.tests(f"@pytest.mark.llm_budget({arguments})\ndef test_it():\n    pass\n")

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(
        result,
        "test_it.py::test_it: marker llm_budget: ",
        problem,
        "it takes llm_budget(calls=None, input_tokens=None, output_tokens=None, cost=None, models=None)",
    )


def test_limits_may_be_given_by_position_and_no_model_may_be_allowed(project, spent):
    project.tests(
        """
        @pytest.mark.llm_budget(1, 100, 20, 0.01, [])
        def test_it():
            pass

        @pytest.mark.llm_budget(models=[])
        def test_asks(scripted_model):
            ask(scripted_model("one", name="small"))
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=1)
    assert ["model", "small", "none", "not allowed"] in spent(result)


def test_each_test_has_the_whole_budget_in_every_worker(project):
    project.tests(
        """
        @pytest.mark.llm_budget(calls=1)
        @pytest.mark.parametrize("number", range(3))
        def test_it(scripted_model, number):
            ask(scripted_model("one"))
        """
    )

    assert project.outcomes("-n2") == {"passed": 3}
