"""--templates-model: which templates ask the other model, and how."""

from __future__ import annotations

import pytest

WAYS = {
    "sync": "desk(real()).run()",
    "stream": "list(desk(real()).stream())",
    "async": "asyncio.run(desk(real()).arun())",
    "async stream": "asyncio.run(all_of(desk(real()).astream()))",
    "own model": "Runner(scripted_model('x'), template=LinearTemplate([UserTemplate('?'), "
    "AssistantTemplate(template_id='first'), AssistantTemplate(model=real(), template_id='answer')])).run()",
    "subroutine": "Runner(real(), template=SubroutineTemplate(talk(), 'sub')).run()",
    "subroutine with a model": "Runner('openai:x', template=SubroutineTemplate(talk(), 'sub', model=real())).run()",
    "subroutine with a runner": "Runner('openai:x', template=SubroutineTemplate(talk(), 'sub', runner=Runner(real())))"
    ".run()",
    "tools": "Runner(real(), template=LinearTemplate([UserTemplate('?'), ToolingTemplate([tool(lookup)], "
    "template_id='answer')])).run()",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_however_the_template_asks(project, tests, reached, way):
    tests(
        f"""
import asyncio

def lookup(word: str) -> str:
    "Looks a word up."
    return word

async def all_of(steps):
    return [step async for step in steps]

@pytest.mark.llm_cassette
def test_it(real, scripted_model, llm_trace):
    {way}
    [call] = llm_trace.of("answer")
    assert (call.model, call.chosen_by, call.reply.served_by) == ("openai:small", "override", "m-2024")
    assert call.error is None
"""
    )
    project.run("--templates-record=missing", "--templates-model=answer=openai:small").assert_outcomes(passed=1)
    project.run("--templates-model=answer=openai:small").assert_outcomes(passed=1)


@pytest.mark.parametrize("runner", ["Runner(scripted_model('', allow_unused=True))", "None"])
def test_a_strategy_that_asks_a_model_asks_the_other_one(project, tests, reached, runner):
    tests(
        f"""
@pytest.mark.llm_cassette
def test_it(real, scripted_model, llm_trace):
    strategy = LLMSummarizingStrategy(real())
    inner = LinearTemplate([UserTemplate("?"), AssistantTemplate("Look it up.")])
    template = SubroutineTemplate(inner, "research", squash_strategy=strategy)
    list(template.render(Session(runner={runner})))
    assert [(call.model, call.chosen_by) for call in llm_trace.calls] == [("openai:small", "override")]
"""
    )

    assert project.outcomes("--templates-record=missing", "--templates-model=research=openai:small") == {"passed": 1}


MEANT = {
    "answer": ["large", "small"],
    "desk/answer": ["large", "small"],
    "*/answer": ["large", "small"],
    "**": ["small", "small"],
    "desk/*": ["small", "small"],
    "c*": ["small", "large"],
    "*/*/answer": ["large", "large"],
}


@pytest.mark.parametrize(("template", "models"), MEANT.items(), ids=MEANT)
def test_a_template_is_meant_by_its_id_or_a_glob_of_its_path(project, tests, reached, template, models):
    tests(
        f"""
@pytest.mark.llm_cassette
def test_it(real, llm_trace):
    desk(real()).run()
    assert [call.model for call in llm_trace.calls] == {[f"openai:{name}" for name in models]}
"""
    )

    assert project.outcomes("--templates-record=missing", f"--templates-model={template}=openai:small") == {"passed": 1}


@pytest.mark.parametrize(
    ("options", "models"),
    [
        (["*=openai:b", "answer=openai:c"], ["b", "c"]),
        (["answer=openai:c", "*=openai:b"], ["b", "b"]),
        (["answer=openai:c", "classify=openai:b", "answer=openai:d"], ["b", "d"]),
    ],
)
def test_of_several_for_one_template_the_last_counts(project, tests, reached, options, models):
    tests(
        f"""
@pytest.mark.llm_cassette
def test_it(real, llm_trace):
    desk(real()).run()
    assert [call.model for call in llm_trace.calls] == {[f"openai:{name}" for name in models]}
"""
    )

    result = project.run("--templates-record=missing", *(f"--templates-model={option}" for option in options))

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*replaced no model*")


def test_the_other_model_has_the_settings_that_every_model_has(project, tests, reached, files):
    tests(
        """
@pytest.mark.llm_cassette
def test_it(real, llm_trace):
    ask(real(temperature=0.5, max_tokens=20, extra_headers={"x-gateway": "secret"}))
"""
    )
    project.run("--templates-record=missing", "--templates-model=answer=openai:small").assert_outcomes(passed=1)

    [text] = map(bytes.decode, files().values())
    assert "temperature: 0.5" in text
    assert "max_completion_tokens: 20" in text
    assert "x-gateway" not in text


def test_scripted_models_doubles_and_direct_calls_stay(project, tests, reached):
    tests(
        """
from pydantic_ai.models.test import TestModel

@pytest.mark.llm_cassette
def test_it(real, scripted_model, llm_trace):
    ask(scripted_model("one"))
    ask(connect(TestModel()))
    real().send(Session(messages=[Message(role="user", content="Hello.")]))
    assert [call.model for call in llm_trace.calls] == ["scripted", "test:test", "openai:large"]
"""
    )

    assert project.outcomes("--templates-record=missing", "--templates-model=**=openai:small") == {"passed": 1}


def test_a_model_of_the_projects_own_is_replaced_in_a_marked_test(project, tests, reached):
    tests(
        """
class Gateway(Model):
    def _send(self, session):
        raise ConnectionError

@pytest.mark.llm_live(reason="asks the gateway")
def test_it(llm_trace):
    ask(Gateway())
    assert llm_trace.models == {"answer": ["openai:small"]}
"""
    )

    assert project.outcomes("--templates-live", "--templates-model=answer=openai:small") == {"passed": 1}
    assert reached.asked == ["Hello."]


def test_faults_happen_to_the_other_model(project, tests, reached):
    tests(
        """
from antiphon.errors import RateLimitError

@pytest.mark.llm_cassette
def test_it(real, llm_faults, llm_trace):
    llm_faults.at("answer", faults.rate_limited())
    with pytest.raises(RateLimitError):
        ask(real())
    ask(real())
    assert [(call.model, call.chosen_by) for call in llm_trace.calls] == [("openai:small", "override")] * 2
"""
    )

    assert project.outcomes("--templates-record=missing", "--templates-model=answer=openai:small") == {"passed": 1}


def test_the_isolation_guard_sees_no_change_of_the_parent(project, tests, reached):
    tests(
        """
@pytest.mark.llm_cassette
def test_it(real):
    research(real())
"""
    )

    result = project.run("--templates-record=missing", "--templates-model=summary=openai:small")

    result.assert_outcomes(passed=1)
    project.says(result, "1 subroutine checked")
