"""scripted_model_for_module: scripted models that several tests share."""

from __future__ import annotations

import pytest

TESTS = """
    @pytest.fixture(scope="module")
    def model(scripted_model_for_module):
        return scripted_model_for_module("one", "two", "three", name="shared")

    def test_first(model, llm_trace):
        assert ask(model).last.content == "one"
        assert llm_trace.models == {"answer": ["shared"]}

    def test_second(model, llm_trace):
        assert ask(model).last.content == "two"
        assert len(llm_trace) == 1
"""


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_tests_go_on_where_the_one_before_them_was(project, workers):
    project.tests(TESTS + "\n    def test_third(model):\n        ask(model)\n")

    assert project.outcomes(*workers) == {"passed": 3}


def test_what_is_left_at_the_end_is_refused_unless_a_test_has_failed(project):
    project.tests(TESTS)

    result = project.run()

    result.assert_outcomes(passed=2, errors=1)
    project.says(result, "UnusedSteps: scripted_model 'shared' was asked 2 times and still holds 1 of its steps:")

    project.tests(TESTS + "\n    def test_third(model):\n        assert False\n")

    assert project.outcomes() == {"passed": 2, "failed": 1}


def test_a_run_of_some_tests_may_leave_what_the_others_play(project):
    project.tests(TESTS)

    assert project.outcomes("-k", "first") == {"passed": 1, "deselected": 1}
    assert project.outcomes("test_it.py::test_first") == {"passed": 1}


def test_a_call_too_many_fails_the_test_that_makes_it(project):
    project.tests(
        TESTS
        + """
    def test_third(model):
        swallow(ask, model)
        swallow(ask, model)

    def test_fourth():
        pass
"""
    )

    assert project.outcomes() == {"passed": 3, "failed": 1}
