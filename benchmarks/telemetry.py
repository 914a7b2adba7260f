"""What telemetry costs a turn: with OpenTelemetry's API alone, with spans that are sampled out, with all of it."""

from __future__ import annotations

from collections.abc import Callable

from measuring import compared, show_compared
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider
from turns import TURNS, looped

from antiphon import Session, observing
from antiphon.telemetry import TelemetryObserver


def told(observer: TelemetryObserver) -> Callable[[], Session]:
    """A loop that an observer listens to."""
    converse = looped(TURNS)

    def watched() -> Session:
        with observing(observer):
            return converse()

    return watched


def recording() -> TracerProvider:
    """A provider that makes whole spans, and sends them nowhere."""
    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())
    return provider


def main() -> None:
    """Measure, and print."""
    meters = MeterProvider([InMemoryMetricReader()])
    sampled_out = TracerProvider(sampler=ALWAYS_OFF)
    measured = compared(
        {
            "without": looped(TURNS),
            "without an SDK": told(TelemetryObserver(NoOpTracerProvider())),
            "sampled out, metrics": told(TelemetryObserver(sampled_out, meters)),
            "spans, metrics": told(TelemetryObserver(recording(), meters)),
            "spans with content, metrics": told(TelemetryObserver(recording(), meters, capture_content=True)),
        }
    )
    show_compared(f"Telemetry: {TURNS} turns, each a rendered message and an answer (three spans)", measured)


if __name__ == "__main__":
    main()
