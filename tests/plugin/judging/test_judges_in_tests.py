"""Judges in tests: on cassettes, in budgets, overridden, async and under xdist."""

from __future__ import annotations

import json

import pytest

JUDGED = """
@pytest.mark.asyncio
@pytest.mark.llm_cassette
@pytest.mark.parametrize("answer", ["On May 3.", "Wait."])
async def test_date(answer, llm_trace):
    await aassert_judged(answer, "gives a date", model=real("judge"))

@pytest.mark.llm_cassette
def test_talk():
    assert Judge(real("judge"), "gives a date").agreement([("On May 3.", True), ("Wait.", False)]).kappa == 1
"""


@pytest.fixture
def judging_server(chat_server):
    """A server whose model judges by whether an answer names a month."""

    def answer(body: dict) -> dict:
        has_date = "May" in body["messages"][-1]["content"]
        verdict = {"reasons": "A date." if has_date else "No date at all.", "score": 1.0 if has_date else 0.2}
        said = plain(body)
        said["choices"][0]["message"]["content"] = json.dumps(verdict)
        return said

    plain, chat_server.answer = chat_server.answer, answer
    return chat_server


def test_verdicts_are_recorded_and_replayed(project, judging_server):
    project.tests(JUDGED)
    project.run("--templates-record=missing").assert_outcomes(passed=2, failed=1)
    asked = len(judging_server.asked)
    assert asked == 4

    project.tests(JUDGED.replace('["On May 3.", "Wait."]', '["On May 3."]'))
    result = project.run("-n2")

    result.assert_outcomes(passed=2)
    assert len(judging_server.asked) == asked
    project.says(result, "3 replayed")
    assert "template: llm_judge" in (project.path / "cassettes/test_it/test_talk.yaml").read_text("utf-8")


def test_a_failure_shows_the_words_of_the_judge_and_the_line_of_the_test(project, judging_server):
    project.tests(JUDGED)

    result = project.run("--templates-record=missing", "-k", "Wait")

    result.assert_outcomes(failed=1, deselected=2)
    project.says(
        result,
        '>       await aassert_judged(answer, "gives a date", model=real("judge"))',
        "an answer was judged 0.2 by 'openai:judge', and passes from 0.7 on",
        "reasons    No date at all.",
    )


def test_judges_are_counted_overridden_and_refused_like_any_model(project, judging_server):
    project.tests(
        """
BAD, GOOD = Verdict(reasons="No.", score=0), Verdict(reasons="Yes.", score=1)

@pytest.mark.llm_budget(calls=1)
def test_budget(scripted_model):
    judge = Judge(scripted_model(GOOD, GOOD), "is polite")
    judge.verdict("Hello.")
    judge.verdict("Hello.")

def test_refused():
    assert_judged("Hello.", "is polite", model=real("judge"))

@pytest.mark.parametrize("target", ["llm_judge", "**", "openai:judge"])
def test_override(scripted_model, llm_override, llm_trace, target):
    llm_override(target, scripted_model(GOOD))
    assert_judged("Hello.", "is polite", model=real("judge"))
    assert llm_trace.calls[0].chosen_by == "override"

def test_scripted_file(scripted_model):
    model = scripted_model()
    model.on(template="llm_judge").reply(GOOD)
    assert_judged("Hello.", "is polite", model=model)
"""
    )

    result = project.run("--templates-coverage", "--templates-lock=update")

    result.assert_outcomes(passed=4, failed=2)
    project.says(result, "llm_override('llm_judge', scripted_model(", "LiveCallRefused")
    project.says(result, "by llm_judge", "llm_judge  scripted      2 ")
    project.says(result, "no template was rendered", "templates.lock has 0 templates")
    assert judging_server.asked == []
