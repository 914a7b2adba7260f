"""The support desk's tests: scripted models for its logic, recorded answers of a real model for its prompts."""

from __future__ import annotations

import pytest
from support_desk import HANDBOOK, Models, real_models, research, support_desk

from antiphon import Runner, Session
from pytest_templates import assert_isolated, assert_models, faults


def known():
    """What is known when a conversation begins."""
    return Session(metadata={"customer": {"name": "Ada", "orders": [1815]}})


@pytest.fixture
def models(scripted_model):
    """Three models that play the test's script, which says what each template hears, whichever model it asks."""
    return Models(
        triage=scripted_model(name="small"), research=scripted_model(name="medium"), answer=scripted_model(name="large")
    )


@pytest.fixture
def desk(models, scripted_model):
    """A desk that serves a user. Its runner's own model is for templates that name none, and there are none."""
    spare = scripted_model(name="spare")
    return lambda user: Runner(spare, user, support_desk(models))


@pytest.mark.llm_script("refund.yaml")
def test_every_template_uses_the_model_it_is_meant_to(desk, models, scripted_user):
    session = desk(scripted_user("I want my money back for the lamp.")).run(known())

    assert_models(session, {"triage": models.triage, "summary": models.research, "answer": models.answer})
    assert session.metadata["topic"] == "refund"


@pytest.mark.llm_script("handover.yaml")
def test_the_small_model_leaves_to_a_colleague_what_the_handbook_does_not_know(desk, models, scripted_user, llm_trace):
    session = desk(scripted_user("Do you have a job for me?")).run(known())

    [note] = llm_trace.of("note")
    assert "in one line" in note.messages[-1].content
    assert_models(session, {"triage": models.triage, "note": models.triage})
    assert session.last.content == "A colleague will write to you within a day."


@pytest.mark.llm_script("handover.yaml")
def test_a_request_is_left_to_a_colleague_also_when_triage_says_nothing(desk, scripted_user, llm_faults):
    llm_faults.at("support/triage", faults.empty())

    session = desk(scripted_user("I want my money back for the lamp.")).run(known())

    assert session.last.content == "A colleague will write to you within a day."


def test_research_reads_the_handbook_and_gives_one_message_back(scripted_model, llm_trace):
    session = known()
    session.metadata.update(topic="refund", handbook=HANDBOOK["refund"])

    Runner(scripted_model(), template=research(scripted_model("Within five days."))).run(session)

    [look_up] = llm_trace.of("summary")
    assert HANDBOOK["refund"] in look_up.messages[-1].content
    assert [message.content for message in session.messages] == ["Within five days."]


def test_a_change_of_a_forked_runner_does_not_reach_the_runner(scripted_model):
    runner = Runner(scripted_model(name="idle"))

    with assert_isolated(Session(runner=runner)):
        runner.fork().model.settings.temperature = 1.5


@pytest.mark.llm_cassette
def test_a_real_model_answers_a_refund(scripted_user, llm_cassette):
    models = real_models()
    runner = Runner(models.answer, scripted_user("I want my money back for the lamp."), support_desk(models))

    session = runner.run(known())

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

    first = runner.run(known())
    second = runner.run(known())

    assert (first.metadata["topic"], second.metadata["topic"]) == ("delivery", "refund")
