"""--templates-max-cost: recording stops before it spends more."""

from __future__ import annotations

import pytest

REAL = """
import os

def real(name="gpt-4o-mini"):
    return connect(f"openai:{name}", base_url=os.environ["CHAT_URL"], api_key="x")

@pytest.mark.llm_cassette
@pytest.mark.parametrize("number", range(4))
def test_it(number):
    ask(real())
"""
COST = "0.0000033"  # of one answer: 10 tokens in, 3 out, at the prices of gpt-4o-mini


@pytest.fixture
def priced(project, chat_server):
    """A project whose model has a price."""
    plain = chat_server.answer
    chat_server.answer = lambda body: {**plain(body), "model": "gpt-4o-mini"}
    project.tests(REAL)
    return project


def test_the_sum_of_the_first_calls_is_what_the_summary_says(priced, chat_server):
    result = priced.run("--templates-record=missing", "--templates-max-cost=1", "--templates-summary")

    result.assert_outcomes(passed=4)
    assert len(chat_server.asked) == 4
    assert "is known" not in str(result.stdout)


def test_the_next_call_is_refused_when_the_limit_is_reached_and_what_was_recorded_is_kept(priced, chat_server):
    result = priced.run("--templates-record=missing", f"--templates-max-cost={COST}")

    result.assert_outcomes(passed=1, failed=3)
    assert len(chat_server.asked) == 1
    assert len([*(priced.path / "cassettes").rglob("*.yaml")]) == 1
    priced.says(
        result,
        "BudgetExceeded: test_it.py::test_it[1] is about to call a real model",
        f"and --templates-max-cost={COST} is reached",
        f"spent in this run  ${COST}",
        "--templates-record=missing",
    )


def test_a_limit_just_above_lets_one_more_through(priced, chat_server):
    priced.run("--templates-record=missing", f"--templates-max-cost={COST}1").assert_outcomes(passed=2, failed=2)


def test_nothing_may_be_spent_with_a_limit_of_zero_and_replays_cost_nothing(priced, chat_server):
    priced.run("--templates-record=missing", "-k", "0").assert_outcomes(passed=1)

    priced.run("--templates-record=missing", "--templates-max-cost=0").assert_outcomes(passed=1, failed=3)

    assert len(chat_server.asked) == 1


def test_a_refused_call_fails_the_test_also_where_the_program_swallows_it(priced):
    priced.tests(REAL.replace("    ask(real())", "    swallow(ask, real())"))

    result = priced.run("--templates-record=missing", "--templates-max-cost=0")

    result.assert_outcomes(failed=4)
    priced.says(result, "BudgetExceeded: test_it.py::test_it[0]", "BudgetExceeded: test_it.py::test_it[3]")


def test_a_client_does_not_try_again_what_was_refused(project, chat_server):
    project.tests(
        """
import os
from anthropic import Anthropic

@pytest.mark.llm_cassette
def test_it():
    with Anthropic(base_url=os.environ["CHAT_URL"], api_key="x", max_retries=9) as client:
        with pytest.raises(antiphon.errors.AntiphonError):
            client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    print("refused once")
"""
    )

    result = project.run("--templates-record=missing", "--templates-max-cost=0")

    result.stdout.fnmatch_lines(["refused once"])
    assert str(result.stdout).count("spent in this run") == 1


def test_live_calls_count_as_well(priced, chat_server):
    priced.tests(REAL.replace("llm_cassette", 'llm_live("why")'))

    priced.run("--templates-live", f"--templates-max-cost={COST}").assert_outcomes(passed=1, failed=3)

    assert len(chat_server.asked) == 1


def test_scripted_answers_cost_nothing(priced):
    priced.tests(
        REAL.partition("@pytest")[0]
        + """
@pytest.mark.llm_live("why")
@pytest.mark.parametrize("number", range(2))
def test_it(number, scripted_model):
    ask(scripted_model(Reply("Hi.", usage=Usage(cost=5))))
    ask(real())
"""
    )

    priced.run("--templates-live", "--templates-max-cost=1").assert_outcomes(passed=2)


def test_workers_add_up(priced, chat_server):
    priced.tests(REAL.replace("range(4)", "range(12)"))

    result = priced.run("-n2", "--templates-record=missing", "--templates-max-cost=0.0000099")

    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == len(chat_server.asked)
    assert 3 <= outcomes["passed"] <= 4  # the other worker may be in the middle of a call


def test_calls_at_once_are_all_counted(priced, chat_server):
    priced.tests(
        REAL.partition("@pytest")[0]
        + """
import asyncio

async def all_at_once():
    await asyncio.gather(*(Runner(real(), None, talk()).arun() for _ in range(5)))

@pytest.mark.llm_cassette
@pytest.mark.parametrize("number", range(2))
def test_it(number):
    asyncio.run(all_at_once())
"""
    )

    priced.run("--templates-record=missing", "--templates-max-cost=0.0000165").assert_outcomes(passed=1, failed=1)

    assert len(chat_server.asked) == 5


def test_what_has_no_known_price_is_said_once(project, chat_server):
    project.tests(
        REAL.replace("gpt-4o-mini", "mystery")
        + """
from openai import OpenAI

@pytest.mark.llm_cassette
def test_bare():
    with OpenAI(base_url=os.environ["CHAT_URL"], api_key="x") as client:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello."}])
"""
    )

    limited = project.run("--templates-record=all", "--templates-max-cost=1")
    free = project.run("--templates-record=all")

    limited.assert_outcomes(passed=5)
    said = "templates: no price is known, and --templates-max-cost did not count: "
    project.says(limited, said + "calls from outside of the engine, openai:mystery")
    assert str(limited.stdout).count(said) == 1
    assert said not in str(free.stdout)


@pytest.mark.parametrize("given", ["-1", "nan", "inf", "lots", "", "1,5", "$5"])
def test_what_is_no_sum_of_money_is_refused(project, given):
    result = project.run(f"--templates-max-cost={given}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--templates-max-cost={given}: it takes US dollars, 0 or more, such as 0.50"])
