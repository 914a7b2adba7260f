"""A scripted model says what its script tells it to, and nothing else."""

from __future__ import annotations


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


def test_a_step_that_no_model_could_say_is_refused_at_once_with_its_place(project):
    project.tests(
        """
        @pytest.mark.parametrize("step", [5, None, ["a"], {"a": 1}, b"text", int, ("a", "b"), object(), Reply])
        def test_it(scripted_model, step):
            with pytest.raises(TypeError, match="step 2 of scripted_model 'small' is ") as caught:
                scripted_model("fine", step, name="small")
            assert "a step is a text, a Reply, a CallTool, a list of CallTools that are one answer" in str(caught.value)
        """
    )

    assert project.outcomes() == {"passed": 9}


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
    result.stdout.re_match_lines(
        [r"E .*step 1 of scripted_model 'scripted', <function forgets at .*test_it.py:\d+>, retur"]
    )
    result.stdout.fnmatch_lines(["*returned NoneType: None"])


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


def test_a_model_made_without_the_fixture_plays_too_and_fails_the_test_that_asks_too_often(project):
    project.tests(
        """
        SHARED = ScriptedModel("one")

        def swallow(model):
            try:
                return ask(model).last.content
            except Exception:
                return "sorry"

        def test_enough():
            assert swallow(SHARED) == "one"

        def test_too_often():
            assert swallow(SHARED) == "sorry"

        def test_looked_for():
            errors = []
            assert swallow(ScriptedModel(complain=errors.append)) == "sorry"
            assert [type(error) for error in errors] == [UnscriptedCall]
        """
    )

    result = project.run()

    assert result.parseoutcomes() == {"passed": 2, "failed": 1}
    project.says(result, "UnscriptedCall: scripted_model 'scripted' was asked", "FAILED test_it.py::test_too_often")


def test_every_worker_holds_its_tests_to_their_scripts_and_tells_what_went_wrong(project):
    project.tests(
        """
        @pytest.mark.parametrize("number", range(2))
        def test_left(scripted_model, number):
            scripted_model("one")

        @pytest.mark.parametrize("number", range(2))
        def test_swallowed(scripted_model, number):
            swallow(ask, scripted_model(name="swallowed"))

        @pytest.mark.parametrize("number", range(2))
        def test_raised(scripted_model, number):
            ask(scripted_model(name="raised"))

        @pytest.mark.parametrize("number", range(2))
        def test_meddles(scripted_model, number):
            notes = []
            research(scripted_model("one"), lambda child: notes.append("x") or child, {"notes": notes})
        """
    )

    result = project.run("-n2")

    result.assert_outcomes(passed=2, errors=2, failed=6)
    output = str(result.stdout)
    assert output.count("UnusedSteps: scripted_model 'scripted' was asked 0") == 2
    assert output.count("\nUnscriptedCall: scripted_model 'swallowed' was asked by the template at 'talk/answer'") == 2
    assert (
        output.count("errors.UnscriptedCall: scripted_model 'raised' was asked by the template at 'talk/answer'") >= 2
    )
    assert output.count("metadata['notes'][0] was added: 'x'") == 2
