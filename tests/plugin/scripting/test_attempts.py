"""Models that make several attempts, in tests: their waits are virtual after doubles, and faults hit what they ask."""

from __future__ import annotations

import asyncio
import re
import time

import anyio
import pytest

from antiphon import (
    AssistantTemplate,
    CachedModel,
    FallbackModel,
    LinearTemplate,
    Message,
    Model,
    RetryingModel,
    Runner,
    Session,
    TextDelta,
    UserTemplate,
    connect,
)
from antiphon.errors import InvalidType, ModelError, RateLimitError, ServerError
from pytest_templates import Fail, Stream, UnusedSteps, faults, overriding
from pytest_templates.scripting.fault_injection import faults_in_place

BUSY = faults.rate_limited(retry_after=30)


def talk(model: Model | None = None) -> LinearTemplate:
    return LinearTemplate(
        [UserTemplate("Hi"), AssistantTemplate(template_id="answer", model=model)], template_id="talk"
    )


async def _aheard(runner: Runner, session: Session) -> str:
    return "".join([step.text async for step in runner.astream(session) if isinstance(step, TextDelta)])


WAYS = {
    "run": lambda runner, session: runner.run(session).last.content,
    "arun": lambda runner, session: asyncio.run(runner.arun(session)).last.content,
    "trio": lambda runner, session: anyio.run(runner.arun, session, backend="trio").last.content,
    "stream": lambda runner, session: "".join(s.text for s in runner.stream(session) if isinstance(s, TextDelta)),
    "astream": lambda runner, session: asyncio.run(_aheard(runner, session)),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def heard(request):
    """What a model says in the talk, whichever way it is asked."""
    return lambda model: request.param(Runner(model, template=talk()), Session())


@pytest.fixture
def placed():
    with faults_in_place() as placed:
        yield placed


def test_waits_after_steps_that_fail_take_no_time(scripted_model, llm_trace, heard):
    started = time.perf_counter()
    model = scripted_model(Fail(BUSY), Fail(faults.timeout()), Fail(faults.dropped()), "Hello.")

    assert heard(RetryingModel(model, attempts=4)) == "Hello."

    (call,) = llm_trace.of("answer")
    assert call.waited == 30 + 2 + 4  # without chance
    assert call.seconds < 1
    assert time.perf_counter() - started < 5
    assert [inner.error and type(inner.error).__name__ for inner in call.inner] == [
        "RateLimitError",
        "ModelTimeout",
        "ServerError",
        None,
    ]


def test_waits_after_other_models_take_their_time(scripted_model, llm_trace):
    class Flaky(Model):
        def __init__(self) -> None:
            self.errors = [ServerError("down")]

        def _send(self, session: Session) -> str:
            if self.errors:
                raise self.errors.pop()
            return "Hello."

    fallback = FallbackModel([scripted_model(Fail(BUSY), Fail(BUSY)), Flaky()])
    started = time.perf_counter()

    Runner(RetryingModel(fallback, wait=0.02), template=talk()).run()

    assert llm_trace.of("answer")[0].waited == 0.02
    assert time.perf_counter() - started >= 0.02


def test_faults_hit_the_model_inside_and_all_waits_are_virtual(scripted_model, llm_faults, llm_trace, heard):
    llm_faults.at("talk/answer", BUSY, times=2)

    assert heard(RetryingModel(scripted_model("Hello."))) == "Hello."

    (call,) = llm_trace.of("answer")
    assert (call.waited, llm_faults.waited) == (60, 60)
    assert [inner.notes.get("pytest_templates.fault") for inner in call.inner] == [BUSY.name, BUSY.name, None]


def test_faults_of_a_template_hit_one_model_after_the_other(scripted_model, llm_faults, llm_trace, heard):
    llm_faults.at("answer", faults.authentication())
    llm_faults.at("answer", faults.context_length())

    first, second, third = scripted_model(name="first"), scripted_model(name="second"), scripted_model("Hello.")

    assert heard(FallbackModel([first, second, third])) == "Hello."
    assert [inner.model for inner in llm_trace.of("answer")[0].inner] == ["first", "second", "scripted"]


@pytest.mark.parametrize("model", ["second", "sec*", re.compile("^se.ond$")], ids=repr)
def test_a_fault_may_name_the_model(scripted_model, llm_faults, llm_trace, model):
    llm_faults.at("answer", faults.server_error(), model=model)
    models = [scripted_model(Fail(BUSY), name="first"), scripted_model(name="second"), scripted_model("Hello.")]

    assert Runner(FallbackModel(models), template=talk()).run().last.content == "Hello."

    first, second, _ = llm_trace.of("answer")[0].inner
    assert (type(first.error), type(second.error)) == (RateLimitError, ServerError)


@pytest.mark.parametrize("name", ["openai:second", "double"])
def test_it_may_name_the_model_of_the_program_or_the_one_in_its_place(scripted_model, llm_override, llm_faults, name):
    llm_override("openai:*", scripted_model("Hello.", name="double"))
    llm_faults.at("answer", faults.timeout(), model=name)
    fallback = FallbackModel(["openai:second", "openai:second"])

    assert Runner(fallback, template=talk()).run().last.content == "Hello."


def test_a_fault_of_a_model_that_was_not_asked_is_left_over(scripted_model, placed):
    placed.at("answer", faults.timeout(), model="secnd")
    placed.at("answer", faults.timeout(), model=re.compile("third"))
    Runner(FallbackModel([scripted_model(Fail(BUSY), name="first"), scripted_model("x", name="second")])).run(
        template=talk()
    )

    with pytest.raises(UnusedSteps) as caught:
        placed.assert_complete()

    said = str(caught.value)
    assert "at 'answer', model='secnd': faults.timeout(), 1 time more; models asked there: first, second" in said
    assert "did you mean 'second'?" in said
    assert "at 'answer', model=re.compile('third'): faults.timeout(), 1 time more; models asked there: first" in said


def test_what_names_no_model(placed):
    with pytest.raises(InvalidType, match=r"model takes a text or re.compile\(\.\.\.\), not int: 3"):
        placed.at("answer", faults.timeout(), model=3)


def connected(**settings) -> Model:
    return connect("openai:m", api_key="k", **settings)


@pytest.fixture
def in_place(scripted_model):
    """A scripted model in place of the real one."""
    model = scripted_model("Hello.", name="m", allow_unused=True)
    with overriding({"openai:m": model}):
        yield model


class TestMaxRetries:
    """What a connected model's client does by itself."""

    def test_as_many_faults_as_retries_are_survived(self, in_place, llm_faults, llm_trace, heard):
        llm_faults.at("answer", faults.rate_limited(retry_after=1), times=2)

        assert heard(connected(max_retries=2)) == "Hello."

        (call,) = llm_trace.of("answer")
        assert (call.waited, llm_faults.waited, call.inner) == (2, 2, ())
        assert call.notes["pytest_templates.fault"] == ", ".join(["rate_limited(retry_after=1)"] * 2)

    def test_one_more_is_an_error(self, in_place, llm_faults, llm_trace, heard):
        llm_faults.at("answer", faults.rate_limited(retry_after=1), times=3)

        with pytest.raises(RateLimitError):
            heard(connected(max_retries=2))

        assert llm_trace.of("answer")[0].waited == 2
        assert llm_faults.remaining == len(in_place.calls) - 1 == 0

    @pytest.mark.parametrize("settings", [{}, {"max_retries": 0}], ids=repr)
    def test_where_the_model_says_no_number_a_fault_is_what_the_program_gets(self, in_place, llm_faults, settings):
        llm_faults.at("answer", faults.rate_limited())

        with pytest.raises(RateLimitError):
            Runner(connected(**settings), template=talk()).run()

        assert llm_faults.waited == 0

    @pytest.mark.parametrize("fault", [faults.timeout(), faults.server_error(503), faults.dropped()], ids=repr)
    def test_waits_that_the_provider_does_not_name_double_from_half_a_second(self, in_place, llm_faults, fault):
        llm_faults.at("answer", fault, times=6)

        Runner(connected(max_retries=6), template=talk()).run()

        assert llm_faults.waited == 0.5 + 1 + 2 + 4 + 8 + 8

    @pytest.mark.parametrize(
        "fault",
        [faults.authentication(), faults.context_length(), faults.malformed(), faults.rate_limited(retry_after=121)],
        ids=repr,
    )
    def test_some_faults_are_not_asked_about_again(self, in_place, llm_faults, fault):
        llm_faults.at("answer", fault)

        with pytest.raises(ModelError):
            Runner(connected(max_retries=2), template=talk()).run()

        assert llm_faults.waited == 0

    def test_a_stream_that_has_begun_is_not_sent_for_again(self, scripted_model, llm_faults):
        llm_faults.at("answer", faults.dropped(after=3))
        heard: list[str] = []

        def listen() -> None:
            for step in Runner(connected(max_retries=2), template=talk()).stream():
                heard.extend([step.text] if isinstance(step, TextDelta) else [])

        double = scripted_model(Stream("Hel", "lo."))
        with overriding({"openai:m": double}), pytest.raises(ServerError, match="broke off"):
            listen()

        assert (heard, llm_faults.waited) == (["Hel"], 0)

    def test_a_whole_answer_that_broke_off_is(self, scripted_model, llm_faults, llm_trace):
        llm_faults.at("answer", faults.dropped(after=3))

        with overriding({"openai:m": scripted_model("lost", "Hello.")}):
            session = Runner(connected(max_retries=2), template=talk()).run()

        assert (session.last.content, llm_faults.waited) == ("Hello.", 0.5)

    def test_an_error_of_the_model_itself_is_one_after_its_retries(self, scripted_model, llm_faults):
        llm_faults.at("answer", faults.timeout())

        with overriding({"openai:m": scripted_model(Fail(BUSY))}), pytest.raises(RateLimitError):
            Runner(connected(max_retries=5), template=talk()).run()

        assert llm_faults.waited == 0.5

    def test_it_counts_within_a_model_around_it(self, in_place, llm_faults, llm_trace):
        llm_faults.at("answer", faults.rate_limited(retry_after=10), times=5)

        Runner(RetryingModel(connected(max_retries=2), wait=100), template=talk()).run()

        (call,) = llm_trace.of("answer")
        assert [(inner.waited, inner.error is None) for inner in call.inner] == [(20, False), (20, True)]
        assert call.waited == llm_faults.waited == 140


def test_a_script_file_answers_for_a_model_that_tries_again(project):
    project.file("fixtures/talk.yaml", "answer:\n  - fail: rate_limited\n    retry_after: 30\n  - Hello.\n")
    project.tests(
        """
        tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")])

        @pytest.mark.llm_script("talk.yaml")
        @pytest.mark.llm_budget(calls=1, models=["openai:m"])
        def test_it(llm_trace):
            assert Runner(RetryingModel("openai:m"), template=tree).run().last.content == "Hello."
            (call,) = llm_trace.calls
            assert (call.waited, call.model) == (30, "openai:m")

        @pytest.mark.llm_script("talk.yaml", allow_unused=True)
        def test_retries_of_the_client(llm_faults):
            llm_faults.at("answer", faults.timeout(), times=1)
            model = connect("openai:m", max_retries=1)
            with pytest.raises(antiphon.errors.RateLimitError):
                Runner(model, template=tree).run()
            assert llm_faults.waited == 0.5
        """
    )

    project.run().assert_outcomes(passed=2)


def test_models_of_fixtures_of_a_module_are_doubles_too(project):
    project.tests(
        """
        tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")])

        @pytest.fixture(scope="module")
        def model(scripted_model_for_module):
            return RetryingModel(scripted_model_for_module(Fail(faults.rate_limited(retry_after=300)), "Hello."))

        def test_it(model):
            assert Runner(model, template=tree).run().trace.calls[0].waited == 300
        """
    )

    project.run().assert_outcomes(passed=1)


class Careful(Model):
    """A model of the program's own, with another one for emergencies."""

    def __init__(self, spare: Model, *, asks_spare: bool = False) -> None:
        self.spare = spare
        self.asks_spare = asks_spare

    def _send(self, session: Session) -> str:
        if not self.asks_spare:
            return "Of my own."
        try:
            return self.spare.send(session).content
        except RateLimitError:
            return "Busy."

    async def _asend(self, session: Session) -> str:
        return self._send(session)

    def _stream(self, session: Session):
        if not self.asks_spare:
            yield "Of my "
            yield "own."
            return
        yield "I say: "
        yield from self.spare.stream(session)

    async def _astream(self, session: Session):
        for piece in self._stream(session):
            yield piece


def test_a_fault_hits_a_model_that_keeps_another_and_answers_itself(scripted_model, placed, heard):
    placed.at("answer", BUSY)

    with pytest.raises(RateLimitError):
        heard(Careful(scripted_model("unused", allow_unused=True)))

    placed.assert_complete()
    assert heard(Careful(scripted_model("unused", allow_unused=True))) == "Of my own."


def test_a_fault_changes_what_a_model_that_keeps_another_answers_itself(scripted_model, placed, heard):
    placed.at("answer", faults.truncated(after=4), model="Careful")

    assert heard(Careful(scripted_model("unused", allow_unused=True))) == "Of m"


def test_a_fault_of_a_model_that_asks_another_happens_once(scripted_model, placed, llm_trace):
    placed.at("answer", BUSY, times=2)

    assert Runner(Careful(scripted_model(), asks_spare=True), template=talk()).run().last.content == "Busy."

    assert placed.remaining == 1
    (call,) = llm_trace.of("answer")
    assert [type(inner.error) for inner in call.inner] == [RateLimitError]
    assert "pytest_templates.fault" not in call.notes


def test_a_model_that_passes_on_a_stream_after_words_of_its_own_answers_itself(scripted_model, placed):
    placed.at("answer", faults.dropped(after=8), model="Careful")
    spare = scripted_model(Stream("Hel", "lo."), allow_unused=True)

    with pytest.raises(ServerError):
        "".join(WAYS["stream"](Runner(Careful(spare, asks_spare=True), template=talk()), Session()))


def test_a_fault_that_names_a_model_that_asks_another_says_where_it_would_happen(scripted_model, placed):
    placed.at("answer", BUSY, model="Care*")
    careful = Careful(scripted_model("Hello.", name="second"), asks_spare=True)

    Runner(careful, template=talk()).run()

    hint = "Careful hands its questions on, and a fault hits the models that it asks; those asked there: second"
    with pytest.raises(UnusedSteps, match=re.escape(hint)):
        placed.assert_complete()


def test_a_fault_does_not_hit_an_answer_from_a_cache_and_says_so(scripted_model, placed):
    cached = CachedModel(scripted_model("Hello.", name="first"))
    cached.send(Session(messages=[Message(role="user", content="Hi")]))
    placed.at("answer", BUSY)

    Runner(cached, template=talk()).run()

    hint = "first hands its questions on, and a fault hits the models that it asks; it asked none"
    with pytest.raises(UnusedSteps, match=re.escape(hint)):
        placed.assert_complete()
