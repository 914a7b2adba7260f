"""Spans: which there are of a run, one below the other, and how they end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    LinearTemplate,
    LoopTemplate,
    Message,
    ParallelTemplate,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    Template,
    Tool,
    ToolCall,
    ToolingTemplate,
    UserTemplate,
    tool,
)


def test_every_way_to_run_a_tree_gives_the_same_spans_one_below_the_other(way, telemetry, speaking, support):
    way(Runner(speaking(tracer=telemetry.tracer)), template=support)

    assert [name for name in telemetry.tree() if name.strip() != "chunk"] == [
        "invoke_workflow support",
        "  template ask",
        "  invoke_agent deep",
        "    template linear",
        "      template user",
        "      template assistant",
        "        chat gpt-4o-mini",
        "          POST",
    ]
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_run_belongs_to_the_span_in_which_the_program_began_it(way, telemetry, speaking):
    with telemetry.tracer.start_as_current_span("request") as request:
        way(Runner(speaking()), template=UserTemplate("Hi", template_id="hi"))

        assert trace.get_current_span() is request
    assert telemetry.tree() == ["request", "  invoke_workflow hi"]


def handed_out(telemetry: Any, steps: Iterator[Any]) -> None:
    """Go through a run; every step in another span of the program."""
    step: Any = steps
    while step is not None:
        with telemetry.tracer.start_as_current_span("of the program") as own:
            step = next(steps, None)
            assert trace.get_current_span() is own
        assert trace.get_current_span() is trace.INVALID_SPAN


WHOLE = [
    *("template ask", "invoke_agent deep", "template linear", "template user", "template assistant"),
    "chat gpt-4o-mini",
]


@pytest.mark.parametrize("way", ["iter", "stream"])
def test_while_the_program_has_the_word_its_own_span_is_the_current_one(way, telemetry, speaking, support):
    handed_out(telemetry, getattr(Runner(speaking("a b c d")), way)(template=support))

    names = [name.strip() for name in telemetry.tree()]
    assert [name for name in names if name != "of the program"] == ["invoke_workflow support", *WHOLE]
    assert "of the program" not in [name.strip() for name in telemetry.tree() if name.startswith(" ")]


def test_a_template_that_the_program_goes_through_itself_leaves_the_program_its_span(telemetry, speaking, support):
    session = Session()
    session.runner = Runner(speaking())
    handed_out(telemetry, support.render(session))

    first = telemetry.tree()[:3]
    assert first == ["of the program", "  invoke_workflow support", "    template ask"]  # where it was begun
    names = [name.strip() for name in telemetry.tree()]
    assert [name for name in names if name != "of the program"] == ["invoke_workflow support", *WHOLE]


def test_a_template_can_be_gone_through_in_one_thread_and_closed_in_another(telemetry, speaking, support):
    session = Session()
    session.runner = Runner(speaking())
    steps = support.render(session)
    next(steps)
    seen: list[Any] = []

    def close() -> None:
        with telemetry.tracer.start_as_current_span("closing"):
            steps.close()
            seen.append(trace.get_current_span().name)  # type: ignore[attr-defined]

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()

    assert seen == ["closing"]
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert telemetry.named("invoke_workflow support").status.status_code is StatusCode.UNSET


def test_a_model_that_is_listened_to_leaves_the_program_its_span_between_the_pieces(telemetry, speaking):
    model = speaking("one two", tracer=telemetry.tracer)
    for _ in model.stream(Session(messages=[Message(role="user", content="Count.")])):
        assert trace.get_current_span() is trace.INVALID_SPAN

    assert telemetry.tree() == ["chat gpt-4o-mini", "  POST", "  chunk", "  chunk"]
    span = telemetry.named("chat gpt-4o-mini")
    assert span.attributes["gen_ai.request.stream"] is True
    assert 0 <= span.attributes["gen_ai.response.time_to_first_chunk"] < 60
    assert len(telemetry.points("gen_ai.client.operation.time_to_first_chunk")) == 1


def test_a_stream_that_is_left_has_ended_and_is_no_failure(telemetry, speaking):
    pieces = speaking("one two").stream(Session(messages=[Message(role="user", content="Count.")]))
    next(pieces)
    pieces.close()

    span = telemetry.named("chat gpt-4o-mini")
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_runs_that_go_on_at_the_same_time_do_not_take_each_others_spans(telemetry, speaking):
    trees = {name: LinearTemplate([UserTemplate("Hi"), AssistantTemplate()], template_id=name) for name in "abcd"}

    async def tasks() -> None:
        await asyncio.gather(*(Runner(speaking()).arun(template=trees[name]) for name in "ab"))

    asyncio.run(tasks())
    threads = [threading.Thread(target=Runner(speaking()).run, kwargs={"template": trees[name]}) for name in "cd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    in_turns = [Runner(speaking()).iter(template=trees[name]) for name in "ab"]
    for pair in zip(*in_turns, strict=True):
        assert [message.content for message in pair] in (["Hi", "Hi"], ["fine", "fine"])
    for steps in in_turns:
        list(steps)

    whole = ["invoke_workflow {}", "  template user", "  template assistant", "    chat gpt-4o-mini"]
    tree = telemetry.tree()
    runs = [tree[start : start + 4] for start in range(0, len(tree), 4)]
    assert sorted(runs) == sorted([[line.format(name) for line in whole] for name in ("a", "a", "b", "b", "c", "d")])


def test_templates_say_where_they_stand_and_which_is_an_agent(telemetry, speaking, support):
    Runner(speaking()).run(template=support)

    agent = telemetry.named("invoke_agent deep")
    assert dict(agent.attributes) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "deep",
        "antiphon.template.path": "support/deep",
        "antiphon.template.kind": "subroutine",
        "antiphon.template.id": "deep",
    }
    workflow = telemetry.named("invoke_workflow support")
    assert workflow.attributes["gen_ai.workflow.name"] == "support"
    assert "gen_ai.operation.name" not in telemetry.named("template user").attributes
    durations = telemetry.points("gen_ai.invoke_agent.duration")
    assert {point.attributes["gen_ai.agent.name"] for point in durations} == {"support", "deep"}


TOLD = [("blocking", "b1"), ("waiting", "w1"), ("waiting", "w2"), ("missing", "m1"), ("blocking", "b2")]


def test_tools_have_spans_in_which_lies_what_they_do(way, telemetry, speaking):
    @tool
    def blocking(text: str) -> str:
        """Ask another model."""
        with telemetry.tracer.start_as_current_span("work"):
            return (
                Runner(speaking())
                .run(template=LinearTemplate([UserTemplate(text), AssistantTemplate()], template_id="inner"))
                .last.content
            )

    @tool
    async def waiting(text: str) -> str:
        """Wait."""
        await asyncio.sleep(0)
        with telemetry.tracer.start_as_current_span(f"awaited {text}"):
            return text

    calls = [ToolCall(id=one, name=name, arguments={"text": one} if one != "b2" else {}) for name, one in TOLD]
    tree = LinearTemplate(
        [UserTemplate("Hi"), ToolingTemplate([blocking, waiting], template_id="tools")], template_id="w"
    )
    way(Runner(speaking(Reply(tool_calls=calls), "done")), template=tree)

    below = {span.context.span_id: span for span in telemetry.spans}
    named = [(span.name, below[span.parent.span_id].name) for span in telemetry.spans if span.parent]
    assert [pair for pair in named if pair[1] == "template tools" and pair[0] != "chat gpt-4o-mini"] == [
        (f"execute_tool {name}", "template tools") for name in ("blocking", "waiting", "waiting", "missing", "blocking")
    ]
    assert ("work", "execute_tool blocking") in named
    assert ("invoke_workflow inner", "work") in named
    waited = {name: parent for name, parent in named if name.startswith("awaited")}
    assert waited == {"awaited w1": "execute_tool waiting", "awaited w2": "execute_tool waiting"}
    runs = {span.attributes["gen_ai.tool.call.id"]: span for span in telemetry.spans if "execute_tool" in span.name}
    assert [runs[key].status.status_code is StatusCode.ERROR for _, key in TOLD] == [False, False, False, True, True]
    assert runs["m1"].attributes["error.type"] == "antiphon.errors.InvalidValue"
    assert runs["b1"].attributes["gen_ai.tool.description"] == "Ask another model."
    durations = telemetry.points("gen_ai.execute_tool.duration")
    assert sum(point.count for point in durations) == 5


def test_a_subroutine_that_is_a_tool_lies_below_the_tool(way, telemetry, speaking):
    helper = SubroutineTemplate(LinearTemplate([UserTemplate("{{ request }}"), AssistantTemplate()]), "helper")
    called = Reply(tool_calls=[ToolCall(id="1", name="helper", arguments={"request": "Help."})])
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([Tool.from_template("helper", "Helps.", helper)])])
    way(Runner(speaking(called, "helped", "done")), template=tree)

    tree_of_names = [name for name in telemetry.tree() if "chat" not in name]
    assert tree_of_names[3:6] == ["    execute_tool helper", "      invoke_agent helper", "        template linear"]


class Broken(Exception):
    """Raised on purpose."""


def test_a_failure_is_said_by_all_that_it_ends_and_told_by_the_innermost(way, telemetry, speaking, support):
    with pytest.raises(Broken):
        way(Runner(speaking(Broken("on purpose"))), template=support)

    failed = [span for span in telemetry.spans if span.status.status_code is StatusCode.ERROR]
    assert [span.name for span in failed] == [
        "invoke_workflow support",
        "invoke_agent deep",
        "template linear",
        "template assistant",
        "chat gpt-4o-mini",
    ]
    assert {span.attributes["error.type"] for span in failed} == {f"{__name__}.Broken"}
    assert {span.status.description for span in failed} == {"on purpose"}
    told = {span.name: span.events for span in telemetry.spans if span.events}
    assert list(told) == ["chat gpt-4o-mini"]
    assert told["chat gpt-4o-mini"][0].name == "exception"
    assert "raise answer" in told["chat gpt-4o-mini"][0].attributes["exception.stacktrace"]
    assert trace.get_current_span() is trace.INVALID_SPAN
    errors = telemetry.points("gen_ai.invoke_agent.duration")
    assert {point.attributes["error.type"] for point in errors} == {f"{__name__}.Broken"}


def test_an_error_that_cannot_be_told_is_told_by_its_class(telemetry, speaking):
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(Mute):
        Runner(speaking(Mute())).run(template=LinearTemplate([UserTemplate("x"), AssistantTemplate()]))

    assert telemetry.named("chat gpt-4o-mini").attributes["error.type"].endswith("Mute")


def test_breaks_and_runs_that_are_closed_are_no_failures_and_a_cancelled_one_is(telemetry, speaking, support):
    Runner(speaking()).run(template=LoopTemplate([BreakTemplate()], template_id="loop"))
    steps = Runner(speaking()).iter(template=support)
    next(steps)
    steps.close()

    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}

    class Stuck(speaking):
        async def _asend(self, session: Session) -> str:
            await asyncio.Event().wait()
            return ""

    async def cancelled() -> None:
        await asyncio.wait_for(Runner(Stuck()).arun(template=support), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert telemetry.named("chat gpt-4o-mini").attributes["error.type"].endswith("CancelledError")


def test_a_turn_that_waits_for_the_user_is_no_failure(telemetry, speaking):
    research = SubroutineTemplate(UserTemplate(description="Which one?"), "research")
    look = Tool.from_template("look", "Looks.", research)
    asking = ToolingTemplate([look], template_id="ask")
    runner = Runner(
        speaking(Reply("", tool_calls=(ToolCall(id="1", name="look", arguments={"request": "x"}),))),
        template=LinearTemplate([UserTemplate("Hi"), asking], template_id="chat"),
    )

    assert runner.advance(Session()).waiting_for == "Which one?"

    assert {span.name for span in telemetry.spans} >= {"invoke_workflow chat", "template ask", "execute_tool look"}
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}
    assert not [span.name for span in telemetry.spans if "error.type" in span.attributes or span.events]
    assert not [p for p in telemetry.points("gen_ai.invoke_agent.duration") if "error.type" in p.attributes]


def test_a_template_of_ones_own_that_renders_another_keeps_its_spans_in_order(telemetry, speaking):
    class Own(Template):
        def _render(self, session: Session) -> Any:
            yield from UserTemplate("inner", template_id="inner").render(session)
            return session

    Runner(speaking()).run(
        template=LinearTemplate(
            [Own(template_id="own"), UserTemplate("after", template_id="after")], template_id="outer"
        )
    )

    assert telemetry.tree() == [
        "invoke_workflow outer",
        "  template own",
        "    template inner",
        "  template after",
    ]


def test_children_that_run_at_the_same_time_are_agents_below_their_template(way, telemetry, speaking):
    def asking(name: str) -> LinearTemplate:
        return LinearTemplate([UserTemplate("?"), AssistantTemplate(template_id=f"{name}-answer")], template_id=name)

    tree = ParallelTemplate([asking("one"), SubroutineTemplate(asking("inner"), "two")], "research")

    with telemetry.tracer.start_as_current_span("request") as request:
        way(Runner(speaking(tracer=telemetry.tracer)), template=LinearTemplate([tree], template_id="desk"))
        assert trace.get_current_span() is request

    names = [name for name in telemetry.tree() if name.strip() not in {"chunk", "template user"}]
    assert names == [
        "request",
        "  invoke_workflow desk",
        "    template research",
        "      invoke_agent one",
        "        template one-answer",
        "          chat gpt-4o-mini",
        "            POST",
        "      invoke_agent two",
        "        template inner",
        "          template inner-answer",
        "            chat gpt-4o-mini",
        "              POST",
    ]


@pytest.mark.parametrize("is_async", [False, True])
def test_an_error_of_one_of_them_is_told_once(is_async, telemetry):
    def fail(session: Session) -> Session:
        raise OSError("boom")

    tree = ParallelTemplate([UserTemplate("Hi"), UserTemplate("Hi", template_id="bad", after_transform=fail)], "both")
    runner = Runner("openai:never-asked", template=tree)
    with pytest.raises(OSError, match="boom"):
        asyncio.run(runner.arun()) if is_async else runner.run()

    told = [span.name for span in telemetry.spans if span.events]
    assert told == ["invoke_agent bad"]
    assert telemetry.named("invoke_workflow both").status.status_code is StatusCode.ERROR
