"""The fixture llm_trace: every model call of the test, whoever made it."""

from __future__ import annotations


def test_the_trace_holds_the_calls_of_every_runner_and_of_none(project):
    project.tests(
        """
        import threading

        def test_it(scripted_model, llm_trace):
            assert llm_trace.models == {}
            small, large = scripted_model("a", "b", "c", name="small"), scripted_model("d", name="large")
            ask(small)
            research(small)
            small.send(Session(messages=[Message(role="user", content="Hello.")]))
            thread = threading.Thread(target=ask, args=[large])
            thread.start()
            thread.join()
            assert llm_trace.models == {"answer": ["small", "large"], "summary": ["small"], "": ["small"]}
            assert [call.depth for call in llm_trace.of("summary")] == [1]
            assert [call.model for call in llm_trace.at("talk/*")] == ["small", "large"]
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_the_trace_holds_calls_that_failed(project):
    project.tests(
        """
        def test_it(scripted_model, llm_trace):
            swallow(ask, scripted_model(KeyError("gone")))
            [call] = llm_trace.calls
            assert isinstance(call.error, KeyError)
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_the_trace_holds_the_calls_of_fixtures_and_of_models_that_are_not_scripted(project):
    project.tests(
        """
        class Echo(Model):
            def _send(self, session):
                return session.last.content

        @pytest.fixture
        def greeted():
            ask(Echo())

        def test_it(greeted, llm_trace):
            assert llm_trace.models == {"answer": ["Echo"]}
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_each_test_has_a_trace_of_its_own_in_every_worker(project):
    project.tests(
        """
        @pytest.mark.parametrize("number", range(6))
        def test_it(scripted_model, llm_trace, number):
            ask(scripted_model("one", name=f"model-{number}"))
            assert llm_trace.models == {"answer": [f"model-{number}"]}
        """
    )

    assert project.outcomes("-n2") == {"passed": 6}


def test_a_call_that_a_wider_fixture_makes_belongs_to_the_test_that_set_it_up(project):
    project.tests(
        """
        @pytest.fixture(scope="session")
        def asked_once():
            return ask(ScriptedModel("one", name="session"))

        @pytest.fixture(scope="module")
        def asked_in_the_module():
            yield ask(ScriptedModel("two", name="module"))
            ask(ScriptedModel("three", name="late"))

        def test_first(asked_once, asked_in_the_module, llm_trace):
            assert llm_trace.models == {"answer": ["session", "module"]}

        def test_second(asked_once, asked_in_the_module, llm_trace):
            assert llm_trace.models == {}
        """
    )

    result = project.run()

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["templates: 3 calls of 3 models, *"])


def test_a_wider_fixture_that_wants_the_trace_is_refused_by_its_scope(project):
    project.tests(
        """
        @pytest.fixture(scope="module")
        def wide(llm_trace):
            return llm_trace

        def test_it(wide):
            pass
        """
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["ScopeMismatch: *"])


def test_the_tools_that_models_asked_for_are_in_the_trace(project):
    project.tests(
        """
        from antiphon import ToolCall

        @tool
        def look(place: str) -> str:
            '''Looks.'''
            return f"seen: {place}"

        def test_it(scripted_model, llm_trace):
            wish = Reply(tool_calls=(ToolCall(id="1", name="look", arguments={"place": "here"}),))
            template = ToolingTemplate([look], template_id="answer")
            Runner(scripted_model(wish, "done"), template=LinearTemplate([UserTemplate("Look."), template])).run()
            [run] = llm_trace.tools
            assert (run.template_id, run.tool, run.result) == ("answer", "look", "seen: here")
        """
    )

    assert project.outcomes() == {"passed": 1}


def test_a_test_that_reads_the_configuration_of_another_run_has_its_fixtures(project):
    project.tests(
        """
        pytest_plugins = ["pytester"]

        @pytest.fixture
        def configured(pytester):
            return pytester.parseconfigure("-pno:asyncio")

        def test_it(configured, scripted_model, llm_trace):
            ask(scripted_model("a"))
            assert llm_trace.models == {"answer": ["scripted"]}
        """
    )

    assert project.outcomes() == {"passed": 1}
