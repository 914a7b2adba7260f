"""What tests of telemetry share: an observer that keeps what it is told, and models that speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
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

from antiphon import (
    AssistantTemplate,
    LinearTemplate,
    Model,
    Session,
    SubroutineTemplate,
    Usage,
    UserTemplate,
    observing,
)
from antiphon.telemetry import TelemetryObserver


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


class Speaking(Model):
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


USED = Usage(input_tokens=12, output_tokens=7, cost="0.25", cached_input_tokens=5, reasoning_tokens=2)  # type: ignore[arg-type]


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Each way to run a tree."""
    return request.param


@pytest.fixture
def new_telemetry() -> type[Telemetry]:
    return Telemetry


@pytest.fixture
def speaking() -> type[Speaking]:
    return Speaking


@pytest.fixture
def support() -> LinearTemplate:
    """A tree with a subroutine in it."""
    return TREE


@pytest.fixture
def used() -> Usage:
    return USED
