"""Verdicts that a test expects by their own classes: by xfail, pytest.raises, or expecting."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import suppress
from threading import Thread

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Message, Runner, Session, UserTemplate
from antiphon.errors import AntiphonError, InvalidConversation, InvalidType, InvalidValue, ModelError
from pytest_templates import (
    BudgetExceeded,
    IsolationViolation,
    PassRateMissed,
    UnscriptedCall,
    UnusedSteps,
    errors,
    expecting,
)

TREE = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")], template_id="talk")


def swallowing(runner: Runner) -> None:
    """A program that is content with anything."""
    with suppress(AntiphonError):
        runner.run()


@pytest.mark.parametrize("kind", [UnusedSteps, IsolationViolation, BudgetExceeded, UnscriptedCall, PassRateMissed])
def test_verdicts_on_what_a_test_asserts_are_assertion_errors(kind):
    assert issubclass(kind, AssertionError)
    assert isinstance(pickle.loads(pickle.dumps(kind("x"))), kind)


def test_a_verdict_that_raises_names_is_settled(scripted_model):
    with pytest.raises(UnscriptedCall):
        Runner(scripted_model(), template=TREE).run()


def test_a_verdict_in_a_group_that_raises_names_is_settled(scripted_model):
    runner = Runner(scripted_model(), template=TREE)

    async def tasks() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.arun())
            group.create_task(runner.arun())

    with pytest.RaisesGroup(UnscriptedCall, pytest.RaisesExc(UnscriptedCall, match="was asked")):
        asyncio.run(tasks())


def test_expecting_settles_one_that_is_raised(scripted_model):
    with expecting(UnscriptedCall) as caught:
        Runner(scripted_model(), template=TREE).run()

    assert "was asked by the template at 'talk/answer'" in str(caught.value)


def test_expecting_settles_those_that_the_program_swallows_in_threads_and_tasks(scripted_model):
    runner = Runner(scripted_model(), template=TREE)

    async def tasks() -> None:
        await asyncio.gather(runner.arun(), runner.arun(), return_exceptions=True)

    with expecting(UnscriptedCall) as caught:
        swallowing(runner)
        thread = Thread(target=swallowing, args=(runner,))
        thread.start()
        thread.join()
        asyncio.run(tasks())

    assert len(caught.errors) == 4


def test_expecting_takes_several_classes_also_of_the_engine(scripted_model):
    with expecting(UnscriptedCall, InvalidConversation) as caught:
        swallowing(Runner(scripted_model(), template=TREE))
        scripted_model().send(Session(messages=[Message(role="tool", content="found", tool_call_id="1")]))

    assert [type(error) for error in caught.errors] == [UnscriptedCall, InvalidConversation]


def test_another_error_leaves_the_block_and_what_came_before_it_is_settled(scripted_model):
    caught = expecting(UnscriptedCall)
    with pytest.raises(KeyError), caught:  # noqa: PT012  # the block of `expecting` is what is tried
        swallowing(Runner(scripted_model(), template=TREE))
        raise KeyError

    assert len(caught.errors) == 1


def test_a_block_in_which_nothing_came_up_is_refused():
    with (
        pytest.raises(pytest.fail.Exception, match="UnscriptedCall was expected, and none came up"),
        expecting(UnscriptedCall),
    ):
        pass


@pytest.mark.parametrize(
    ("kinds", "error", "complaint"),
    [
        ((), InvalidValue, "at least one class of errors"),
        ((KeyError,), InvalidType, "expecting takes verdicts, .* not <class 'KeyError'>; .* there is pytest.raises"),
        ((ModelError,), InvalidType, "expecting takes verdicts, .* not <class 'antiphon.errors.ModelError'>"),
        (("UnscriptedCall",), InvalidType, "not 'UnscriptedCall'"),
        (((UnscriptedCall, BudgetExceeded),), InvalidType, r"one by one: expecting\(UnscriptedCall, BudgetExceeded\)"),
    ],
)
def test_what_is_no_class_of_these_errors_is_refused(kinds, error, complaint):
    with pytest.raises(error, match=complaint):
        expecting(*kinds)


def test_what_came_up_is_known_at_the_end(scripted_model):
    with expecting(UnscriptedCall) as caught:
        with pytest.raises(InvalidValue, match="when it has ended"):
            _ = caught.value
        Runner(scripted_model(), template=TREE).run()


def test_what_the_program_swallows_or_a_wider_class_catches_fails_the_test(project):
    project.tests(
        """
        def test_swallowed(scripted_model):
            with pytest.raises(KeyError):
                swallow(ask, scripted_model())
                raise KeyError

        @pytest.mark.parametrize("kind", [Exception, AssertionError, antiphon.errors.AntiphonError])
        def test_wider(scripted_model, kind):
            with pytest.raises(kind):
                ask(scripted_model())

        @pytest.mark.xfail(raises=UnusedSteps, strict=True)
        def test_left_over(scripted_model):
            ask(scripted_model("one", "two"))

        @pytest.mark.xfail(raises=UnusedSteps, strict=True)
        def test_nothing_left_over(scripted_model):
            ask(scripted_model("one"))

        def test_one_more(scripted_model):
            model = scripted_model()
            swallow(ask, model)
            with pytest.raises(UnscriptedCall):
                ask(model)

        def test_after_the_block(scripted_model):
            model = scripted_model()
            with expecting(UnscriptedCall):
                ask(model)
            swallow(ask, model)

        def test_another_verdict(scripted_model):
            with expecting(IsolationViolation):
                ask(scripted_model())

        def test_next(scripted_model):
            with pytest.raises(UnscriptedCall):
                ask(scripted_model())
        """
    )

    result = project.run()

    result.assert_outcomes(failed=8, passed=1, xfailed=1)
    project.says(result, "a wider class caught it, which settles no verdict: name its own class, or use expecting()")


LEAK = """
    def leak(scripted_model):
        session = Session(metadata={"scores": [0]})

        def meddle(child):
            session.metadata["scores"][0] = 9
            return child

        inner = LinearTemplate([UserTemplate("q"), AssistantTemplate(after_transform=meddle)])
        tree = LinearTemplate([UserTemplate("a"), SubroutineTemplate(inner, "sub")])
        Runner(scripted_model("x"), template=tree).run(session)

    @pytest.mark.xfail(raises=IsolationViolation, strict=True)
    def test_strict(scripted_model):
        leak(scripted_model)

    @pytest.mark.xfail(raises=(KeyError, AssertionError))
    def test_wider(scripted_model):
        leak(scripted_model)

    @pytest.mark.xfail(raises=KeyError)
    def test_of_another_kind(scripted_model):
        leak(scripted_model)

    @pytest.mark.xfail(raises=IsolationViolation)
    def test_and_another_verdict(scripted_model):
        leak(scripted_model)
        swallow(ask, scripted_model())

    def test_expected(scripted_model):
        with expecting(IsolationViolation) as caught:
            leak(scripted_model)
        assert "metadata['scores'][0]" in str(caught.value)
"""


@pytest.mark.parametrize("arguments", [("--templates-isolation=on",), ("--templates-isolation=precise", "-n1")])
def test_a_leak_that_is_known_is_expected_by_its_class(project, arguments):
    project.tests(LEAK)

    assert project.outcomes(*arguments) == {"xfailed": 2, "failed": 2, "passed": 1}


def test_every_error_stands_in_one_module():
    assert {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AssertionError)} == {
        UnusedSteps,
        IsolationViolation,
        BudgetExceeded,
        UnscriptedCall,
        PassRateMissed,
    }
