"""A program's own caches in tests: empty at first, not confused with models, and no leak between sessions."""

from __future__ import annotations

import json

import pytest

from antiphon import (
    AssistantTemplate,
    CachedModel,
    LinearTemplate,
    RetryingModel,
    Runner,
    UserTemplate,
)
from pytest_templates import assert_models

SHOP = """
import os
from antiphon import *

STORE = {}
tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")])
in_memory, stored = CachedModel("openai:m"), CachedModel("openai:m", STORE)

def answer(model=in_memory):
    return Runner(model, template=tree).run().last.content
"""


def test_each_test_and_each_sample_begins_without_answers(project):
    project.file("shop.py", SHOP)
    project.tests(
        """
        from shop import STORE, answer, in_memory, stored

        @pytest.mark.parametrize("said", ["one", "two"])
        def test_memory(said, llm_override, scripted_model):
            llm_override("openai:m", scripted_model(said))
            assert [answer(), answer()] == [said, said]

        said = iter("ab")

        @pytest.mark.llm_samples(2)
        def test_samples(llm_override, scripted_model):
            this = next(said)
            llm_override("openai:m", scripted_model(this))
            assert [answer(), answer()] == [this, this]

        def test_a_store_is_the_program_s(llm_override, scripted_model):
            STORE.clear()
            llm_override("openai:m", scripted_model("kept"))
            assert answer(stored) == "kept"

        def test_and_stays_as_it_is():
            assert answer(stored) == "kept"
        """
    )

    result = project.run("--templates-json=run.json", "--templates-summary")

    result.assert_outcomes(passed=5)
    lines = (project.path / "run.json").read_text(encoding="utf-8").splitlines()
    tests = [row for line in lines if line.startswith('{"nodeid"') for row in [json.loads(line.rstrip(","))]]
    assert [[call["source"] for call in test["calls"]] for test in tests] == [
        ["script", "cache"],
        ["script", "cache"],
        ["script", "cache"] * 2,
        ["script"],
        ["cache"],
    ]
    assert {call["cost"] for test in tests for call in test["calls"] if call["source"] == "cache"} == {"0"}


def test_an_answer_that_was_kept_is_one_of_the_model_by_its_name(scripted_model, llm_trace):
    cached = CachedModel(RetryingModel(scripted_model("Hello.", name="m")))
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")])

    for _ in range(2):
        Runner(cached, template=tree).run()

    assert_models(llm_trace, {"answer": ["m", "m"]})
    assert_models(llm_trace, {"answer": cached})


ISOLATION = """
import asyncio
from antiphon.caching import FROM_CACHE

@pytest.mark.parametrize("store", [None, dict], ids=["memory", "store"])
@pytest.mark.parametrize("is_own", [False, True], ids=["runner", "subroutine"])
@pytest.mark.parametrize("is_async", [False, True], ids=["run", "arun"])
def test_it(scripted_model, store, is_own, is_async):
    failing = RetryingModel(scripted_model(Fail(faults.timeout()), Fail(faults.timeout()), name="a"), 2)
    model = CachedModel(FallbackModel([failing, scripted_model("Hello.", name="b")]), store and store())
    part = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")])
    own = {"model": model} if is_own else {}
    tree = LinearTemplate([SubroutineTemplate(part, "one", **own), SubroutineTemplate(part, "two", **own)])
    runner = Runner(scripted_model() if is_own else model, template=tree)

    session = asyncio.run(runner.arun()) if is_async else runner.run()

    assert [FROM_CACHE in call.notes for call in session.trace.calls] == [False, True]
"""


@pytest.mark.parametrize("mode", ["on", "precise"])
def test_attempts_and_kept_answers_of_subroutines_are_no_violation(project, mode):
    project.tests(ISOLATION)

    project.run(f"--templates-isolation={mode}").assert_outcomes(passed=8)


def test_a_recording_is_played_once_more_with_empty_memories(project, chat_server):
    model = "connect('openai:m', base_url=os.environ['CHAT_URL'], api_key='x')"
    project.file("shop.py", SHOP.replace('"openai:m"', model))
    project.tests(
        """
        from shop import answer

        @pytest.mark.llm_cassette
        def test_it():
            assert answer() == answer() == "Answer 1."
        """
    )

    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)

    assert len(chat_server.asked) == 1
