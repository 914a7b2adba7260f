"""assert_models: several models for a template, several templates by a glob."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    Runner,
    Session,
    Trace,
    UserTemplate,
)
from pytest_templates import ScriptedModel, assert_models


@pytest.fixture
def small() -> ScriptedModel:
    return ScriptedModel(*["said"] * 9, name="small")


@pytest.fixture
def large() -> ScriptedModel:
    return ScriptedModel(*["said"] * 9, name="large")


@pytest.fixture
def trace(small, large) -> Trace:
    """Two turns: each is sorted by the small model; one is answered by the small and one by the large model."""
    answer = AssistantTemplate(model=small, template_id="answer")
    turn = [UserTemplate("Well?"), AssistantTemplate(template_id="sort"), answer]
    turns = LoopTemplate(turn, template_id="turns", exit_loop_count=2)
    end = AssistantTemplate(template_id="end", model=large)
    session = Session()
    for message in Runner(small, template=LinearTemplate([turns, end], template_id="desk")).iter(session):
        if message.template_path == "desk/turns@1/answer":
            answer.model = large
    return session.trace


@pytest.fixture
def complaint(trace) -> Callable[..., str]:
    """What the failure says, white space aside."""

    def said(expected, **options) -> str:
        with pytest.raises(AssertionError, match="models are not as expected") as caught:
            assert_models(trace, expected, **options)
        return "\n".join(" ".join(line.split()) for line in str(caught.value).splitlines())

    return said


def test_a_list_holds_a_model_for_every_call_in_order(trace, small, large):
    assert_models(trace, {"sort": [small, small], "answer": [small, "large"], "end": (large,)})


@pytest.mark.parametrize("models", [["large", "small"], ["small"], ["small", "large", "large"], ["small", "small"]])
def test_another_order_or_number_of_calls_is_a_failure(complaint, models):
    said = complaint({"sort": "small", "answer": models, "end": "large"})

    assert "✗ answer " in said
    assert "small, large the template's own model= (x2)" in said


def test_a_set_holds_every_model_that_was_called_in_any_order_and_number(trace, small, large):
    assert_models(trace, {"sort": {small}, "answer": {"large", "small"}, "end": frozenset({large})})


@pytest.mark.parametrize("models", [{"small"}, {"small", "large", "medium"}])
def test_a_model_too_few_or_too_many_in_a_set_is_a_failure(complaint, models):
    said = complaint({"sort": "small", "answer": models, "end": "large"})

    assert f"✗ answer {' and '.join(sorted(models))} small, large " in said


def test_a_glob_stands_for_every_template_whose_path_or_id_it_fits(trace, small, large):
    assert_models(trace, {"desk/turns@1/*": small, "desk/turns@2/*": {small, large}, "desk/*": large})
    assert_models(trace, {"**": {small, large}})
    assert_models(trace, {"**/answer": [small, large], "s??t": small, "end": large})


def test_a_call_counts_for_its_path_or_its_id_before_any_glob_and_else_for_the_first(trace, small, large):
    assert_models(trace, {"**": small, "answer": {small, large}, "end": large})
    assert_models(trace, {"answer": small, "desk/turns@2/answer": large, "desk/*/*": small, "**": large})


def test_a_glob_that_is_wrong_is_told_template_by_template(complaint):
    assert complaint({"desk/**": "small"}).splitlines()[1:] == [
        "template expected used chosen by",
        "✗ desk/** small small (x3), large (x2) the runner's model (x2), the template's own model= (x3)",
        "sort small (x2) the runner's model (x2)",
        "✗ answer small, large the template's own model= (x2)",
        "✗ end large the template's own model=",
    ]


def test_a_glob_that_fits_nothing_is_a_failure(complaint):
    assert "✗ shop/** small (not called)" in complaint({"**": {"small", "large"}, "shop/**": "small"})
    assert "✗ shop/** small (not called)" in complaint({"shop/**": "small"}, exactly=False)


def test_other_templates_may_be_left_out_where_that_is_said(trace, complaint, large):
    assert_models(trace, {"end": large}, exactly=False)
    assert_models(trace, {}, exactly=False)

    said = complaint({"end": "small"}, exactly=False)

    assert "✗ end small large" in said
    assert "sort" not in said


@pytest.mark.parametrize("named", ["**", "desk/note", "note"])
def test_a_call_that_code_makes_in_the_midst_of_a_template_is_of_that_one(small, named):
    def send(session: Session) -> Session:
        small.send(session)
        return session

    note = AssistantTemplate("Noted.", template_id="note", before_transform=send)
    session = Runner(small, template=LinearTemplate([UserTemplate("Hello."), note], template_id="desk")).run()

    assert_models(session, {named: [small]})
    with pytest.raises(AssertionError, match=r"note +\(not named\) +small +the runner's model"):
        assert_models(session, {})


def test_a_model_around_another_is_named_or_the_one_that_answered(scripted_model):
    class Around(Model):
        def __init__(self, inner: Model) -> None:
            self.inner, self.name = inner, "around"

        def _send(self, session: Session) -> Message:
            return self.inner.send(session)

    inner = scripted_model("x", name="inner")
    around = Around(inner)
    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")])
    session = Runner(around, template=tree).run()

    for model in (inner, around, "inner", "around"):
        assert_models(session, {"answer": model})
    with pytest.raises(AssertionError, match=r"answer +other +inner by way of around"):
        assert_models(session, {"answer": "other"})


def test_a_model_that_makes_its_answer_of_several_is_shown_with_these(scripted_model):
    class Both(Model):
        def __init__(self, *models: Model) -> None:
            self.models, self.name = models, "both"

        def _send(self, session: Session) -> str:
            return " ".join(model.send(session).content for model in self.models)

    both = Both(scripted_model("x", name="one"), scripted_model("y", name="two"))
    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")])
    session = Runner(both, template=tree).run()

    assert_models(session, {"answer": "both"})
    with pytest.raises(AssertionError, match=r"answer +one +both, which asked one and two"):
        assert_models(session, {"answer": "one"})


def test_a_difference_among_fifty_templates_is_seen_in_pytests_own_comparison(project):
    project.tests(
        """
        def test_it(scripted_model, llm_trace):
            small, large = scripted_model(*"x" * 49, name="small"), scripted_model("x", name="large")
            ids = [f"template-{number}" for number in range(50)]
            templates = [AssistantTemplate(template_id=one, model=large if one == ids[33] else small) for one in ids]
            Runner(small, template=LinearTemplate([UserTemplate("?"), *templates])).run()
            assert llm_trace.models == {one: ["small"] for one in ids}
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "{'template-33': ['large']} != {'template-33': ['small']}")
