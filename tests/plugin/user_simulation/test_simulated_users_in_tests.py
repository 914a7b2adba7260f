"""Simulated users in tests: on cassettes, in budgets, async and under xdist."""

from __future__ import annotations

import json
import re

import pytest

TALK = """
def chat():
    turn = [UserTemplate(template_id="question"), AssistantTemplate(template_id="answer")]
    return LoopTemplate(turn, template_id="chat")

@pytest.mark.asyncio
@pytest.mark.llm_cassette
async def test_async(llm_trace):
    user = simulated_user(real("player"), persona="Ada", goal="a date")
    await Runner(real("program"), user, chat()).arun()
    assert user.goal_reached, user.reason
    assert_models(llm_trace, {"answer": "openai:program"})

@pytest.mark.llm_cassette
def test_sync(llm_trace):
    user = simulated_user(real("player"), persona="Ada", goal="a date")
    Runner(real("program"), user, chat()).run()
    assert (user.goal_reached, user.turns) == (True, 2)
"""


@pytest.fixture
def playing_server(chat_server):
    """A server with two models: one plays a user who goes when it has heard an answer, the other is the program's."""

    def answer(body: dict) -> dict:
        said = plain(body)
        if body["model"] == "player":
            has_heard = re.search(r"Answer \d", json.dumps(body["messages"]))
            turn = {"status": "goal_reached", "reason": "I know.", "says": "Bye."} if has_heard else {"says": "When?"}
            said["choices"][0]["message"]["content"] = json.dumps(turn)
        return said

    plain, chat_server.answer = chat_server.answer, answer
    return chat_server


def test_conversations_with_a_user_are_recorded_and_replayed(project, playing_server):
    project.tests(TALK)
    project.run("--templates-record=missing").assert_outcomes(passed=2)
    asked = len(playing_server.asked)
    assert asked == 8

    result = project.run("-n2")

    result.assert_outcomes(passed=2)
    assert len(playing_server.asked) == asked
    project.says(result, "8 replayed")
    assert "template: llm_user" in (project.path / "cassettes/test_it/test_sync.yaml").read_text("utf-8")


def test_a_user_is_counted_and_its_subroutine_stays_isolated(project):
    project.tests(
        """
@pytest.fixture
def user(scripted_model):
    player = scripted_model(UserTurn(says="When?"), UserTurn(status="goal_reached", reason="So."), allow_unused=True)
    return simulated_user(player, persona="Ada", goal="a date")

def talk(model, user):
    turn = LoopTemplate([UserTemplate(), AssistantTemplate()])
    return Runner(model, user, SubroutineTemplate(turn, "sub")).run()

def test_isolated(scripted_model, user):
    talk(scripted_model("May 3."), user)
    assert user.goal_reached

@pytest.mark.llm_budget(calls=2)
def test_budget(scripted_model, user):
    talk(scripted_model("May 3."), user)
"""
    )

    result = project.run("--templates-isolation=precise", "--templates-coverage")

    result.assert_outcomes(passed=1, failed=1)
    project.says(result, "is beyond its budget", "llm_user")
