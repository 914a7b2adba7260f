"""Faults on chosen templates, over scripted models and over recorded calls."""

from __future__ import annotations

import asyncio
import time

import pytest

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    LoopTemplate,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)
from antiphon.errors import (
    AuthenticationError,
    BadAnswer,
    ContextLengthExceeded,
    InvalidType,
    InvalidValue,
    ModelError,
    ModelTimeout,
    RateLimitError,
    ServerError,
    TruncatedAnswer,
)
from antiphon.events import TextDelta
from pytest_templates import CallTool, ScriptedModel, Stream, UnusedSteps, faults
from pytest_templates.scripting.fault_injection import faults_in_place


@pytest.fixture
def placed():
    with faults_in_place() as placed:
        yield placed


@tool
def get_weather(city: str) -> str:
    """Says what the weather is."""
    return f"{city}: rain"


def talk() -> LinearTemplate:
    return LinearTemplate([UserTemplate("Hi"), AssistantTemplate(template_id="answer")], template_id="talk")


def listen(runner: Runner, heard: list[str], session: Session | None = None) -> None:
    for step in runner.stream(session):
        if isinstance(step, TextDelta):
            heard.append(step.text)  # noqa: PERF401  # what was heard before an error counts


async def alisten(runner: Runner, heard: list[str], session: Session | None = None) -> None:
    async for step in runner.astream(session):
        if isinstance(step, TextDelta):
            heard.append(step.text)  # noqa: PERF401  # what was heard before an error counts


def listened(way: str, runner: Runner) -> str:
    heard: list[str] = []
    LISTENING[way](runner, heard)
    return "".join(heard)


LISTENING = {"stream": listen, "astream": lambda *given: asyncio.run(alisten(*given))}
WAYS = {
    "run": lambda runner: runner.run().last.content,
    "arun": lambda runner: asyncio.run(runner.arun()).last.content,
    "stream": lambda runner: listened("stream", runner),
    "astream": lambda runner: listened("astream", runner),
}


@pytest.fixture(params=WAYS)
def played(request):
    """Runs a tree in each of the ways there are; gives the last answer."""
    return WAYS[request.param]


ERRORS = [
    (faults.rate_limited(retry_after=3), RateLimitError),
    (faults.timeout(), ModelTimeout),
    (faults.authentication(), AuthenticationError),
    (faults.server_error(status=503), ServerError),
    (faults.context_length(), ContextLengthExceeded),
    (faults.dropped(), ServerError),
    (faults.malformed(), BadAnswer),
]


@pytest.mark.parametrize(("fault", "kind"), ERRORS, ids=lambda value: getattr(value, "name", ""))
def test_a_fault_is_the_engines_own_error_and_the_model_is_not_asked(fault, kind, placed, played):
    model = ScriptedModel("Hello", name="small")
    placed.at("answer", fault)
    runner = Runner(model, template=talk())

    with pytest.raises(kind) as caught:
        played(runner)

    assert (caught.value.model, caught.value.template_path) == ("small", "talk/answer")
    assert fault.name in str(caught.value)
    assert model.remaining == 1
    assert played(runner) == "Hello"


def test_errors_hold_what_a_providers_would(placed):
    placed.at("answer", faults.rate_limited(retry_after=3))
    placed.at("answer", faults.server_error(status=503))
    runner = Runner(ScriptedModel(), template=talk())

    with pytest.raises(RateLimitError) as limited:
        runner.run()
    with pytest.raises(ServerError) as failed:
        runner.run()

    assert limited.value.retry_after == 3
    assert failed.value.status == 503


def test_a_failed_call_is_in_the_trace_under_the_models_own_name_and_choice(placed):
    model = ScriptedModel(name="small")
    placed.at("answer", faults.timeout())
    session = Session()

    with pytest.raises(ModelTimeout):
        Runner(model, template=talk()).run(session)

    [call] = session.trace.calls
    assert (call.model, call.chosen_by, call.origin) == ("small", "runner", model)
    assert isinstance(call.error, ModelTimeout)
    assert model.calls == [call]


@pytest.mark.parametrize(
    ("fault", "answer", "reason"), [(faults.truncated(after=4), "Hell", "length"), (faults.empty(), "", None)]
)
def test_a_fault_changes_what_arrives(fault, answer, reason, placed, played):
    model = ScriptedModel(Stream("Hel", "lo"))
    placed.at("answer", fault)

    assert played(Runner(model, template=talk())) == answer
    assert model.calls[0].reply.finish_reason == reason
    assert model.remaining == 0


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize(("after", "pieces"), [(1, ["H"]), (4, ["Hel", "l"]), (99, ["Hel", "lo"])])
def test_a_connection_drops_in_the_middle_of_an_answer(after, pieces, way, placed):
    runner = Runner(ScriptedModel(Stream("Hel", "lo")), template=talk())
    placed.at("answer", faults.dropped(after=after))
    heard: list[str] = []

    with pytest.raises(ServerError) as caught:
        LISTENING[way](runner, heard)

    assert caught.value.status is None
    assert heard == pieces


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize(("after", "pieces"), [(1, ["a"]), (3, ["ab", "c"])])
def test_an_answer_that_ends_too_early_is_heard_in_its_own_pieces(after, pieces, way, placed):
    session = Session()
    placed.at("answer", faults.truncated(after=after))
    heard: list[str] = []

    LISTENING[way](Runner(ScriptedModel(Stream("ab", "cd")), template=talk()), heard, session)

    assert heard == pieces
    assert session.last.content == "".join(pieces)


def test_an_answer_stalls_in_virtual_time(placed, played):
    placed.at("answer", faults.stalled(600))
    started = time.perf_counter()

    with pytest.raises(ModelTimeout):
        played(Runner(ScriptedModel("Hello"), template=talk()))

    assert placed.waited == 600
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    ("fault", "told"), [(faults.wrong_tool("get_wether"), "get_wether"), (faults.bad_arguments(), "no_such_argument")]
)
def test_a_tool_is_asked_for_wrongly(fault, told, placed, played):
    model = ScriptedModel(CallTool("get_weather", city="Oslo"), CallTool("get_weather", city="Oslo"), "Wet.")
    tree = LinearTemplate([UserTemplate("Oslo?"), ToolingTemplate([get_weather], template_id="answer")])
    placed.at("answer", fault)
    runner = Runner(model, template=tree)

    assert played(runner) == "Wet."
    results = [message.content for message in model.calls[-1].messages if message.role == "tool"]
    assert told in results[0]
    assert results[1] == "Oslo: rain"


@pytest.mark.parametrize("after", [0, 6, 20, 99])
def test_a_tool_that_is_asked_for_by_half_is_not_run(after, placed, played):
    ran = []

    @tool
    def delete(pattern: str = "*") -> str:
        """Deletes files."""
        ran.append(pattern)
        return "deleted"

    model = ScriptedModel(CallTool("delete", pattern="tmp"))
    placed.at("answer", faults.truncated(after=after))

    with pytest.raises(TruncatedAnswer) as caught:
        played(
            Runner(
                model, template=LinearTemplate([UserTemplate("Go."), ToolingTemplate([delete], template_id="answer")])
            )
        )

    (call,) = caught.value.message.tool_calls
    assert (
        call.arguments
        == {
            0: {},
            6: {"INVALID_JSON": '{"patt'},
            20: {"pattern": "tmp"},
            99: {"pattern": "tmp"},
        }[after]
    )
    assert ran == []


def test_what_comes_behind_the_cut_does_not_arrive():
    calls = (ToolCall(id="1", name="get_weather", arguments={"city": "Oslo"}), ToolCall(id="2", name="get_weather"))
    for after, content, arrived in [(2, "Well, ", 0), (10, "Well, ", 1), (30, "", 2), (18, "", 2)]:
        reply = faults.truncated(after=after).change(Reply(content, tool_calls=calls), Session())
        assert (reply.content, len(reply.tool_calls)) == (content[:after], arrived)


def test_a_fault_is_for_a_template_by_its_path_and_iteration_and_so_many_times(placed):
    turns = LoopTemplate([UserTemplate("Hi"), AssistantTemplate()], exit_loop_count=3, template_id="turns")
    placed.at("turns@2/*", faults.empty())
    placed.at("**/assistant-2", faults.truncated(after=1), times=1)

    session = Runner(ScriptedModel("one", "two", "three"), template=turns).run()

    assert [message.content for message in session.messages if message.role == "assistant"] == ["o", "", "three"]


def test_faults_on_one_template_happen_one_after_another_and_some_for_ever(placed):
    placed.at("answer", faults.empty(), times=2)
    placed.at("answer", faults.truncated(after=2), times=None)
    runner = Runner(ScriptedModel().on().reply("Hello", times=None), template=talk())

    assert [runner.run().last.content for _ in range(4)] == ["", "", "He", "He"]
    assert placed.remaining == 0


def test_a_fault_reaches_templates_of_subroutines_and_models_of_their_own(placed):
    own = ScriptedModel("Hello")
    tree = SubroutineTemplate(LinearTemplate([UserTemplate("Hi"), AssistantTemplate(model=own)]), "inner", model=own)
    placed.at("inner/**", faults.empty())

    assert Runner(ScriptedModel(), template=tree).run().last.content == ""


def test_other_templates_and_other_blocks_are_left_alone():
    runner = Runner(ScriptedModel("one", "two"), template=talk())
    with faults_in_place() as placed:
        placed.at("another", faults.timeout())
        assert runner.run().last.content == "one"
    assert runner.run().last.content == "two"


def test_a_fault_that_did_not_happen_is_left_over(placed):
    placed.at("anwser", faults.timeout(), times=2)
    placed.at("answer", faults.empty(), times=None)
    Runner(ScriptedModel("Hello."), template=talk()).run()

    with pytest.raises(UnusedSteps) as caught:
        placed.assert_complete()

    assert str(caught.value).splitlines()[1:] == [
        "    at 'anwser': faults.timeout(), 2 times more; did you mean 'answer'?",
        "  what asked a model: talk/answer",
    ]


@pytest.mark.parametrize(
    ("place", "kind", "text"),
    [
        (lambda placed: placed.at(5, faults.timeout()), InvalidType, "path is the id or the path"),
        (lambda placed: placed.at("a", "timeout"), InvalidType, "fault takes one of the faults"),
        (lambda placed: placed.at("a", faults.timeout), InvalidType, "fault takes one of the faults"),
        (lambda placed: placed.at("a", faults.timeout(), times="2"), InvalidType, "times is a number"),
        (lambda placed: placed.at("a", faults.timeout(), times=0), InvalidValue, "times is 1 or more"),
    ],
)
def test_what_is_no_fault_is_refused_where_it_is_placed(place, kind, text, placed):
    with pytest.raises(kind, match=text):
        place(placed)


def test_every_error_is_of_the_engines_family():
    assert all(issubclass(kind, ModelError) for _, kind in ERRORS)
