"""Models that make several attempts, or keep answers: every real call counts once, and what is kept costs nothing."""

from __future__ import annotations

import json

import pytest

REAL = """
import os

def real(name="gpt-4o-mini"):
    return connect(f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="x", max_retries=0)

def failing():
    return connect("openai:gone", base_url="http://127.0.0.1:1/v1", api_key="x", max_retries=0)
"""
COST = "0.0000033"  # of one answer of the chat server: 10 tokens in, 3 out, at the prices of gpt-4o-mini


@pytest.fixture
def priced(chat_server):
    """A chat server whose model has a price."""
    plain = chat_server.answer
    chat_server.answer = lambda body: {**plain(body), "model": "gpt-4o-mini"}
    return chat_server


def test_attempts_and_answers_that_were_kept(project, priced):
    project.ini("templates_budget =\n    calls = 4\n    input_tokens = 30\n    output_tokens = 9\n    cost = 0.0000099")
    project.tests(
        f"""{REAL}
@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget(calls=1, input_tokens=10, output_tokens=3, cost="{COST}", models=["openai:*"])
def test_attempts():
    ask(FallbackModel([RetryingModel(failing(), wait=0), real()]))

@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget(calls=1, input_tokens=10, output_tokens=3, cost="{COST}", models=["openai:*"])
def test_cache():
    cached = CachedModel(real())
    ask(cached)
    ask(cached)

@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget(calls=1, models=["openai:gpt*"])
def test_cache_of_several():
    cached = CachedModel(FallbackModel([real(), failing()]))
    ask(cached)
    ask(cached)

@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget(calls=1, cost=0, models=["openai:gone"])
def test_none_answers():
    with pytest.raises(antiphon.errors.ServerError):
        ask(FallbackModel([failing(), RetryingModel(failing(), 2, wait=0)]))
"""
    )

    result = project.run("--templates-live", "--templates-json=run.json")

    result.assert_outcomes(passed=4)
    assert len(priced.asked) == 3
    totals = json.loads((project.path / "run.json").read_text(encoding="utf-8"))["totals"]
    assert [totals[name] for name in ("calls", "input_tokens", "output_tokens")] == [6, 30, 9]


def test_an_entry_of_a_cache_that_is_no_answer_costs_no_call(project, priced):
    project.tests(
        f"""{REAL}
@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget(calls=1, cost="{COST}")
def test_cache_that_holds_no_answer():
    store = {{}}
    cached = CachedModel(real(), store)
    ask(cached)
    for key in store:
        store[key] = "rubbish"
    with pytest.raises(antiphon.errors.InvalidValue, match="holds no answer"):
        ask(cached)
"""
    )

    result = project.run("--templates-live", "--templates-json=run.json")

    result.assert_outcomes(passed=1)
    (test,) = json.loads((project.path / "run.json").read_text(encoding="utf-8"))["tests"]
    assert [call["source"] for call in test["calls"]] == ["model", "cache"]


def test_the_limit_of_a_run_stops_attempts_and_lets_kept_answers_pass(project, priced):
    project.tests(
        f"""{REAL}
class Wrong(Model):
    def __init__(self, model):
        self.model = model

    def _send(self, session):
        raise antiphon.errors.ServerError(self.model.send(session).content)

cached = CachedModel(real())

@pytest.mark.llm_live("to see what is asked")
def test_it():
    ask(cached)
    ask(cached)
    swallow(ask, RetryingModel(Wrong(real()), attempts=9, wait=0))
"""
    )

    project.run("--templates-live", "--templates-max-cost=0.000007").assert_outcomes(failed=1)

    assert len(priced.asked) == 3  # the last began when the limit was not reached
