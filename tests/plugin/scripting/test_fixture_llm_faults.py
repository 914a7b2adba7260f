"""llm_faults: faults on the templates of one test."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_the_fixture_settles_at_teardown_and_ends_with_the_test(project, workers):
    project.tests(
        """
        import time

        def test_met(scripted_model, llm_faults):
            llm_faults.at("answer", faults.timeout())
            swallow(ask, scripted_model())
            assert llm_faults.remaining == 0

        def test_not_met(scripted_model, llm_faults):
            llm_faults.at("anwser", faults.timeout())
            ask(scripted_model("fine"))

        def test_other(scripted_model):
            ask(scripted_model("fine"))
        """
    )

    result = project.run(*workers)

    result.assert_outcomes(passed=3, errors=1)
    project.says(result, "UnusedSteps: llm_faults still holds", "at 'anwser': faults.timeout(), 1 time more")


def test_a_fault_happens_over_recorded_calls(project, chat_server):
    project.tests(
        f"""
        def recorded():
            return connect("openai:m", base_url={chat_server.url!r}, api_key="x")

        @pytest.mark.llm_cassette
        def test_it(llm_faults):
            llm_faults.at("answer", faults.rate_limited(retry_after=60))
            with pytest.raises(antiphon.errors.RateLimitError):
                ask(recorded())
            assert ask(recorded()).last.content
        """
    )

    assert project.outcomes("--templates-record=all") == {"passed": 1}
    asked = len(chat_server.asked)
    assert project.outcomes() == {"passed": 1}
    assert len(chat_server.asked) == asked == 1


def test_what_is_no_fault_is_refused_where_it_is_placed(project):
    project.tests(
        """
        def test_it(llm_faults):
            llm_faults.at("answer", "timeout")
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "fault takes one of the faults, such as faults.timeout(), not 'timeout'", "test_it.py:")


WITHOUT_EFFECT = {
    "truncated(after=20)": "llm_faults.at('answer', faults.truncated())\n    ask(scripted_model('short'))",
    "bad_arguments()": "llm_faults.at('answer', faults.bad_arguments())\n    ask(scripted_model('fine'))",
    "empty()": "llm_faults.at('answer', faults.empty())\n    [*Runner(scripted_model(''), template=talk()).stream()]",
}


@pytest.mark.parametrize(("fault", "body"), WITHOUT_EFFECT.items(), ids=WITHOUT_EFFECT)
def test_a_fault_that_changes_nothing_fails_its_test(project, fault, body):
    project.tests(f"def test_it(scripted_model, llm_faults):\n    {body}\n")

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    project.says(
        result,
        "UnusedSteps: llm_faults put faults on answers that stayed as they were:\n",
        f"    at 'talk/answer': faults.{fault}\n",
    )


def test_a_wrong_tool_that_there_is_is_refused(project):
    project.tests(
        """
        @tool
        def find_order(number: int) -> str:
            "Finds an order."
            return "found"

        def test_it(scripted_model, llm_faults):
            llm_faults.at("desk", faults.wrong_tool("find_order"))
            tree = LinearTemplate([UserTemplate("Hi."), ToolingTemplate([find_order], template_id="desk")])
            with pytest.raises(antiphon.errors.InvalidValue, match="at 'linear/desk' has a tool of that name"):
                Runner(scripted_model("fine", "fine"), template=tree).run()
        """
    )

    project.run().assert_outcomes(passed=1, errors=1)  # its model has a step left
