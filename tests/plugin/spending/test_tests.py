"""llm_budget: a test that spends more fails."""

from __future__ import annotations

import pytest

HELPERS = """
from decimal import Decimal

def priced(text="Yes.", cost="0.01"):
    return Reply(text, usage=Usage(input_tokens=100, output_tokens=20, cost=Decimal(cost)))
"""


@pytest.mark.parametrize(
    ("enough", "too_little", "row"),
    [
        ("calls=3", "calls=2", ["calls", "3", "2", "too many"]),
        ("input_tokens=300", "input_tokens=299", ["input tokens", "300", "299", "too many"]),
        ("output_tokens=60", "output_tokens=59", ["output tokens", "60", "59", "too many"]),
        ("cost='0.03'", "cost=0.029", ["cost", "$0.0300", "$0.0290", "too much"]),
        ("models=['sm*', 'large']", "models=['large']", ["model", "small", "large", "not allowed"]),
    ],
)
def test_a_test_may_spend_what_its_budget_says_and_no_more(project, enough, too_little, row, spent):
    project.tests(
        f"""{HELPERS}
def spend(scripted_model):
    model = scripted_model(priced(), priced(), priced(), name="small")
    for _ in range(3):
        swallow(ask, model)

@pytest.mark.llm_budget({enough})
def test_enough(scripted_model):
    spend(scripted_model)

@pytest.mark.llm_budget({too_little})
def test_too_little(scripted_model):
    spend(scripted_model)
"""
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=1)
    assert row in spent(result)
    project.says(result, "BudgetExceeded: test_it.py::test_too_little is beyond its budget")


def test_the_failure_shows_every_kind_and_the_calls_by_template(project, spent):
    project.tests(
        HELPERS
        + """
@pytest.mark.llm_budget(calls=1, cost=1)
def test_it(scripted_model):
    ask(scripted_model(priced(), name="small"))
    ask(scripted_model(priced(), name="large"))
"""
    )

    result = project.run()

    assert spent(result) == [
        ["calls", "2", "1", "too many"],
        ["input tokens", "200"],
        ["output tokens", "40"],
        ["cost", "$0.0200", "$1.0000"],
    ]
    project.says(
        result,
        "BudgetExceeded: test_it.py::test_it is beyond its budget (llm_budget): with call 2, by talk/answer",
        "template  model  calls  tokens in  tokens out     cost  answers from",
        "answer    small      1        100          20  $0.0100  script",
        "answer    large      1        100          20  $0.0100  script",
    )


def test_the_verdict_stands_once_where_the_program_swallows_the_error(project):
    project.tests(
        """
        @pytest.mark.llm_budget(calls=1)
        def test_it(scripted_model, llm_trace):
            model = scripted_model("one", "two", "three", "four")
            for _ in range(4):
                swallow(ask, model)
            assert len(llm_trace) == 4
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    assert str(result.stdout).count("is beyond its budget") == 1
    project.says(result, "with call 2, by talk/answer", "seen at ")


def test_every_call_beyond_the_budget_raises_so_that_no_program_asks_for_ever(project):
    project.tests(
        """
        @pytest.mark.llm_budget(calls=1)
        def test_it(scripted_model):
            model = scripted_model()
            model.on(template="answer").reply("more", times=None)
            ask(model)
            for _ in range(2):
                with pytest.raises(antiphon.errors.AntiphonError):
                    ask(model)
            print("raised twice")
        """
    )

    result = project.run("-rA")

    project.says(result, "raised twice")
    result.assert_outcomes(failed=1)


RUNS = {
    "run": "Runner(model, template=talk()).run()",
    "arun": "asyncio.run(Runner(model, template=talk()).arun())",
    "stream": "list(Runner(model, template=talk()).stream())",
    "astream": "asyncio.run(listen(Runner(model, template=talk()).astream()))",
    "a thread": "futures.ThreadPoolExecutor(1).submit(Runner(model, template=talk()).run).result()",
    "a direct call": "model.send(Session(messages=[Message(role='user', content='Hello.')]))",
    "a subroutine": "research(model)",
}


@pytest.mark.parametrize("way", RUNS)
def test_calls_are_counted_in_whatever_way_they_are_made(project, way):
    project.tests(
        f"""
        import asyncio
        from concurrent import futures

        async def listen(steps):
            return [step async for step in steps]

        @pytest.mark.llm_budget(calls=1)
        def test_it(scripted_model):
            model = scripted_model("one", Stream("tw", "o"))
            {RUNS[way]}
            with pytest.raises(antiphon.errors.AntiphonError):
                {RUNS[way]}
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    project.says(result, "BudgetExceeded: ")


@pytest.mark.usefixtures("all_plugins")
@pytest.mark.parametrize("mark", ["@pytest.mark.asyncio", "@pytest.mark.anyio"])
def test_asynchronous_tests_have_budgets(project, mark):
    project.tests(
        f"""
        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        {mark}
        @pytest.mark.llm_budget(calls=1)
        async def test_it(scripted_model):
            model = scripted_model("one", "two")
            for _ in range(2):
                try:
                    await Runner(model, template=talk()).arun()
                except BudgetExceeded:
                    pass
        """
    )

    assert project.outcomes() == {"failed": 2 if "anyio" in mark else 1}


def test_a_stream_that_is_left_early_fails_the_test_and_closes_quietly(project):
    project.tests(
        """
        @pytest.mark.llm_budget(calls=0)
        def test_it(scripted_model):
            pieces = Runner(scripted_model(Stream("on", "e")), template=talk()).stream()
            while not isinstance(next(pieces), antiphon.TextDelta):
                pass
            pieces.close()
            print("closed")
        """
    )

    result = project.run("-rA")

    result.assert_outcomes(failed=1)
    project.says(result, "BudgetExceeded: ", "closed")


def test_calls_that_fail_and_calls_of_fixtures_count(project, spent):
    project.tests(
        """
        @pytest.fixture
        def greeted(scripted_model):
            ask(scripted_model("one"))

        @pytest.mark.llm_budget(calls=1)
        def test_it(greeted, scripted_model):
            swallow(ask, scripted_model(KeyError("gone")))
        """
    )

    result = project.run()

    result.assert_outcomes(failed=1)
    assert ["calls", "2", "1", "too many"] in spent(result)


def test_scripted_models_and_those_of_the_program_cost_what_they_say(project):
    project.tests(
        """
        class Echo(Model):
            def _send(self, session):
                return session.last.content

        @pytest.mark.llm_budget(cost=0)
        def test_it(scripted_model):
            ask(Echo())
            ask(scripted_model("free"))
        """
    )

    assert project.outcomes() == {"passed": 1}
