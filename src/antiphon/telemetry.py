"""Telemetry: spans and metrics of OpenTelemetry for whatever the engine does; needs ``antiphon[otel]``.

It speaks OpenTelemetry's conventions for generative AI, so that any backend knows what it gets. Nothing of this is
imported by the rest of the engine.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from time import perf_counter
from typing import Any, Final

from antiphon.errors import BadAnswer, InvalidValue, PackageMissing

try:
    from opentelemetry import _logs, context, metrics, trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as error:
    raise PackageMissing('telemetry needs OpenTelemetry: pip install "antiphon[otel]"') from (
        None if isinstance(error, ModuleNotFoundError) else error  # one that is broken has more to say
    )

from antiphon import semantic_conventions as conventions
from antiphon.caching import FROM_CACHE
from antiphon.connect import ConnectedModel
from antiphon.model import models_within
from antiphon.observers import (
    ModelEntered,
    ModelExited,
    Observer,
    RunResumed,
    RunSuspended,
    TemplateEntered,
    TemplateExited,
    ToolEntered,
    ToolExited,
)
from antiphon.parameters import check_kind
from antiphon.semantic_conventions import Attributes, Version, encodable, plain
from antiphon.session import Run, Session
from antiphon.signals import is_failure
from antiphon.templates.base import Template
from antiphon.templates.subroutine import SubroutineTemplate
from antiphon.trace import ModelCall

CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_OF_CALLS: Final = (
    *(conventions.OPERATION, conventions.PROVIDER, conventions.REQUEST_MODEL),
    *(conventions.SERVER, conventions.PORT),
)  # attributes of metrics
VERSION_VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"


class TelemetryObserver(Observer):
    """Emits a span for every template, subroutine, tool and model call, and the conventions' metrics.

    Whatever the program, and libraries that it uses, do within one of them has its span as parent, in threads and tasks
    too. While a program that goes through a run step by step has the word, its own span is the current one.

    What is said is not told, unless that is asked for: by ``capture_content``, or by the environment variable
    ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` (``NO_CONTENT``, ``SPAN_ONLY``, ``EVENT_ONLY`` or
    ``SPAN_AND_EVENT``). Metrics have the names of version 1.41 of the conventions; with ``gen_ai_latest_experimental``
    in ``OTEL_SEMCONV_STABILITY_OPT_IN`` those of their latest release. Both variables are read when it is made.

    Args:
        tracer_provider: Takes the spans; by default the global one, as for the other two.
        meter_provider: Takes the metrics.
        logger_provider: Takes the events that hold what is said, where those are asked for.
        capture_content: Whether spans hold what is said to models and tools, and what they answer; ``None`` for what
            the environment says.

    Raises:
        InvalidType: One of them is of the wrong kind.
        InvalidValue: The environment asks for a content that the conventions do not know.

    Example:
        >>> from antiphon import observing
        >>> with observing(TelemetryObserver()):
        ...     pass  # whatever runs here is told
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        logger_provider: _logs.LoggerProvider | None = None,
        *,
        capture_content: bool | None = None,
    ) -> None:
        for given, kind, parameter in (
            (tracer_provider, trace.TracerProvider, "tracer_provider"),
            (meter_provider, metrics.MeterProvider, "meter_provider"),
            (logger_provider, _logs.LoggerProvider, "logger_provider"),
            (capture_content, bool, "capture_content"),
        ):
            if given is not None:
                check_kind(given, kind, parameter)
        in_spans, self._in_events = _content_wanted()
        self._in_spans = in_spans if capture_content is None else capture_content
        wanted = {one.strip() for one in os.environ.get(VERSION_VARIABLE, "").split(",")}
        self._version = Version.LATEST if "gen_ai_latest_experimental" in wanted else Version.SETTLED
        scope = "antiphon", version_of("antiphon")
        self._tracer = trace.get_tracer(*scope, tracer_provider)
        self._logger = _logs.get_logger(*scope, logger_provider)
        self._metrics = _Metrics(metrics.get_meter(*scope, meter_provider), self._version)
        self._runs: dict[Run, _OpenRun] = {}
        self._open: dict[ModelEntered | ToolEntered, _Open] = {}

    def on_template_enter(self, event: TemplateEntered) -> None:
        """Begin the span of a template, and make it the current one."""
        run = event.session.run
        opened = self._runs.get(run)
        if opened is None:
            opened = self._runs[run] = _OpenRun(context.get_current())
        is_outermost = not opened.templates
        is_subroutine = isinstance(event.template, SubroutineTemplate) or (is_outermost and run.part is not None)
        name, attributes = _of_template(
            event.template, self._version, is_subroutine=is_subroutine, is_outermost=is_outermost
        )
        attributes["antiphon.template.path"] = event.path
        attributes["antiphon.template.kind"] = event.template.kind
        if event.template.template_id is not None:
            attributes["antiphon.template.id"] = event.template.template_id
        one = self._begun(name, attributes)
        opened.templates.append(one)
        one.attach()

    def on_template_exit(self, event: TemplateExited) -> None:
        """End the span of a template."""
        run = event.session.run
        opened = self._runs.get(run)
        if opened is None or not opened.templates:
            return  # a transform has put a session of another run in its place
        one = opened.templates.pop()
        error = event.error if is_failure(event.error) else None
        if opened.templates:
            one.detach()
        else:
            del self._runs[run]
            context.attach(opened.outside)
        with one.ending():
            self._failed(one.span, error, is_told=error is opened.told)
            opened.told = error
            around = None if run.part is None else self._runs.get(run.part.of)
            if around is not None and error is not None:
                around.told = error
            self._metrics.invoked(one, error)

    def on_suspend(self, event: RunSuspended) -> None:
        """Let the program's own span be the current one, while it has the word."""
        opened = self._runs.get(event.session.run)
        if opened is not None:
            opened.inside = context.get_current()
            context.attach(opened.outside)

    def on_resume(self, event: RunResumed) -> None:
        """Go on in the run's spans; what the program has made current meanwhile is so again at the next stop."""
        opened = self._runs.get(event.session.run)
        if opened is not None and opened.inside is not None:
            opened.outside = context.get_current()
            context.attach(opened.inside)

    def on_model_enter(self, event: ModelEntered) -> None:
        """Begin the span of a call."""
        attributes = {
            conventions.OPERATION: "chat",
            **conventions.model_attributes(event.model.name),
            **conventions.server_attributes(event.model.base_url if isinstance(event.model, ConnectedModel) else None),
            **conventions.request_attributes(event.model.settings, event.session, is_streamed=event.is_streamed),
        }
        if event.caller.template_path is not None:
            attributes["antiphon.template.path"] = event.caller.template_path
        kind = SpanKind.INTERNAL if models_within(event.model) else SpanKind.CLIENT  # it hands questions on
        name = f"chat {attributes[conventions.REQUEST_MODEL]}"
        self._open[event] = self._begun(name, attributes, kind)

    def on_model_resume(self, event: ModelEntered) -> None:
        """Make the span of a call the current one, while the model is at work."""
        one = self._open.get(event)
        if one is not None:
            one.attach()

    def on_model_suspend(self, event: ModelEntered) -> None:
        """Let the span around be the current one again."""
        one = self._open.get(event)
        if one is not None:
            one.detach()

    def on_model_exit(self, event: ModelExited) -> None:
        """End the span of a call."""
        one = self._open.pop(event.entered, None)
        if one is None:
            return
        call, session = event.call, event.entered.session
        error = call.error if is_failure(call.error) else None
        with one.ending():
            if one.span.is_recording():
                one.span.set_attributes(plain(conventions.response_attributes(call, self._version)))
                one.span.set_attribute("antiphon.model.chosen_by", call.chosen_by)
                is_told = error is not None and any(inner.error is error for inner in call.inner)
                self._failed(one.span, error, is_told=is_told)
            if self._in_spans or self._in_events:
                self._tell_content(one, call, session)
            self._note_told(session, error)
            if FROM_CACHE in call.notes:  # nobody was called
                one.span.set_attribute(FROM_CACHE, True)
            else:
                self._metrics.called(one, call, error)

    def on_tool_enter(self, event: ToolEntered) -> None:
        """Begin the span of a tool, and make it the current one."""
        call = event.call
        attributes: Attributes = {
            conventions.OPERATION: "execute_tool",
            conventions.TOOL: call.name,
            "gen_ai.tool.call.id": call.id,
            "gen_ai.tool.type": "function",
        }
        if event.tool is not None and event.tool.description:
            attributes["gen_ai.tool.description"] = event.tool.description
        if self._in_spans:
            attributes["gen_ai.tool.call.arguments"] = conventions.json_text(call.arguments)
        one = self._open[event] = self._begun(f"execute_tool {call.name}", attributes)
        one.attach()

    def on_tool_exit(self, event: ToolExited) -> None:
        """End the span of a tool."""
        one = self._open.pop(event.entered, None)
        if one is None:
            return
        one.detach()
        error = event.error if is_failure(event.error) else None
        with one.ending():
            self._failed(one.span, error)
            if self._in_spans and error is None and one.span.is_recording():
                one.span.set_attribute("gen_ai.tool.call.result", conventions.result_text(event.result))
            self._note_told(event.entered.session, error)
            self._metrics.executed(one, event.seconds, error)

    def _begun(self, name: str, attributes: Attributes, kind: SpanKind = SpanKind.INTERNAL) -> _Open:
        attributes = plain(attributes)
        span = self._tracer.start_span(encodable(name), kind=kind, attributes=attributes)
        return _Open(span, trace.set_span_in_context(span), attributes)

    def _failed(self, span: Span, error: BaseException | None, *, is_told: bool = False) -> None:
        """Let a span say that it failed; the error itself is told once, by the innermost."""
        if error is None or not span.is_recording():
            return
        shows_answer = isinstance(error, BadAnswer) and not self._in_spans
        message = "" if shows_answer else _message(error)
        span.set_status(Status(StatusCode.ERROR, encodable(message) or None))
        span.set_attribute(conventions.ERROR_TYPE, conventions.error_type(error))
        if is_told:
            return
        frames = traceback.format_tb(error.__traceback__) if shows_answer else traceback.format_exception(error)
        said: Attributes = {"exception.type": conventions.error_type(error), "exception.stacktrace": "".join(frames)}
        span.add_event("exception", plain({**said, "exception.message": message} if message else said))

    def _note_told(self, session: Session, error: BaseException | None) -> None:
        opened = self._runs.get(session.run)
        if opened is not None and error is not None:
            opened.told = error

    def _tell_content(self, one: _Open, call: ModelCall, session: Session) -> None:
        content = conventions.content_attributes(call.messages, call.reply, session)
        if self._in_spans and one.span.is_recording():
            one.span.set_attributes(conventions.as_json(content))
        if self._in_events:
            self._logger.emit(
                event_name="gen_ai.client.inference.operation.details",
                attributes=plain({**one.attributes, **conventions.response_attributes(call, self._version), **content}),
                context=one.inside,
            )


@dataclass(slots=True)
class _Open:
    """A span that has not ended.

    Attributes:
        span: The span.
        inside: The context in which it is the current one.
        attributes: With which it began.
        outside: The context that was current before.
        started: When it began, in seconds.
    """

    span: Span
    inside: Context
    attributes: Attributes
    outside: Context = field(default_factory=context.get_current)
    started: float = field(default_factory=perf_counter)

    def attach(self) -> None:
        """Make it the current one."""
        self.outside = context.get_current()
        context.attach(self.inside)

    def detach(self) -> None:
        """Let what was current before be so again. No token is reset: what nobody finished is closed anywhere."""
        context.attach(self.outside)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Tell in a block how it went, and end the span, whatever happens there."""
        try:
            yield
        finally:
            self.span.end()


@dataclass(slots=True)
class _OpenRun:
    """A run that has not ended.

    Attributes:
        outside: The context of the program, current while it has the word.
        templates: The spans of the templates that are rendered, from the outermost on.
        inside: The context of the run, where the program has the word.
        told: The error that a span has told last.
    """

    outside: Context
    templates: list[_Open] = field(default_factory=list)
    inside: Context | None = None
    told: BaseException | None = None


class _Metrics:
    """The instruments, by the names of a version of the conventions."""

    def __init__(self, meter: metrics.Meter, version: Version) -> None:
        self._is_settled = version is Version.SETTLED
        operation = "gen_ai.client.operation" if self._is_settled else "gen_ai.client.inference"
        self._duration = _histogram(meter, f"{operation}.duration", "Duration of a model call.", conventions.SECONDS)
        self._first_chunk = _histogram(
            meter,
            f"{operation}.time_to_first_chunk",
            "Time until the first piece of a stream.",
            conventions.CHUNK_BOUNDS,
        )
        self._agent = _histogram(
            meter, "gen_ai.invoke_agent.duration", "Duration of a subroutine or of a run.", conventions.SECONDS
        )
        self._tool = _histogram(
            meter, "gen_ai.execute_tool.duration", "Duration of a run of a tool.", conventions.SECONDS
        )
        if self._is_settled:
            self._usage = meter.create_histogram(
                "gen_ai.client.token.usage",
                "{token}",
                "Tokens that a model call used.",
                explicit_bucket_boundaries_advisory=conventions.TOKENS,
            )
        else:
            self._tokens = {
                name: meter.create_counter(f"gen_ai.client.inference.usage.{name}", "{token}", "Tokens used.")
                for name in (
                    "input_tokens",
                    "output_tokens",
                    "cache_read.input_tokens",
                    "cache_write.input_tokens",
                    "reasoning.output_tokens",
                )
            }

    def called(self, one: _Open, call: ModelCall, error: BaseException | None) -> None:
        """A model was called. A call that consists of others is not counted again."""
        attributes = _some_of(one.attributes, *_OF_CALLS)
        if call.served_by is not None:
            attributes[conventions.RESPONSE_MODEL] = encodable(call.served_by)
        if call.seconds_to_text is not None and not call.inner:
            self._first_chunk.record(call.seconds_to_text, attributes, one.inside)
        if conventions.own_usage(call) is not None:
            self._used(one, call, attributes)
        if not call.inner:
            self._duration.record(call.seconds, _with_error(attributes, error), one.inside)

    def _used(self, one: _Open, call: ModelCall, attributes: Attributes) -> None:
        usage = conventions.own_usage(call)
        if usage is None:
            return
        if self._is_settled:
            for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                self._usage.record(tokens, {**attributes, "gen_ai.token.type": kind}, one.inside)
            return
        for name, tokens, sound in (
            ("input_tokens", usage.input_tokens, usage.input_audio_tokens),
            ("output_tokens", usage.output_tokens, usage.output_audio_tokens),
            ("cache_read.input_tokens", usage.cached_input_tokens, 0),
            ("cache_write.input_tokens", usage.cache_write_tokens, 0),
            ("reasoning.output_tokens", usage.reasoning_tokens, 0),
        ):
            for modality, number in (("audio", sound), ("unknown", tokens - sound)):
                if number > 0:
                    by_modality = {**attributes, "gen_ai.token.modality": modality}
                    self._tokens[name].add(number, by_modality, one.inside)

    def invoked(self, one: _Open, error: BaseException | None) -> None:
        """A template has ended; subroutines and whole runs are counted."""
        if conventions.OPERATION in one.attributes:
            attributes = _some_of(one.attributes, conventions.OPERATION, conventions.AGENT)
            self._agent.record(perf_counter() - one.started, _with_error(attributes, error), one.inside)

    def executed(self, one: _Open, seconds: float, error: BaseException | None) -> None:
        """A tool has ended."""
        attributes = _some_of(one.attributes, conventions.OPERATION, conventions.TOOL, "gen_ai.tool.type")
        self._tool.record(seconds, _with_error(attributes, error), one.inside)


def _histogram(meter: metrics.Meter, name: str, description: str, bounds: tuple[float, ...]) -> metrics.Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=bounds)


def _some_of(attributes: Mapping[str, Any], *names: str) -> Attributes:
    return {name: attributes[name] for name in names if name in attributes}


def _with_error(attributes: Attributes, error: BaseException | None) -> Attributes:
    return attributes if error is None else {**attributes, conventions.ERROR_TYPE: conventions.error_type(error)}


def _of_template(
    template: Template, version: Version, *, is_subroutine: bool, is_outermost: bool
) -> tuple[str, Attributes]:
    """The name of a template's span, and what it is to the conventions: a subroutine is an agent, a run a workflow."""
    name = template.template_id or template.kind
    if is_subroutine:
        return f"invoke_agent {name}", {conventions.OPERATION: "invoke_agent", conventions.AGENT: name}
    if not is_outermost:
        return f"template {name}", {}
    attributes: Attributes = {conventions.OPERATION: "invoke_workflow", conventions.AGENT: name}
    if version is Version.SETTLED:
        attributes["gen_ai.workflow.name"] = name
    return f"invoke_workflow {name}", attributes


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # an error that cannot even be told: its class is
        return ""


def _content_wanted() -> tuple[bool, bool]:
    """Whether the environment asks for what is said: in spans, and in events."""
    given = os.environ.get(CONTENT_VARIABLE, "").strip()
    match given.upper():
        case "" | "FALSE" | "NO_CONTENT":
            return False, False
        case "TRUE" | "SPAN_ONLY":
            return True, False
        case "EVENT_ONLY":
            return False, True
        case "SPAN_AND_EVENT":
            return True, True
    raise InvalidValue(
        f"{CONTENT_VARIABLE} is {given!r}; the conventions know NO_CONTENT, SPAN_ONLY, EVENT_ONLY and SPAN_AND_EVENT"
    )
