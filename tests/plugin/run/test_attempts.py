"""State belongs to one attempt of a test, from its setup to its teardown."""

from __future__ import annotations

RERUNS = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in (1, 2):
        item.attempt = attempt
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if all(report.passed for report in reports):
            break
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_what_an_attempt_did_is_not_held_against_the_next(project):
    project.file("conftest.py", RERUNS)
    project.tests(
        """
        def meddles():
            notes = []
            research(ScriptedModel("one"), lambda child: notes.append("x") or child, {"notes": notes})

        @pytest.mark.parametrize("trouble", ["asks", "leaves", "meddles", "fails"])
        def test_it(request, trouble, scripted_model, llm_trace):
            assert llm_trace.models == {}
            ask(scripted_model("fine"))
            if request.node.attempt == 1 and trouble == "asks":
                swallow(ask, scripted_model())
            if request.node.attempt == 1 and trouble == "leaves":
                scripted_model("left")
            if request.node.attempt == 1 and trouble == "meddles":
                meddles()
            if request.node.attempt == 1 and trouble == "fails":
                assert False
        """
    )

    result = project.run()

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["templates: 4 calls of 1 model, *"])


def test_an_attempt_that_goes_wrong_every_time_fails(project):
    project.file("conftest.py", RERUNS)
    project.tests("def test_it(scripted_model):\n    swallow(ask, scripted_model())\n")

    assert project.outcomes() == {"failed": 1}


def test_a_call_that_a_fixture_swallows_fails_the_setup_and_the_test_does_not_run(project):
    project.tests(
        """
        @pytest.fixture
        def greeted(scripted_model):
            swallow(ask, scripted_model())

        def test_it(greeted):
            print("was run")
        """
    )

    result = project.run("-s")

    result.assert_outcomes(errors=1)
    project.says(result, "ERROR at setup of test_it", "UnscriptedCall: ")
    result.stdout.no_fnmatch_line("*was run*")


def test_a_call_that_a_fixture_swallows_while_it_is_torn_down_is_an_error(project):
    project.tests(
        """
        @pytest.fixture
        def greeted(scripted_model):
            yield
            swallow(ask, scripted_model())

        def test_it(greeted):
            pass
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    project.says(result, "ERROR at teardown of test_it", "UnscriptedCall: ")


def test_a_subroutine_that_meddles_in_a_fixture_fails_the_setup(project):
    project.tests(
        """
        @pytest.fixture
        def meddled(scripted_model):
            notes = []
            research(scripted_model("one"), lambda child: notes.append("x") or child, {"notes": notes})

        def test_it(meddled):
            pass
        """
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    project.says(result, "ERROR at setup of test_it", "IsolationViolation: ")


def test_a_failing_setup_is_told_once_and_the_steps_it_left_are_no_news(project):
    project.tests(
        """
        @pytest.fixture
        def broken(scripted_model):
            scripted_model("left")
            raise KeyError("the fixture's own trouble")

        def test_it(broken):
            pass

        def test_next(scripted_model, llm_trace):
            ask(scripted_model("fine"))
            assert llm_trace.models == {"answer": ["scripted"]}
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.no_fnmatch_line("*UnusedSteps*")


def test_a_failing_teardown_does_not_keep_the_next_test_from_its_own_state(project):
    project.tests(
        """
        @pytest.fixture
        def broken(scripted_model):
            yield
            raise KeyError("the fixture's own trouble")

        def test_it(broken, scripted_model):
            ask(scripted_model("fine"))

        def test_next(scripted_model, llm_trace):
            ask(scripted_model("fine"))
            assert llm_trace.models == {"answer": ["scripted"]}
        """
    )

    project.run().assert_outcomes(passed=2, errors=1)


def test_a_test_that_skips_itself_after_a_call_too_many_fails(project):
    project.tests(
        """
        def test_it(scripted_model):
            swallow(ask, scripted_model())
            pytest.skip("not here")
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "UnscriptedCall: ")


def test_a_test_that_skips_itself_stays_skipped_whatever_its_script_still_holds(project):
    project.tests(
        """
        def test_it(scripted_model, scripted_user):
            scripted_model("left")
            scripted_user("left")
            pytest.skip("not here")
        """
    )

    assert project.outcomes() == {"skipped": 1}


def test_a_test_that_is_expected_to_fail_may_fail_by_what_it_swallowed(project):
    project.tests(
        """
        @pytest.mark.xfail(reason="asks too often")
        def test_marked(scripted_model):
            swallow(ask, scripted_model())

        @pytest.mark.xfail(reason="asks too often", strict=True)
        def test_strict(scripted_model):
            swallow(ask, scripted_model())

        def test_says_so(scripted_model):
            swallow(ask, scripted_model())
            pytest.xfail("asks too often")

        @pytest.mark.xfail(raises=ZeroDivisionError)
        def test_expected_to_fail_otherwise(scripted_model):
            swallow(ask, scripted_model())
        """
    )

    assert project.outcomes() == {"xfailed": 3, "failed": 1}


def test_a_test_that_is_skipped_by_its_marker_begins_and_ends_quietly(project):
    project.tests(
        """
        @pytest.mark.skip(reason="not here")
        def test_skipped(scripted_model):
            scripted_model("left")

        @pytest.mark.xfail(run=False)
        def test_not_run(scripted_model):
            scripted_model("left")
        """
    )

    assert project.outcomes() == {"skipped": 1, "xfailed": 1}


def test_calls_between_tests_belong_to_none(project):
    project.file(
        "conftest.py",
        """
        from program import ask

        def pytest_runtest_logstart():
            from pytest_templates import ScriptedModel
            ask(ScriptedModel("between", name="between"))
        """,
    )
    project.tests(
        """
        def test_it(scripted_model, llm_trace):
            ask(scripted_model("fine", name="mine"))
            assert llm_trace.models == {"answer": ["mine"]}
        """
    )

    result = project.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["templates: 1 call of 1 model, *"])
