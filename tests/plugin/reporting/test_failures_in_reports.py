"""What reports tell of a test that failed: why, and at which step of its conversation."""

from __future__ import annotations

import pytest

FAILING = """
from pytest_templates import faults

def tree(**options):
    answers = [AssistantTemplate(template_id="first"), AssistantTemplate(template_id="second", **options)]
    return LinearTemplate([UserTemplate("Hello."), *answers], template_id="talk")

def test_models(scripted_model):
    asked = UserTemplate("And?")
    whole = LinearTemplate([tree(model=scripted_model("two", name="large")), asked, AssistantTemplate()])
    session = Runner(scripted_model("one", "three", name="small"), template=whole).run()
    assert_models(session, {"**": "small"})

def test_asserts(scripted_model):
    session = Runner(scripted_model("one", "two"), template=tree()).run()
    assert session.last.content == "three"

def test_raises(scripted_model, llm_faults):
    llm_faults.at("second", faults.timeout())
    Runner(scripted_model("one"), template=tree()).run()

def test_swallows(scripted_model):
    swallow(Runner(scripted_model("one"), template=tree()).run)
    ask(scripted_model("Bye."))

def test_raises_in_code(scripted_model):
    def fail(session):
        raise RuntimeError("on purpose")
    Runner(scripted_model("one", "two"), template=tree(after_transform=fail)).run()

def test_meddles(scripted_model):
    notes = []
    research(scripted_model("one"), lambda child: notes.append("x") or child, {"notes": notes})
    ask(scripted_model("Bye."))

@pytest.mark.llm_budget(calls=1)
def test_spends(scripted_model):
    Runner(scripted_model("one", "two"), template=tree()).run()
    research(scripted_model("three"))

def test_leaves_steps(scripted_model):
    ask(scripted_model("one", "two"))

@pytest.fixture
def broken():
    raise RuntimeError("no fixture")

def test_fails_before(broken):
    pass

@pytest.mark.xfail
def test_is_expected_to_fail(scripted_model):
    ask(scripted_model("one"))
    assert False

def test_passes(scripted_model):
    ask(scripted_model("one"))
"""

FAILED_AT = {
    "models": ("AssertionError: models are not as expected", "assistant: two"),
    "asserts": ("AssertionError: assert 'two' == 'three'", "assistant: two"),
    "raises": ("antiphon.errors.ModelTimeout: no answer came in time", "'talk/second'"),
    "swallows": ("UnscriptedCall: scripted_model 'scripted' was asked by", "'talk/second'"),
    "raises_in_code": ("RuntimeError: on purpose", "talk/second"),
    "meddles": ("IsolationViolation: the subroutine at 'research' changed its parent:", "research changed"),
    "spends": ("BudgetExceeded: ", "answers 'two'"),
    "leaves_steps": ("UnusedSteps: ", "assistant: one"),
    "fails_before": ("RuntimeError: no fixture", None),
}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "worker"])
def test_a_failure_is_told_with_the_step_at_which_it_came_up(project, report_of, drawn_step, workers):
    project.tests(FAILING)

    tests = {test["nodeid"].removeprefix("test_it.py::test_"): test for test in report_of(*workers)["tests"]}

    assert {name for name, test in tests.items() if test["failure"]} == set(FAILED_AT)
    for name, (message, step) in FAILED_AT.items():
        failure = tests[name]["failure"]
        assert message in failure["message"], name
        assert "\n" not in failure["message"]
        assert message in failure["text"], name
        if step is None:
            assert failure["step"] is None
        else:
            assert step in drawn_step(tests[name], failure["step"]), name
    assert "assert 'two' == 'three'" in tests["asserts"]["failure"]["text"]
    assert [test["worker"] is None for test in tests.values()] == [not workers] * len(tests)


def test_templates_tell_what_ended_them(project, report_of):
    project.tests(FAILING)

    test = next(test for test in report_of()["tests"] if "raises_in_code" in test["nodeid"])

    errors = {step["path"]: step["error"] for step in test["steps"] if step["type"] == "template"}
    assert errors["talk"] == errors["talk/second"] == "RuntimeError: on purpose"
    assert errors["talk/first"] is None


def test_a_test_that_is_run_again_tells_of_its_last_attempt_and_counts_all_calls(project, report_of, drawn):
    project.file(
        "conftest.py",
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for item.attempt in (1, 2):
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
                for report in reports:
                    item.ihook.pytest_runtest_logreport(report=report)
                item._initrequest()
            return True
        """,
    )
    project.tests(
        """
        def test_it(request, scripted_model):
            ask(scripted_model(f"answer {request.node.attempt}", name=f"m{request.node.attempt}"))
            assert request.node.attempt == 2
        """
    )

    [test] = report_of()["tests"]

    assert (test["outcome"], test["failure"]) == ("passed", None)
    assert [call["model"] for call in test["calls"]] == ["m1", "m2"]
    assert "m2 is sent 0, answers 'answer 2'" in drawn(test)
    assert "m1" not in drawn(test)


def test_a_test_whose_worker_crashes_has_failed(project, report_of):
    project.tests(
        """
        import os

        def test_it(scripted_model):
            ask(scripted_model("one"))
            os._exit(1)
        """
    )

    [test] = report_of("-n1", "--max-worker-restart=0")["tests"]

    assert (test["outcome"], test["steps"]) == ("failed", [])
    assert "crashed while running 'test_it.py::test_it'" in test["failure"]["message"]


def test_samples_are_told_one_by_one(project, report_of, drawn):
    project.tests(
        """
        @pytest.mark.llm_samples(3)
        def test_it(scripted_model, llm_trace):
            number = len(llm_trace.samples)
            session = ask(scripted_model(f"answer {number}", name=f"m{number}"))
            session.append(Message(role="user", content="And?"))
            scripted_model(f"more {number}", name=f"n{number}").send(session)
            assert number != 1
        """
    )

    [test] = report_of()["tests"]

    lines = drawn(test).splitlines()
    samples = [line for line in lines if not line.startswith(" ")]
    assert samples == ["sample 1 passed", samples[1], "sample 3 passed"]
    assert samples[1].startswith("sample 2 test_it.py:")
    assert samples[1].endswith(": assert 1 != 1")
    assert [line.strip() for line in lines if "answers" in line] == [
        "m0 is sent 0, answers 'answer 0'",
        "n0 is sent 0 1 2, answers 'more 0'",
        "m1 is sent 4, answers 'answer 1'",
        "n1 is sent 4 5 6, answers 'more 1'",
        "m2 is sent 8, answers 'answer 2'",
        "n2 is sent 8 9 10, answers 'more 2'",
    ]
    failed_at = test["steps"][test["failure"]["step"]]
    assert test["messages"][failed_at["reply"]]["content"] == "more 1"


def test_a_snapshot_that_differs_fails_at_the_first_message_that_does(project, report_of, drawn_step):
    tests = """
        def test_it(scripted_model, llm_snapshot):
            answers = [AssistantTemplate(template_id="first answer".replace(" ", "-")), AssistantTemplate()]
            tree = LinearTemplate([UserTemplate("Hello."), *answers], template_id="talk")
            assert Runner(scripted_model("one", "two"), template=tree).run() == llm_snapshot
        """
    project.tests(tests)
    project.run("--snapshot-update")
    project.tests(tests.replace('"one"', '"1"'))

    [test] = report_of()["tests"]

    assert test["outcome"] == "failed"
    assert drawn_step(test, test["failure"]["step"]) == "assistant: 1"
    assert "message 2: [assistant] talk/first-answer · scripted" in test["failure"]["text"]


def test_a_stream_that_the_program_leaves_is_no_error(project, report_of):
    project.tests(
        """
        import asyncio

        class Speaking(Model):
            def _send(self, session):
                return "one two"

            def _stream(self, session):
                yield "one "
                yield "two"

        def test_it():
            stream = Runner(Speaking(), template=talk()).stream()
            while not isinstance(next(stream), TextDelta):
                pass
            stream.close()

        def test_async():
            async def leave():
                stream = Runner(Speaking(), template=talk()).astream()
                while not isinstance(await anext(stream), TextDelta):
                    pass
                await stream.aclose()
            asyncio.run(leave())
        """
    )

    tests = report_of()["tests"]

    for test in tests:
        assert (test["outcome"], [call["error"] for call in test["calls"]]) == ("passed", [None])
        assert [step["error"] for step in test["steps"] if step["type"] == "template"] == [None] * 3
        assert [step["left_early"] for step in test["steps"] if step["type"] == "call"] == [True]
        assert test["messages"][-1]["content"].startswith("one ")


def test_files_in_errors_are_named_from_the_root_directory(project, report_of):
    project.tests(
        """
        from pathlib import Path

        def test_it(scripted_model):
            def fail(session):
                raise RuntimeError(f"built at {Path(__file__)}:12")
            said = UserTemplate("Hello.", after_transform=fail)
            Runner(scripted_model(), template=LinearTemplate([said], template_id="talk")).run()

        @pytest.mark.llm_samples(1)
        def test_sampled(scripted_model):
            raise RuntimeError(f"built at {Path(__file__)}:12")
        """
    )

    test, sampled = report_of()["tests"]

    assert {step["error"] for step in test["steps"] if step.get("error")} == {"RuntimeError: built at test_it.py:12"}
    assert test["failure"]["message"] == "RuntimeError: built at test_it.py:12"
    assert "built at test_it.py:12" in sampled["samples"]["failed"][0]["why"]
    assert str(project.path) not in str([test["failure"], test["steps"], sampled["failure"], sampled["samples"]])
