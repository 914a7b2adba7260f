"""llm_override and overriding: models that a test puts in place in a whole program."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    LLMSummarizingStrategy,
    Message,
    Model,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    connect,
)
from antiphon.errors import InvalidType, InvalidValue, RateLimitError
from pytest_templates import UnusedSteps, assert_models, overriding

ASK = Reply("", tool_calls=(ToolCall(id="1", name="look_up"),))


def asked() -> Session:
    return Session(messages=[Message(role="user", content="Where?")])


def program() -> Runner:
    """A program that names its models inside, and takes nothing from a test."""
    small = connect("openai:small")

    def look_up() -> str:
        """Look it up."""
        return small.send(asked()).content

    inner = LinearTemplate([UserTemplate("Look."), AssistantTemplate(template_id="find")], template_id="inner")
    tree = LinearTemplate(
        [
            UserTemplate("Hello."),
            AssistantTemplate(template_id="sort", model=small),
            ToolingTemplate([look_up], template_id="work"),
            SubroutineTemplate(inner, "copied", squash_strategy=LLMSummarizingStrategy("openai:summary")),
            SubroutineTemplate(inner, "modelled", model="openai:other"),
            SubroutineTemplate(inner, "served", runner=Runner(connect("anthropic:large"))),
            AssistantTemplate(template_id="answer"),
        ],
        template_id="desk",
    )
    return Runner("openai:usual", template=tree)


@pytest.fixture(params=["run", "arun", "stream", "astream"])
def play(request: pytest.FixtureRequest) -> Any:
    """Runs a program, blocking or not, at once or piece by piece."""

    async def through(runner: Runner, session: Session) -> None:
        async for _ in runner.astream(session):
            pass

    def played(runner: Runner) -> Session:
        session = Session()
        match request.param:
            case "run":
                runner.run(session)
            case "arun":
                asyncio.run(runner.arun(session))
            case "stream":
                list(runner.stream(session))
            case _:
                asyncio.run(through(runner, session))
        return session

    return played


EVERYWHERE = ["sort", "work", "work", "work", "find", "copied", "find", "find", "answer"]


def test_a_model_is_in_place_everywhere(play, llm_override, scripted_model, llm_trace):
    llm_override("**", scripted_model("a", ASK, "b", "c", "d", "e", "f", "g", "h", name="fake"))

    play(program())

    assert [call.template_id for call in llm_trace.calls] == EVERYWHERE
    assert {(call.model, call.chosen_by) for call in llm_trace.calls} == {("fake", "override")}


def test_each_target_means_what_it_names(llm_override, scripted_model, llm_trace):
    llm_override("copied", scripted_model("c", name="summary"))
    llm_override("openai:*", scripted_model(ASK, "b", "d", name="openai"))
    llm_override("openai:small", scripted_model("a", "c", name="small"))
    llm_override("answer", scripted_model("z", name="last"))
    llm_override("desk/modelled/inner/find", scripted_model("m", name="deep"))
    with overriding({"desk/served/**": scripted_model("s", name="served")}):
        program().run()

    models = ["small", "openai", "small", "openai", "openai", "summary", "deep", "served", "last"]
    assert [call.model for call in llm_trace.calls] == models
    with pytest.raises(AssertionError, match="an override"):
        assert_models(llm_trace, {"answer": "openai:usual"}, exactly=False)


def test_outside_of_templates_and_in_threads(llm_override, scripted_model, llm_trace):
    model = connect("openai:small")
    llm_override("", scripted_model("a", "b", name="fake"))

    thread = Thread(target=model.send, args=(asked(),))
    thread.start()
    thread.join()
    model.send(asked())

    assert llm_trace.models == {"": ["fake", "fake"]}


def test_of_two_blocks_the_inner_one_counts(scripted_model, llm_trace):
    tree = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")])
    with overriding({"answer": scripted_model("a", "b", name="outer")}):
        with overriding({"**": scripted_model("c", name="inner")}):
            Runner("openai:usual", template=tree).run()
        Runner("openai:usual", template=tree).run()
        Runner("openai:usual", template=tree).run()

    assert llm_trace.models == {"answer": ["inner", "outer", "outer"]}


class Patient(Model):
    """Asks once more where it is told to wait."""

    def __init__(self, inner: Model, name: str) -> None:
        self.inner, self.name = inner, name

    def _send(self, session: Session) -> Message:
        try:
            return self.inner.send(session)
        except RateLimitError:
            return self.inner.send(session)


TREE = LinearTemplate([UserTemplate("Hello."), AssistantTemplate(template_id="answer")], template_id="desk")


@pytest.mark.parametrize("target", ["answer", "**", "openai:*", "openai:small"])
def test_a_model_that_asks_others_stays_and_these_are_replaced(llm_override, scripted_model, target):
    llm_override(target, scripted_model(RateLimitError("slow"), "Hello", name="fake"))

    session = Runner(Patient(connect("openai:small"), "openai:small"), template=TREE).run()

    (call,) = session.trace.calls
    assert (session.last.content, call.model, call.chosen_by) == ("Hello", "fake", "override")


def test_unless_it_is_named_itself(llm_override, scripted_model):
    llm_override("patient", scripted_model("Hello", name="fake"))

    session = Runner(Patient(connect("openai:small"), "patient"), template=TREE).run()

    assert session.trace.calls[0].inner == ()


def test_a_model_in_place_may_ask_others(llm_override, scripted_model):
    llm_override("**", Patient(scripted_model(RateLimitError("slow"), "Hello", name="fake"), "patient"))

    session = Runner("openai:small", template=TREE).run()

    (call,) = session.trace.calls
    assert ([one.model for one in call.inner], call.model, call.chosen_by) == (["fake"] * 2, "fake", "override")


class Pooling(Model):
    """Asks its model in a thread that was started without its context."""

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    def _send(self, session: Session) -> Message:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.inner.send, session).result()


def test_a_model_in_place_that_asks_in_threads_is_not_put_in_its_own_place(llm_override, scripted_model):
    llm_override("**", Pooling(scripted_model("Hello", name="fake")))

    assert Runner("openai:small", template=TREE).run().last.content == "Hello"


def test_faults_reach_the_model_in_place(llm_override, llm_faults, scripted_model):
    from pytest_templates import faults

    llm_faults.at("answer", faults.rate_limited())
    llm_override("answer", scripted_model("Hello", allow_unused=True))

    with pytest.raises(RateLimitError):
        Runner("openai:small", template=TREE).run()


def test_an_override_is_taken_back_with_the_block(scripted_model):
    own = scripted_model("own", name="own")
    with overriding({"**": scripted_model("fake")}):
        assert Runner(own, template=TREE).run().last.content == "fake"
    assert Runner(own, template=TREE).run().last.content == "own"


def test_a_block_whose_models_nobody_asked_fails_at_its_end(scripted_model):
    with (
        pytest.raises(UnusedSteps, match=r"'anwser': fake; did you mean 'answer'\?\n  what was asked: desk/answer"),
        overriding({"anwser": scripted_model(name="fake")}),
    ):
        Runner(scripted_model("x"), template=TREE).run()


def test_a_block_that_fails_says_so_and_nothing_else(scripted_model):
    with pytest.raises(KeyError), overriding({"answer": scripted_model(name="fake")}):
        raise KeyError


@pytest.mark.parametrize(
    ("target", "model", "error", "complaint"),
    [
        (5, "openai:m", InvalidType, "a target is the id of a template, a glob of its path or the name of a model"),
        ("answer", 5, InvalidType, "model takes a Model or a name"),
        ("answer", len, InvalidType, "'answer' is given what may make a model, and is none: call it"),
        ("answer", "billing", InvalidValue, "'billing' does not name a model"),
    ],
)
def test_what_is_no_target_or_no_model_is_refused(llm_override, target, model, error, complaint):
    with pytest.raises(error, match=complaint):
        llm_override(target, model)
    with pytest.raises(error, match=complaint), overriding({target: model}):
        pass
    with pytest.raises(InvalidType, match="overriding takes a mapping"), overriding([("answer", "openai:m")]):  # type: ignore[arg-type]
        pass
    with pytest.raises(InvalidType, match=r"overriding\(\) takes a mapping"):
        llm_override({target: model}, model)


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_an_override_that_nothing_used_fails_the_test_at_its_tear_down(project, workers):
    project.tests(
        """
class Caching(Model):
    def __init__(self):
        self.inner = connect("openai:m")

    def _send(self, session):
        return "from the cache"

def test_used(llm_override, scripted_model):
    llm_override("answer", scripted_model("x"))
    ask("openai:m")

def test_unused(llm_override, scripted_model):
    llm_override("answer", scripted_model("x"))
    llm_override("openai:m", scripted_model(name="counted out"))
    llm_override("desk/answer", scripted_model(name="misspelt"))
    ask("openai:m")

def test_cached(llm_override, scripted_model):
    llm_override("answer", scripted_model(name="fake"))
    ask(Caching())

def test_failed(llm_override, scripted_model):
    llm_override("answer", scripted_model(name="fake"))
    assert False
"""
    )

    result = project.run(*workers)

    result.assert_outcomes(passed=3, failed=1, errors=2)
    project.says(
        result,
        "models were put in place that nothing has asked:",
        "'openai:m': counted out; another override counted",
        "'desk/answer': misspelt; did you mean 'talk/answer'?",
        "what was asked: talk/answer (openai:m)",
    )
    project.says(result, "'answer': fake; 'Caching' asks other models while it answers, and has not asked one")


def test_a_real_model_in_place_gets_the_settings_of_the_program(project, chat_server):
    project.tests(
        """
import os

@pytest.mark.llm_cassette
def test_it(llm_override, llm_trace):
    llm_override("answer", connect("openai:other", base_url=os.environ["CHAT_URL"], api_key="x"))
    ask("openai:m")
    assert llm_trace.models == {"answer": ["openai:other"]}
"""
    )

    assert project.outcomes("--templates-record=missing") == {"passed": 1}
    assert project.outcomes() == {"passed": 1}
    assert chat_server.asked == ["Hello."]


def test_a_program_that_another_fixture_builds_first_needs_no_key(project, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    project.tests(
        """
@pytest.fixture
def runner():
    return Runner(connect("openai:m"), template=talk())

def test_it(runner, llm_override, scripted_model):
    llm_override("answer", scripted_model("x"))
    assert runner.run().last.content == "x"
"""
    )

    assert project.outcomes() == {"passed": 1}


def test_a_refused_call_tells_which_override_missed_it(project):
    project.tests(
        """
def test_misspelt(llm_override, scripted_model):
    llm_override("anwser", scripted_model("x"))
    ask("openai:gpt-4o")

def test_half_a_name(scripted_model):
    with overriding({"gpt-4o": scripted_model("x")}):
        ask("openai:gpt-4o")

def test_real(llm_override):
    llm_override("answer", "openai:other")
    ask("openai:gpt-4o")
"""
    )

    result = project.run()

    result.assert_outcomes(failed=3)
    project.says(
        result,
        "nothing has asked the model that was put in place for 'anwser'; did you mean 'answer'?",
        "nothing has asked the model that was put in place for 'gpt-4o'; did you mean 'openai:gpt-4o'?",
        "the model that was put in place for 'answer' is the real one",
    )


def test_a_refused_call_shows_the_line_to_write(project):
    project.tests(
        """
def test_it():
    ask("openai:m")

def test_direct():
    connect("openai:m", api_key="x").send(Session(messages=[Message(role="user", content="Hi")]))
"""
    )

    result = project.run()

    result.assert_outcomes(failed=2)
    project.says(result, "test_it is about to call a real model", "llm_override('answer', scripted_model(\"…\"))")
    project.says(result, "test_direct is about to call", "llm_override('openai:m', scripted_model(\"…\"))")
