"""assert_models: what it says of a name that fits nothing, and of one wrong call among many."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from antiphon import AssistantTemplate, LinearTemplate, Model, Runner, UserTemplate
from pytest_templates import ScriptedModel, assert_models

NONE: Mapping[int, Model] = {}


@pytest.fixture
def small() -> ScriptedModel:
    return ScriptedModel(*["said"] * 30, name="small")


def big(count: int, models: Mapping[int, Model] = NONE) -> LinearTemplate:
    """A tree of as many answers, some by models of their own."""
    numbers = range(1, count + 1)
    steps = [AssistantTemplate(template_id=f"step-{number}", model=models.get(number)) for number in numbers]
    return LinearTemplate([UserTemplate("Go."), LinearTemplate(steps, template_id="parts")], template_id="big")


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("stepp-1", "'stepp-1': no such template asked a model; did you mean 'step-1'?"),
        (
            "parts/step-1",
            "'parts/step-1': no such template asked a model; a path is named from the root of its tree on",
        ),
        ("big/*/step-?", "'big/*/step-?': its calls count for 'big/**'"),
    ],
)
def test_a_template_that_nothing_was_counted_for_is_said_why(target, hint, small):
    session = Runner(small, template=big(3)).run()

    with pytest.raises(AssertionError) as caught:
        assert_models(session, {"big/**": small, target: small})

    assert hint in str(caught.value)


def test_a_wrong_call_among_many_is_shown_without_the_right_ones(small):
    large = ScriptedModel("said", name="large")
    session = Runner(small, template=big(30, {17: large})).run()

    with pytest.raises(AssertionError) as caught:
        assert_models(session, {"**": small})

    lines = [line.split() for line in str(caught.value).splitlines()]
    assert [line for line in lines if "step-17" in line] == [
        ["✗", "step-17", "large", "the", "template's", "own", "model="]
    ]
    assert [line for line in lines if "others" in line] == [["29", "others", "as", "expected"]]
    assert not [line for line in lines if "step-3" in line]
