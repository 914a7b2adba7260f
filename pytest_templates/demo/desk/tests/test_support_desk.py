"""The support desk's tests: scripted models for its logic, recorded answers of a real model for its prompts."""

from __future__ import annotations

import pytest
from support_desk import Models, real_models, support_desk

from antiphon import Runner, Session
from pytest_templates import assert_isolated, assert_models


def customer():
    return {"customer": {"name": "Ada", "look_ups": 0}}


@pytest.fixture
def models(scripted_model):
    """Three models that say what the test's script tells them to."""
    return Models(
        triage=scripted_model("A refund.", name="small"),
        research=scripted_model("Money is back within five days.", name="medium"),
        answer=scripted_model("Dear Ada, your money is back within five days.", name="large"),
    )


@pytest.fixture
def refund(scripted_user):
    return scripted_user("I want my money back for the lamp.")


def test_every_template_uses_the_model_it_is_meant_to(models, refund):
    session = Runner(models.answer, refund, support_desk(models)).run(Session(metadata=customer()))

    assert_models(session, {"triage": models.triage, "summary": models.research, "answer": models.answer})


def test_research_gets_the_page_of_the_handbook_that_the_request_is_about(models, refund, llm_trace):
    Runner(models.answer, refund, support_desk(models)).run(Session(metadata=customer()))

    [look_up] = llm_trace.of("summary")
    assert "Goods can be returned within 30 days." in look_up.messages[-1].content


def test_research_leaves_the_customers_record_alone(models, refund):
    session = Session(metadata=customer())

    session = Runner(models.answer, refund, support_desk(models)).run(session)

    assert session.metadata["customer"] == {"name": "Ada", "look_ups": 0}


def test_a_change_of_a_forked_runner_does_not_reach_the_runner(scripted_model):
    runner = Runner(scripted_model(name="idle"))

    with assert_isolated(Session(runner=runner)):
        runner.fork().model.settings.temperature = 1.5


@pytest.mark.llm_cassette
def test_a_real_model_answers_a_refund(scripted_user, llm_cassette):
    models = real_models()
    runner = Runner(models.answer, scripted_user("I want my money back for the lamp."), support_desk(models))

    session = runner.run(Session(metadata=customer()))

    assert session.metadata["topic"] == "refund"
    assert "30 days" in session.last.content
    assert_models(
        session, {"triage": "openai:desk-small", "summary": "openai:desk-medium", "answer": "openai:desk-large"}
    )
    assert llm_cassette.unused == 0


@pytest.mark.llm_cassette
def test_a_real_model_answers_two_customers_one_after_the_other(scripted_user):
    models = real_models()
    user = scripted_user("Where is my delivery?", "I want my money back for the lamp.")
    runner = Runner(models.answer, user, support_desk(models))

    sessions = [runner.run(Session(metadata=customer())) for _ in range(2)]

    assert [session.metadata["topic"] for session in sessions] == ["delivery", "refund"]
