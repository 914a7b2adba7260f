"""A scripted model says what its script tells it to, and nothing else."""

from __future__ import annotations

import pytest


def test_each_call_takes_the_next_step_whatever_its_kind(project):
    project.tests(
        """
        from pydantic import BaseModel

        class City(BaseModel):
            name: str

        class Speaks:
            def __call__(self, session):
                return f"{len(session.messages)} messages"

        def test_steps(scripted_model):
            model = scripted_model(
                "text",
                Reply(content="reply", usage=Usage(input_tokens=12), served_by="served"),
                Message(role="assistant", content="message"),
                City(name="Oslo"),
                lambda session: session.last.content.upper(),
                lambda session: City(name="Bergen"),
                lambda session: Reply(content="made"),
                Speaks(),
            )
            said = [ask(model).last.content for _ in range(8)]

            assert said == [
                "text", "reply", "message", '{"name":"Oslo"}', "HELLO.", '{"name":"Bergen"}', "made", "1 messages"
            ]
            assert model.remaining == 0
            assert model.calls[1].usage == Usage(input_tokens=12)
            assert model.calls[1].served_by == "served"
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_step_that_is_an_exception_is_raised_as_it_is(project):
    project.tests(
        """
        from antiphon.errors import RateLimitError

        def test_errors(scripted_model):
            trouble = RateLimitError("slow down", retry_after=2.0)
            model = scripted_model(trouble, KeyError, lambda session: OSError("gone"))
            with pytest.raises(RateLimitError) as caught:
                ask(model)
            assert caught.value is trouble
            with pytest.raises(KeyError):
                ask(model)
            with pytest.raises(OSError, match="gone"):
                ask(model)
            assert [type(call.error) for call in model.calls] == [RateLimitError, KeyError, OSError]
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_function_may_return_the_class_of_an_exception_as_a_step_may_be_one(project):
    project.tests(
        """
        def test_it(scripted_model):
            with pytest.raises(KeyError):
                ask(scripted_model(lambda session: KeyError))
        """
    )

    assert project.outcomes() == {"passed": 1}


@pytest.mark.parametrize("step", ["5", "None", "['a']", "{'a': 1}", "b'text'", "int", "('a', 'b')", "object()"])
def test_a_step_that_no_model_could_say_is_refused_at_once_with_its_place(project, step):
    project.tests(
        f"""
        def test_it(scripted_model):
            with pytest.raises(TypeError, match="step 2 of scripted_model 'small' is ") as caught:
                scripted_model("fine", {step}, name="small")
            assert "a step is a text, a Reply, a pydantic object, an exception, or a function" in str(caught.value)
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_function_that_returns_nothing_a_model_could_say_fails_with_its_place(project):
    project.tests(
        """
        def forgets(session):
            pass

        def test_it(scripted_model):
            ask(scripted_model(forgets))
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"E .*step 1 of scripted_model 'scripted', <function forgets at .*test_it.py:\d+>, retur"])
    result.stdout.fnmatch_lines(["*returned NoneType: None"])


def test_a_call_too_many_fails_with_the_template_the_prompt_and_what_was_played(project):
    project.tests(
        """
        def test_it(scripted_model):
            model = scripted_model("one", name="small")
            ask(model)
            ask(model)
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *UnscriptedCall: scripted_model 'small' was asked by the template at 'talk/answer' and its script is over*",
            "E * user: Hello.",
        ]
    )


def test_a_call_too_many_fails_the_test_also_where_the_program_swallows_it(project):
    project.tests(
        """
        def test_it(scripted_model):
            swallow(ask, scripted_model(name="small"))

        def test_other(scripted_model):
            ask(scripted_model("fine"))
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        ["UnscriptedCall: scripted_model 'small' was asked by the template at 'talk/answer'*", "*seen at *program.py:*"]
    )
    result.stdout.no_fnmatch_line("*warning: *")


def test_every_swallowed_call_is_told_also_beside_the_failure_that_follows(project):
    project.tests(
        """
        def test_it(scripted_model):
            swallow(ask, scripted_model(name="small"))
            swallow(ask, scripted_model(name="large"))
            assert 1 == 2
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *assert 1 == 2", "*templates*", "UnscriptedCall: *'small' was asked*", "UnscriptedCall: *'large' was asked*"]
    )


def test_a_call_too_many_from_outside_of_templates_is_told_as_such(project):
    project.tests(
        """
        def test_it(scripted_model):
            scripted_model().send(Session(messages=[Message(role="user", content="Anyone?")]))
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*was asked by code outside of templates*", "* user: Anyone[?]"])


def test_steps_that_are_left_fail_the_test_at_its_end_each_with_its_place(project):
    project.tests(
        """
        def test_it(scripted_model):
            model = scripted_model("one", "two", ask, name="small")
            ask(model)
            assert model.remaining == 2
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["UnusedSteps: scripted_model 'small' was asked 1 *", "*2. 'two'", "*3. <function ask at *program.py:*>"]
    )


def test_the_steps_of_every_script_are_told_when_several_are_left(project):
    project.tests(
        """
        def test_it(scripted_model):
            scripted_model("one", name="small")
            scripted_model("two", name="large")
        """
    )

    result = project.run()

    result.stdout.fnmatch_lines(["UnusedSteps: *'small'*", "UnusedSteps: *'large'*"])


def test_steps_may_be_left_where_the_test_allows_it(project):
    project.tests(
        """
        def test_it(scripted_model):
            scripted_model("one", "two", allow_unused=True)
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_call_too_many_is_refused_also_where_steps_may_be_left(project):
    project.tests(
        """
        def test_it(scripted_model):
            swallow(ask, scripted_model(allow_unused=True))
        """
    )

    assert project.outcomes() == {"failed": 1}


def test_steps_that_are_left_by_a_test_that_failed_are_no_news(project):
    project.tests(
        """
        def test_it(scripted_model):
            scripted_model("one")
            assert False
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*UnusedSteps*")


def test_a_script_can_be_settled_before_the_test_ends(project):
    project.tests(
        """
        def test_it(scripted_model):
            model = scripted_model("one")
            with pytest.raises(UnusedSteps, match="still holds 1"):
                model.assert_complete()
            ask(model)
            model.assert_complete()
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_the_name_is_what_traces_call_the_model(project):
    project.tests(
        """
        def test_it(scripted_model, llm_trace):
            assert ask(scripted_model("one", name="small")).last.model == "small"
            ask(scripted_model("one"))
            assert llm_trace.models == {"answer": ["small", "scripted"]}
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_model_made_without_the_fixture_plays_too(project):
    project.tests(
        """
        def test_it():
            model = ScriptedModel("one", name="small")
            assert ask(model).last.content == "one"
            with pytest.raises(UnscriptedCall):
                ask(model)
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_scripts_are_settled_in_every_worker(project):
    project.tests(
        """
        @pytest.mark.parametrize("number", range(3))
        def test_left(scripted_model, number):
            scripted_model("one")

        @pytest.mark.parametrize("number", range(3))
        def test_swallowed(scripted_model, number):
            swallow(ask, scripted_model())
        """
    )

    result = project.run("-n2")

    result.assert_outcomes(passed=3, errors=3, failed=3)
    result.stdout.fnmatch_lines(["UnscriptedCall: scripted_model 'scripted' was asked by the template at 'talk/answer'*"])
