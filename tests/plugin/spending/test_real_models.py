"""llm_budget where real models answer: replayed, recorded or live."""

from __future__ import annotations

import pytest

REAL = """
import os

def real(name="gpt-4o-mini"):
    return connect(f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="x")
"""
COST = "0.0000033"  # of one answer of the chat server: 10 tokens in, 3 out, at the prices of gpt-4o-mini


@pytest.fixture
def priced(chat_server):
    """A chat server whose model has a price."""
    plain = chat_server.answer
    chat_server.answer = lambda body: {**plain(body), "model": "gpt-4o-mini"}
    return chat_server


def test_replayed_calls_cost_what_they_cost_when_they_were_recorded(project, priced, spent):
    project.tests(
        f"{REAL}\n@pytest.mark.llm_cassette\n@pytest.mark.llm_budget(cost='{COST}')\ndef test_it():\n    ask(real())"
    )
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.tests(
        f"{REAL}\n@pytest.mark.llm_cassette\n@pytest.mark.llm_budget(cost=0.000003)\ndef test_it():\n    ask(real())"
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    assert ["cost", f"${COST}", "$0.0000030", "too much"] in spent(result)
    assert len(priced.asked) == 1


@pytest.mark.parametrize("budget", ["calls=1", "models=['openai:gpt-4o-mini']"])
def test_a_real_model_is_not_asked_where_the_budget_does_not_allow_it(project, priced, budget):
    project.tests(
        REAL
        + f"""
@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget({budget})
def test_it(llm_trace):
    ask(real())
    for _ in range(2):
        swallow(ask, real("gpt-4o"))
    print([type(call.error).__name__ for call in llm_trace.calls])
"""
    )

    result = project.run("--templates-live", "-rA")

    result.assert_outcomes(failed=1)
    assert len(priced.asked) == 1
    project.says(result, "a call of openai:gpt-4o was refused", "['NoneType', 'BudgetExceeded', 'BudgetExceeded']")


@pytest.mark.parametrize(
    ("budget", "option", "asked"),
    [(f"cost='{COST}'", "--templates-live", 2), ("calls=1", f"--templates-max-cost={COST}", 1)],
)
def test_a_model_that_asks_others_without_end_is_stopped(project, priced, budget, option, asked):
    project.tests(
        REAL
        + f"""
class Stubborn(Model):
    def __init__(self, inner):
        self.inner = inner

    def _send(self, session):
        for _ in range(9):
            answer = self.inner.send(session)
        return answer

@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget({budget})
def test_it(llm_trace):
    swallow(ask, Stubborn(real()))
    assert len(llm_trace) == 1
"""
    )

    project.run("--templates-live", option).assert_outcomes(failed=1)

    assert len(priced.asked) == asked


def test_a_refused_call_spends_nothing(project, priced):
    project.tests(
        REAL
        + """
@pytest.mark.llm_live("to see what is asked")
@pytest.mark.llm_budget(calls=2, models=["*-mini"])
def test_it():
    swallow(ask, real("gpt-4o"))
    ask(real())
    ask(real())
    print("asked twice")
"""
    )

    result = project.run("--templates-live", "-rA")

    result.assert_outcomes(failed=1)
    project.says(result, "a call of openai:gpt-4o was refused", "asked twice")


def test_a_cost_cannot_be_held_to_a_limit_where_a_price_is_not_known(project, chat_server, spent):
    test = "@pytest.mark.llm_cassette\n@pytest.mark.llm_budget({})\ndef test_it():\n    ask(real('mystery'))"
    project.tests(REAL + test.format("calls=5"))
    project.run("--templates-record=missing").assert_outcomes(passed=1)
    project.tests(REAL + test.format("cost=100"))

    result = project.run()

    result.assert_outcomes(failed=1)
    assert ["cost", "unknown", "$100.0000", "no price is known for openai:mystery"] in spent(result)
    project.says(result, "limit tokens at the marker")
