"""A script is settled: a call too many fails the test, and so does a step that is left."""

from __future__ import annotations


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
            "E *UnscriptedCall: scripted_model 'small' was asked by the template at 'talk/answer' *with 1 step played",
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
        [
            "E *assert 1 == 2",
            "*templates*",
            "UnscriptedCall: *'small' was asked*",
            "UnscriptedCall: *'large' was asked*",
        ]
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
        [
            "UnusedSteps: scripted_model 'small' was asked 1 *",
            "*2. 'two'",
            "*3. <function ask at *program.py:*>",
            "*, or allow it by allow_unused=True",
        ]
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


def test_the_steps_of_models_and_of_users_are_told_together_when_both_are_left(project):
    project.tests(
        """
        def test_it(scripted_model, scripted_user):
            scripted_model("one", name="small")
            scripted_user("two")
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    output = str(result.stdout)
    assert "UnusedSteps: scripted_model 'small' was asked 0" in output
    assert "UnusedSteps: scripted_user was asked 0" in output
    assert "fixtures.py" not in output


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
