"""Telemetry: spans and metrics as OpenTelemetry's conventions for generative AI have them."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from antiphon import (
    AssistantTemplate,
    BreakTemplate,
    Image,
    LinearTemplate,
    LoopTemplate,
    Message,
    Model,
    Reply,
    Runner,
    Session,
    SubroutineTemplate,
    Template,
    Tool,
    ToolCall,
    ToolingTemplate,
    Usage,
    UserTemplate,
    connect,
    observing,
    tool,
)
from antiphon.errors import InvalidType, InvalidValue, OutputError, PackageMissing, ServerError
from antiphon.observers import ToolEntered, ToolExited
from antiphon.telemetry import CONTENT_VARIABLE, VERSION_VARIABLE, TelemetryObserver


class Telemetry:
    """An observer whose spans, metrics and events stay here."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = TracerProvider()
        self.tracing.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.logs = InMemoryLogRecordExporter()
        logging = LoggerProvider()
        logging.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.observer = TelemetryObserver(self.tracing, MeterProvider([self.reader]), logging, **options)
        self.tracer = self.tracing.get_tracer("of the program")

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time)

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def tree(self) -> list[str]:
        """The names of the spans, each indented below its parent, in the order in which they began."""
        names: list[str] = []

        def walk(parent: int | None, indent: str) -> None:
            for span in self.spans:
                if (span.parent.span_id if span.parent else None) == parent:
                    names.append(indent + span.name)
                    walk(span.context.span_id, indent + "  ")

        walk(None, "")
        assert len(names) == len(self.spans), "a span lies below none that has ended"
        return names

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
        ]
        return [point for metric in found for point in metric.data.data_points]

    def export(self) -> None:
        """Encode all of it as it would be sent to a collector."""
        encode_spans(self.exporter.get_finished_spans()).SerializeToString()
        encode_logs(self.logs.get_finished_logs()).SerializeToString()
        data = self.reader.get_metrics_data()
        assert data is not None
        encode_metrics(data).SerializeToString()


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    with observing(made.observer):
        yield made


async def _awaited(steps: Any) -> None:
    async for _ in steps:
        pass


WAYS = {
    "run": lambda runner, **options: runner.run(**options),
    "arun": lambda runner, **options: asyncio.run(runner.arun(**options)),
    "iter": lambda runner, **options: list(runner.iter(**options)),
    "aiter": lambda runner, **options: asyncio.run(_awaited(runner.aiter(**options))),
    "stream": lambda runner, **options: list(runner.stream(**options)),
    "astream": lambda runner, **options: asyncio.run(_awaited(runner.astream(**options))),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


class Saying(Model):
    """Says these things in order, the last one for ever; streams by words; marks a span of its own as a client does."""

    def __init__(self, *answers: Any, name: str = "openai:gpt-4o-mini", tracer: Any = None, **settings: Any) -> None:
        self.name = name
        self.answers = list(answers or ("fine",))
        self.tracer = tracer
        self.settings = self.settings.model_copy(update=settings)

    def _send(self, session: Session) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if self.tracer is not None:
            self.tracer.start_span("POST").end()
        return answer

    def _stream(self, session: Session) -> Any:
        answer = self._send(session)
        if not isinstance(answer, str):
            yield answer
            return
        for word in answer.split(" "):
            if self.tracer is not None:
                self.tracer.start_span("chunk").end()
            yield word


TREE = LinearTemplate(
    [
        UserTemplate("Hi", template_id="ask"),
        SubroutineTemplate(LinearTemplate([UserTemplate("y"), AssistantTemplate()]), "deep"),
    ],
    template_id="support",
)


@every_way
def test_every_way_to_run_a_tree_gives_the_same_spans_one_below_the_other(way, telemetry):
    way(Runner(Saying(tracer=telemetry.tracer)), template=TREE)

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


@every_way
def test_a_run_belongs_to_the_span_in_which_the_program_began_it(way, telemetry):
    with telemetry.tracer.start_as_current_span("request") as request:
        way(Runner(Saying()), template=UserTemplate("Hi", template_id="hi"))

        assert trace.get_current_span() is request
    assert telemetry.tree() == ["request", "  invoke_workflow hi"]


def handed_out(telemetry: Telemetry, steps: Iterator[Any]) -> None:
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
def test_while_the_program_has_the_word_its_own_span_is_the_current_one(way, telemetry):
    handed_out(telemetry, getattr(Runner(Saying("a b c d")), way)(template=TREE))

    names = [name.strip() for name in telemetry.tree()]
    assert [name for name in names if name != "of the program"] == ["invoke_workflow support", *WHOLE]
    assert "of the program" not in [name.strip() for name in telemetry.tree() if name.startswith(" ")]


def test_a_template_that_the_program_goes_through_itself_leaves_the_program_its_span(telemetry):
    session = Session()
    session.runner = Runner(Saying())
    handed_out(telemetry, TREE.render(session))

    first = telemetry.tree()[:3]
    assert first == ["of the program", "  invoke_workflow support", "    template ask"]  # where it was begun
    names = [name.strip() for name in telemetry.tree()]
    assert [name for name in names if name != "of the program"] == ["invoke_workflow support", *WHOLE]


def test_a_template_can_be_gone_through_in_one_thread_and_closed_in_another(telemetry):
    session = Session()
    session.runner = Runner(Saying())
    steps = TREE.render(session)
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


def test_a_model_that_is_listened_to_leaves_the_program_its_span_between_the_pieces(telemetry):
    model = Saying("one two", tracer=telemetry.tracer)
    for _ in model.stream(Session(messages=[Message(role="user", content="Count.")])):
        assert trace.get_current_span() is trace.INVALID_SPAN

    assert telemetry.tree() == ["chat gpt-4o-mini", "  POST", "  chunk", "  chunk"]
    span = telemetry.named("chat gpt-4o-mini")
    assert span.attributes["gen_ai.request.stream"] is True
    assert 0 <= span.attributes["gen_ai.response.time_to_first_chunk"] < 60
    assert len(telemetry.points("gen_ai.client.operation.time_to_first_chunk")) == 1


def test_a_stream_that_is_left_has_ended_and_is_no_failure(telemetry):
    pieces = Saying("one two").stream(Session(messages=[Message(role="user", content="Count.")]))
    next(pieces)
    pieces.close()

    span = telemetry.named("chat gpt-4o-mini")
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_runs_that_go_on_at_the_same_time_do_not_take_each_others_spans(telemetry):
    trees = {name: LinearTemplate([UserTemplate("Hi"), AssistantTemplate()], template_id=name) for name in "abcd"}

    async def tasks() -> None:
        await asyncio.gather(*(Runner(Saying()).arun(template=trees[name]) for name in "ab"))

    asyncio.run(tasks())
    threads = [threading.Thread(target=Runner(Saying()).run, kwargs={"template": trees[name]}) for name in "cd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    in_turns = [Runner(Saying()).iter(template=trees[name]) for name in "ab"]
    for pair in zip(*in_turns, strict=True):
        assert [message.content for message in pair] in (["Hi", "Hi"], ["fine", "fine"])
    for steps in in_turns:
        list(steps)

    whole = ["invoke_workflow {}", "  template user", "  template assistant", "    chat gpt-4o-mini"]
    tree = telemetry.tree()
    runs = [tree[start : start + 4] for start in range(0, len(tree), 4)]
    assert sorted(runs) == sorted([[line.format(name) for line in whole] for name in ("a", "a", "b", "b", "c", "d")])


class Asking(Model):
    """Asks another model, and once more where that fails."""

    name = "retrying"

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    def _send(self, session: Session) -> Message:
        try:
            return self.inner.send(session)
        except RuntimeError:
            return self.inner.send(session)


USED = Usage(input_tokens=12, output_tokens=7, cost="0.25", cached_input_tokens=5, reasoning_tokens=2)  # type: ignore[arg-type]


def test_what_a_model_asks_another_lies_below_it_and_is_counted_once(telemetry):
    model = Asking(Saying(RuntimeError("busy"), Reply("fine", usage=USED)))
    model.send(Session(messages=[Message(role="user", content="Hi")]))

    assert telemetry.tree() == ["chat retrying", "  chat gpt-4o-mini", "  chat gpt-4o-mini"]
    outer, failed, answered = telemetry.spans
    assert [span.kind for span in telemetry.spans] == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.CLIENT]
    assert failed.status.status_code is StatusCode.ERROR
    assert outer.status.status_code is answered.status.status_code is StatusCode.UNSET
    assert "gen_ai.usage.input_tokens" not in outer.attributes
    assert answered.attributes["gen_ai.usage.input_tokens"] == 12
    points = telemetry.points("gen_ai.client.operation.duration")
    assert sum(point.count for point in points) == 2
    assert {point.attributes.get("error.type") for point in points} == {None, "RuntimeError"}


def test_a_call_says_what_the_conventions_want_to_know(telemetry):
    class Answer(BaseModel):
        text: str

    reply = Reply('{"text": "fine"}', usage=USED, served_by="gpt-4o-mini-2024", finish_reason="stop")
    model = Saying(reply, temperature=0.5, max_tokens=100, seed=7, stop=["END"], top_k=3)
    tree = LinearTemplate([UserTemplate("Hi"), AssistantTemplate(output_type=Answer, template_id="answer")])
    Runner(model).run(template=tree)

    span = telemetry.named("chat gpt-4o-mini")
    assert span.kind is SpanKind.CLIENT
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.seed": 7,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.output.type": "json",
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "antiphon.usage.cost": 0.25,
        "antiphon.model.chosen_by": "runner",
        "antiphon.template.path": "linear/answer",
    }
    by_type = {point.attributes["gen_ai.token.type"]: point for point in telemetry.points("gen_ai.client.token.usage")}
    assert {kind: point.sum for kind, point in by_type.items()} == {"input": 12, "output": 7}
    assert dict(by_type["input"].attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.token.type": "input",
    }
    assert by_type["input"].explicit_bounds[:3] == (1, 4, 16)
    assert telemetry.points("gen_ai.client.operation.duration")[0].explicit_bounds[0] == 0.01


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("anthropic:claude-x", "anthropic", "claude-x"),
        ("google:gemini-x", "gcp.gemini", "gemini-x"),
        ("openai-responses:gpt-x", "openai", "gpt-x"),
        ("mistral:small:v2", "mistral_ai", "small:v2"),
        ("hers", "_OTHER", "hers"),
    ],
)
def test_providers_have_the_names_that_the_conventions_give_them(name, provider, model, telemetry):
    Saying(name=name).send(Session(messages=[Message(role="user", content="Hi")]))

    (span,) = telemetry.spans
    assert (span.attributes["gen_ai.provider.name"], span.attributes["gen_ai.request.model"]) == (provider, model)


@pytest.mark.llm_live(reason="nobody listens there")
def test_a_model_at_an_address_of_its_own_says_where_it_is(telemetry):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    model = connect("openai:small", base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0)
    with pytest.raises(ServerError):
        model.send(Session(messages=[Message(role="user", content="Hi")]))

    span = telemetry.named("chat small")
    assert (span.attributes["server.address"], span.attributes["server.port"]) == ("127.0.0.1", port)
    assert telemetry.points("gen_ai.client.operation.duration")[0].attributes["server.port"] == port
    assert span.attributes["error.type"] == "antiphon.errors.ServerError"


def test_templates_say_where_they_stand_and_which_is_an_agent(telemetry):
    Runner(Saying()).run(template=TREE)

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


def _round(*calls: ToolCall) -> Reply:
    return Reply(tool_calls=calls)


TOLD = [("blocking", "b1"), ("waiting", "w1"), ("waiting", "w2"), ("missing", "m1"), ("blocking", "b2")]


@every_way
def test_tools_have_spans_in_which_lies_what_they_do(way, telemetry):
    @tool
    def blocking(text: str) -> str:
        """Ask another model."""
        with telemetry.tracer.start_as_current_span("work"):
            return (
                Runner(Saying())
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
    way(Runner(Saying(_round(*calls), "done")), template=tree)

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


@every_way
def test_a_subroutine_that_is_a_tool_lies_below_the_tool(way, telemetry):
    helper = SubroutineTemplate(LinearTemplate([UserTemplate("{{ request }}"), AssistantTemplate()]), "helper")
    called = _round(ToolCall(id="1", name="helper", arguments={"request": "Help."}))
    tree = LinearTemplate([UserTemplate("Hi"), ToolingTemplate([Tool.from_template("helper", "Helps.", helper)])])
    way(Runner(Saying(called, "helped", "done")), template=tree)

    tree_of_names = [name for name in telemetry.tree() if "chat" not in name]
    assert tree_of_names[3:6] == ["    execute_tool helper", "      invoke_agent helper", "        template linear"]


class Broken(Exception):
    """Raised on purpose."""


@every_way
def test_a_failure_is_said_by_all_that_it_ends_and_told_by_the_innermost(way, telemetry):
    with pytest.raises(Broken):
        way(Runner(Saying(Broken("on purpose"))), template=TREE)

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


def test_an_error_that_cannot_be_told_is_told_by_its_class(telemetry):
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(Mute):
        Runner(Saying(Mute())).run(template=LinearTemplate([UserTemplate("x"), AssistantTemplate()]))

    assert telemetry.named("chat gpt-4o-mini").attributes["error.type"].endswith("Mute")


def test_breaks_and_runs_that_are_closed_are_no_failures_and_a_cancelled_one_is(telemetry):
    Runner(Saying()).run(template=LoopTemplate([BreakTemplate()], template_id="loop"))
    steps = Runner(Saying()).iter(template=TREE)
    next(steps)
    steps.close()

    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}

    class Stuck(Saying):
        async def _asend(self, session: Session) -> str:
            await asyncio.Event().wait()
            return ""

    async def cancelled() -> None:
        await asyncio.wait_for(Runner(Stuck()).arun(template=TREE), 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert telemetry.named("chat gpt-4o-mini").attributes["error.type"].endswith("CancelledError")


def _said(telemetry: Telemetry) -> str:
    return " ".join(span.to_json() for span in telemetry.spans)


SECRET = "the moon is made of cheese"
ASKED = [ToolCall(id="1", name="look", arguments={"where": SECRET})]


def _tell(telemetry: Telemetry) -> None:
    @tool
    def look(where: str) -> str:
        """Look."""
        return f"seen: {where}"

    attached = [Image.from_bytes(b"GIF89a", "image/gif"), Image.from_url("https://example.com/a.png")]
    tree = LinearTemplate([UserTemplate(SECRET, attachments=attached), ToolingTemplate([look])])
    answer = Reply(SECRET, thinking=f"Hm: {SECRET}")
    with observing(telemetry.observer):
        Runner(Saying(_round(*ASKED), answer)).run(template=tree)
        with pytest.raises(OutputError):
            Runner(Saying(SECRET)).run(
                template=LinearTemplate([UserTemplate("n?"), AssistantTemplate(output_type=int)])
            )


def test_nothing_that_is_said_is_told_unless_it_is_asked_for(monkeypatch):
    monkeypatch.delenv(CONTENT_VARIABLE, raising=False)
    telemetry = Telemetry()
    _tell(telemetry)

    assert telemetry.spans
    assert SECRET not in _said(telemetry)
    assert telemetry.logs.get_finished_logs() == ()


@pytest.mark.parametrize("asked", ["parameter", "SPAN_ONLY", "true"])
def test_spans_hold_what_is_said_where_that_is_asked_for(asked, monkeypatch):
    monkeypatch.setenv(CONTENT_VARIABLE, "" if asked == "parameter" else asked)
    telemetry = Telemetry(**({"capture_content": True} if asked == "parameter" else {}))
    _tell(telemetry)

    first, second, _ = [span for span in telemetry.spans if span.name.startswith("chat")]
    assert json.loads(second.attributes["gen_ai.input.messages"]) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": SECRET},
                {"type": "attachment", "modality": "image", "mime_type": "image/gif"},
                {"type": "uri", "uri": "https://example.com/a.png", "modality": "image", "mime_type": "image/png"},
            ],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "1", "name": "look", "arguments": {"where": SECRET}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": f"seen: {SECRET}"}]},
    ]
    assert json.loads(second.attributes["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": f"Hm: {SECRET}"}, {"type": "text", "content": SECRET}],
            "finish_reason": "stop",
        }
    ]
    (offered,) = json.loads(first.attributes["gen_ai.tool.definitions"])
    assert (offered["type"], offered["name"], offered["description"]) == ("function", "look", "Look.")
    run = telemetry.named("execute_tool look")
    assert json.loads(run.attributes["gen_ai.tool.call.arguments"]) == {"where": SECRET}
    assert run.attributes["gen_ai.tool.call.result"] == f"seen: {SECRET}"
    assert telemetry.logs.get_finished_logs() == ()


def test_events_hold_what_is_said_where_that_is_asked_for(monkeypatch):
    monkeypatch.setenv(CONTENT_VARIABLE, "EVENT_ONLY")
    telemetry = Telemetry()
    _tell(telemetry)

    assert SECRET not in _said(telemetry)
    events = [log.log_record for log in telemetry.logs.get_finished_logs()]
    assert [event.event_name for event in events] == ["gen_ai.client.inference.operation.details"] * 3
    calls = [span for span in telemetry.spans if span.name.startswith("chat")]
    assert [event.span_id for event in events] == [span.context.span_id for span in calls]
    assert events[0].attributes["gen_ai.input.messages"][0]["parts"][0]["content"] == SECRET
    assert events[0].attributes["gen_ai.request.model"] == "gpt-4o-mini"


def _circular() -> dict[str, Any]:
    known: dict[str, Any] = {"list": []}
    known["list"].append(known["list"])
    return known


class Unsaid:
    """What cannot even be shown."""

    def __repr__(self) -> str:
        raise OSError("nothing to show")


NO_JSON = {
    "more digits than Python writes": ({"number": 10**5000}, '{"number": "<int>"}'),
    "more than 64 bits": ({"number": 2**70}, '{"number": "1180591620717411303424"}'),
    "a key that is a tuple": ({"at": {(1, 2): "here"}}, '{"at": {"(1, 2)": "here"}}'),
    "a list in itself": (_circular(), '{"list": ["[[...]]"]}'),
    "an object that cannot be shown": ({"it": Unsaid()}, '{"it": "<Unsaid>"}'),
    "half a character": ({"at": {"\ud800": "\udfff"}}, '{"at": {"\\\\ud800": "\\\\udfff"}}'),
}


@pytest.mark.parametrize(("arguments", "told"), NO_JSON.values(), ids=NO_JSON)
def test_content_that_has_no_form_in_json_ends_no_call_and_no_export(arguments, told, monkeypatch):
    monkeypatch.setenv(CONTENT_VARIABLE, "SPAN_AND_EVENT")
    telemetry = Telemetry()
    wanted = ToolCall(id="1", name="look", arguments=arguments)

    with observing(telemetry.observer):
        said = Saying(Reply(tool_calls=[wanted])).send(Session(messages=[Message(role="user", content="Go on.")]))
        entered = ToolEntered(wanted, None, "", None, Session())
        telemetry.observer.on_tool_enter(entered)
        telemetry.observer.on_tool_exit(ToolExited(entered, arguments, None, 0.0))

    assert said.tool_calls[0].name == "look"
    (call, tool) = telemetry.spans
    assert tool.attributes["gen_ai.tool.call.arguments"] == told
    (answer,) = json.loads(call.attributes["gen_ai.output.messages"])
    assert answer["parts"][0]["arguments"] == json.loads(told)
    telemetry.export()


def test_what_utf_8_cannot_encode_is_exported_wherever_it_stands(telemetry):
    half = "half \ud800"

    with pytest.raises(Broken):
        Runner(Saying(Broken(half), name=f"openai:{half}")).run(
            template=LinearTemplate([UserTemplate("Go on."), AssistantTemplate(template_id="answer")])
        )

    call = telemetry.named("chat half \\ud800")
    assert call.status.description == "half \\ud800"
    assert call.attributes["gen_ai.request.model"] == "half \\ud800"
    assert call.events[0].attributes["exception.message"] == "half \\ud800"
    telemetry.export()


def test_a_content_that_the_conventions_do_not_know_is_refused(monkeypatch):
    monkeypatch.setenv(CONTENT_VARIABLE, "everything")

    with pytest.raises(InvalidValue, match=r"'everything'.*NO_CONTENT, SPAN_ONLY, EVENT_ONLY and SPAN_AND_EVENT"):
        TelemetryObserver()


@pytest.mark.parametrize("parameter", ["tracer_provider", "meter_provider", "logger_provider", "capture_content"])
def test_an_argument_of_another_kind_is_refused(parameter):
    with pytest.raises(InvalidType, match=parameter):
        TelemetryObserver(**{parameter: "yes"})


def test_the_latest_conventions_are_spoken_where_that_is_asked_for(monkeypatch):
    monkeypatch.setenv(VERSION_VARIABLE, "http, gen_ai_latest_experimental")
    telemetry = Telemetry()
    usage = USED.model_copy(update={"cache_write_tokens": 3, "input_audio_tokens": 2})
    with observing(telemetry.observer):
        Runner(Saying(Reply("fine", usage=usage))).run(template=TREE)

    assert telemetry.points("gen_ai.client.token.usage") == telemetry.points("gen_ai.client.operation.duration") == []
    assert telemetry.points("gen_ai.client.inference.duration")[0].count == 1
    used = telemetry.points("gen_ai.client.inference.usage.input_tokens")
    assert {point.attributes["gen_ai.token.modality"]: point.value for point in used} == {"audio": 2, "unknown": 10}
    assert telemetry.points("gen_ai.client.inference.usage.cache_write.input_tokens")[0].value == 3
    assert telemetry.named("chat gpt-4o-mini").attributes["gen_ai.usage.cache_write.input_tokens"] == 3
    workflow = telemetry.named("invoke_workflow support").attributes
    assert workflow["gen_ai.agent.name"] == "support"
    assert "gen_ai.workflow.name" not in workflow


def test_without_the_package_it_is_said_what_to_install_and_nothing_else_needs_it(monkeypatch):
    for name in [one for one in sys.modules if one.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "antiphon.telemetry")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(PackageMissing, match=r'pip install "antiphon\[otel\]"') as caught:
        import antiphon.telemetry  # noqa: F401

    assert isinstance(caught.value, ImportError)


class Collector:
    """A receiver of OTLP over HTTP on this machine.

    Attributes:
        url: Where it is.
        requests: The paths and bodies that came.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                requests.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_a_collector_gets_what_was_told():
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    with Collector() as collector:
        tracing = TracerProvider()
        tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
        exporter = OTLPMetricExporter(f"{collector.url}/v1/metrics")
        metering = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)])
        with observing(TelemetryObserver(tracing, metering)):
            Runner(Saying(Reply("fine", usage=USED))).run(template=TREE)
        tracing.shutdown()
        metering.shutdown()
        bodies = dict(collector.requests)

    spans = [
        span
        for resource in ExportTraceServiceRequest.FromString(bodies["/v1/traces"]).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    ids = {span.span_id: span.name for span in spans}
    assert {span.name: ids.get(span.parent_span_id) for span in spans} == {
        "invoke_workflow support": None,
        "template ask": "invoke_workflow support",
        "invoke_agent deep": "invoke_workflow support",
        "template linear": "invoke_agent deep",
        "template user": "template linear",
        "template assistant": "template linear",
        "chat gpt-4o-mini": "template assistant",
    }
    assert len({span.trace_id for span in spans}) == 1
    measured = {
        metric.name
        for resource in ExportMetricsServiceRequest.FromString(bodies["/v1/metrics"]).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"gen_ai.client.token.usage", "gen_ai.client.operation.duration", "gen_ai.invoke_agent.duration"} <= measured


def test_a_template_of_ones_own_that_renders_another_keeps_its_spans_in_order(telemetry):
    class Own(Template):
        def _render(self, session: Session) -> Any:
            yield from UserTemplate("inner", template_id="inner").render(session)
            return session

    Runner(Saying()).run(
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
