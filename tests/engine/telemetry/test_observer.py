"""The observer: what it takes, what a collector gets of it, and what is said without its package."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from antiphon import (
    Reply,
    Runner,
    observing,
)
from antiphon.errors import InvalidType, PackageMissing
from antiphon.telemetry import TelemetryObserver


@pytest.mark.parametrize("parameter", ["tracer_provider", "meter_provider", "logger_provider", "capture_content"])
def test_an_argument_of_another_kind_is_refused(parameter):
    with pytest.raises(InvalidType, match=parameter):
        TelemetryObserver(**{parameter: "yes"})


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


def test_a_collector_gets_what_was_told(speaking, support, used):
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
            Runner(speaking(Reply("fine", usage=used))).run(template=support)
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
